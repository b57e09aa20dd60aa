//! The log of the service, on standard error: lines for a person, or a JSON object a line for a collector.
//!
//! No line may ever hold a text that a caller sent, so a panic is logged by where it happened and not by its message:
//! `"…"[3..]` out of bounds quotes the string that it was. What that trades is the message of a panic of our own code;
//! the place says which it was.

use std::panic::Location;
use std::{fmt, thread};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use tracing::Dispatch;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::failure::Failure;
use crate::terminal;
use crate::traces::{Traces, TracesLayer};

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For a person.
    Text,
    /// For a program: one JSON object a line.
    Json,
}

/// What `level` lets through.
pub(crate) fn filter(level: &str) -> Result<EnvFilter, Failure> {
    let refuse = |why: &dyn fmt::Display| {
        Failure::Usage(format!(
            "log-level {level:?} is no level: {why}; use error, warn, info, debug or trace, also by module, as in \
             info,dateline_server=debug"
        ))
    };
    // `EnvFilter` takes a bare word that is no level for a module's name, and a slip would silence all the others.
    let is_slip = |part: &&str| !part.contains(['=', '[', '{']) && part.trim().parse::<LevelFilter>().is_err();
    if let Some(word) = level.split(',').find(is_slip) {
        return Err(refuse(&format_args!("there is no level {word:?}")));
    }
    EnvFilter::builder().parse(level).map_err(|error| refuse(&error))
}

/// Sends the log of this process to standard error, panics included, and the spans of requests to the collector at
/// `traces`, if there is one. What is returned sends the last spans off when it is dropped.
pub(crate) fn init(format: LogFormat, level: &str, traces: Option<&str>) -> Result<Traces, Failure> {
    let (traces, layer) = Traces::start(traces)?;
    let dispatch = dispatch(format, filter(level)?, terminal::stderr_has_colors(), std::io::stderr, layer);
    tracing::dispatcher::set_global_default(dispatch).map_err(Failure::work)?;
    std::panic::set_hook(Box::new(|panic| {
        let thread = thread::current();
        log_panic(thread.name(), panic.location());
    }));
    Ok(traces)
}

/// Today's date in UTC, as 2026-11-22.
pub(crate) fn today() -> String {
    let mut now = String::new();
    SystemTime.format_time(&mut Writer::new(&mut now)).expect("a string takes all that is written");
    now.split('T').next().unwrap_or_default().to_owned()
}

fn dispatch<W>(format: LogFormat, filter: EnvFilter, colors: bool, writer: W, traces: TracesLayer) -> Dispatch
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let registry = tracing_subscriber::registry().with(traces);
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(colors)
        .with_writer(writer)
        // It would report a standard error that nobody reads on standard error, and panic.
        .log_internal_errors(false);
    match format {
        LogFormat::Text => Dispatch::new(registry.with(lines.compact().with_target(false).with_filter(filter))),
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_span_list(false);
            Dispatch::new(registry.with(lines.with_filter(filter)))
        }
    }
}

/// Takes no message, so that none can be logged.
fn log_panic(thread: Option<&str>, place: Option<&Location<'_>>) {
    let place = place.map_or(&"unknown" as &dyn fmt::Display, |place| place);
    tracing::error!(thread = thread.unwrap_or("unnamed"), %place, "a thread panicked");
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, level: &str, log: impl FnOnce()) -> Vec<String> {
        let lines = Lines::default();
        let writer = lines.clone();
        let dispatch =
            dispatch(format, filter(level).unwrap(), false, move || writer.clone(), Traces::start(None).unwrap().1);
        tracing::dispatcher::with_default(&dispatch, log);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }

    fn announce() {
        tracing::debug!("not at this level");
        tracing::info!(connections = 3, "listening on http://127.0.0.1:8080");
    }

    #[test]
    fn json_is_an_object_a_line() {
        let lines = logged(LogFormat::Json, "info", announce);
        assert_eq!(lines.len(), 1);
        let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["message"], "listening on http://127.0.0.1:8080");
        assert_eq!((&line["level"], &line["connections"]), (&"INFO".into(), &3.into()));
        let time = line["timestamp"].as_str().unwrap();
        assert!(time.starts_with("20") && time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
    }

    #[test]
    fn text_is_a_line_for_a_person() {
        let lines = logged(LogFormat::Text, "info", announce);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].contains("Z  INFO listening on http://127.0.0.1:8080 connections=3"), "{}", lines[0]);
        assert_eq!(logged(LogFormat::Text, "error", announce).len(), 0);
        assert_eq!(logged(LogFormat::Text, "debug", announce).len(), 2);
    }

    #[test]
    fn a_panic_is_a_thread_and_a_place() {
        let lines = logged(LogFormat::Json, "info", || log_panic(Some("model"), Some(Location::caller())));
        let line: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
        assert_eq!(line["thread"], "model");
        assert!(line["place"].as_str().unwrap().contains("logging.rs:"), "{line}");
    }

    #[test]
    fn a_level_that_is_none_is_explained() {
        for wrong in ["loud", "dateline=loud", "info,,=x"] {
            let error = filter(wrong).unwrap_err().to_string();
            assert!(error.contains(wrong) && error.contains("error, warn, info"), "{error}");
        }
    }

    #[test]
    fn today_is_a_date() {
        let today = today();
        assert!(today.len() == 10 && today.bytes().filter(|&byte| byte == b'-').count() == 2, "{today}");
    }
}
