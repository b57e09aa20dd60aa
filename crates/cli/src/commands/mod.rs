//! What each command does with its checked configuration.

mod annotate;
mod batch;
mod bench;
mod convert;
mod eval;
mod keys;
mod manual;
mod models;
mod quantise;
mod serve;
mod train;

use std::time::Instant;

use crate::args::Command;
use crate::failure::Failure;

/// Does what `command` says, in a process that began at `started`.
pub(crate) fn run(command: Command, started: Instant) -> Result<(), Failure> {
    match command {
        Command::Annotate(args) => annotate::run(args.resolve()?),
        Command::Batch(args) => batch::run(args.resolve()?),
        Command::Convert(args) => convert::run(&args.resolve()?),
        Command::Serve(args) => serve::run(args.resolve()?),
        Command::Keys(command) => keys::run(command),
        Command::Eval(args) => eval::run(args.resolve()?),
        Command::Bench(args) => bench::run(args.resolve()?, started),
        Command::Train(args) => train::run(args.resolve()?),
        Command::Quantise(args) => quantise::run(args.resolve()?),
        Command::Models(command) => models::run(command),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::man(&args),
    }
}
