//! What the processes of a cluster say, on standard error: lines for a person, or a JSON object a line for a program. No
//! line holds a text that is annotated.

use std::fmt;
use std::io::{self, Write};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use crate::failure::Failure;

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For a person.
    Text,
    /// For a program: one JSON object a line.
    Json,
}

/// Our own steps, and of others what goes wrong. An executor without a scheduler asks for one twenty times a second, and
/// Ballista would warn as often.
pub(crate) const DEFAULT_LEVEL: &str = "error,dateline_cluster=info,ballista_scheduler=warn,ballista_executor=warn,\
     ballista_executor::execution_loop=error";

/// Sends the log of this process to standard error, Ballista's and DataFusion's too.
pub(crate) fn init(format: LogFormat, level: &str) -> Result<(), Failure> {
    let filter = EnvFilter::builder().parse(level).map_err(|error| {
        Failure::Usage(format!("log-level {level:?} is no level: {error}; use error, warn, info, debug or trace"))
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(false).try_init(),
        LogFormat::Json => log.json().try_init(),
    }
    .map_err(Failure::Work)
}

/// Says something to whoever started the command, whatever the log lets through.
pub(crate) fn say(message: impl fmt::Display) {
    // If nobody can be told, nobody can be told that either.
    let _ = writeln!(io::stderr(), "{message}");
}
