//! `dateline-load`: what a `dateline serve` does under load, for hours, and against clients that mean no good.
//!
//! The generator shares the machine with the service that it measures, so it runs on one thread, encodes its requests
//! before the clock starts, and looks at no more of an answer than it must. That is why it brings a small HTTP client
//! of its own ([`response`], [`client`]): it also has to send what no proper client would.

mod args;
mod bare;
mod bulk;
mod client;
mod failure;
mod hostile;
mod latency;
mod memory;
mod output;
mod plot;
mod response;
mod server;
mod soak;
mod stats;
mod stream;
mod texts;
mod throughput;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::failure::Failure;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(failure) => {
            output::warn(format_args!("error: {failure}"));
            ExitCode::from(2)
        }
    }
}

/// Runs `command`; whether everything was as expected.
fn run(command: Command) -> Result<bool, Failure> {
    if let Command::Bare(args) = command {
        return bare::serve(&args).map(|()| true);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::io("runtime"))?;
    runtime.block_on(async {
        match command {
            Command::Throughput(args) => throughput::run(&args).await,
            Command::Latency(args) => latency::run(&args).await,
            Command::Soak(args) => soak::run(&args).await,
            Command::Hostile(args) => hostile::run(&args).await,
            Command::Stream(args) => stream::run(&args).await,
            Command::Bare(_) => unreachable!("it has no use for the runtime"),
        }
    })
}
