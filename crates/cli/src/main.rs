//! The `dateline` command: who, where, which units and which weapons a text names.
//!
//! This binary is thin. Each command parses its arguments ([`args`]), resolves them into a checked configuration, and
//! calls the crate that does the work ([`commands`]); no model, server or training logic lives here. What it does own is
//! the edge of the process: where a model is found ([`model`]), how documents come in ([`input`]) and go out
//! ([`output`]) in bounded memory, what is logged ([`logging`]), and which exit code an end has ([`failure`]).

mod args;
mod commands;
mod failure;
mod input;
mod logging;
mod model;
mod output;
mod progress;
mod queue;
mod signals;
mod terminal;
mod traces;

use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let started = Instant::now();
    let cli = args::Cli::of_this_process();
    cli.color.write_global();
    failure::exit_code(commands::run(cli.command, started))
}
