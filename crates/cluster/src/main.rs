//! The `dateline-cluster` command: the shards of a batch's plan as tasks of Apache DataFusion Ballista.
//!
//! ```text
//! submit PLAN ──► scheduler ◄── executor (one per GPU) ── annotate_shard ──► output
//! sql QUERY ────►    │       ◄── executor …            ── annotate ───────► rows
//!                    └ knows tasks, not what they do
//! ```
//!
//! - A shard is annotated and committed by the same code as in `dateline batch`, so whatever is killed, and whoever does a
//!   shard twice, each row is in the outputs once. What the scheduler knows or forgets decides only how much work is lost.
//! - The outputs are the truth: [`submit`] counts them, and neither how far the scheduler says a job is nor how it ended.

mod annotate;
mod args;
mod executor;
mod failure;
mod logging;
mod manifest;
mod model;
mod net;
mod scheduler;
mod session;
mod shard;
mod sql;
mod stop;
mod stores;
mod submit;
mod worker;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::failure::{Failure, exit_code};

fn main() -> ExitCode {
    exit_code(run(Cli::parse()))
}

fn run(cli: Cli) -> Result<(), Failure> {
    logging::init(cli.log_format, &cli.log_level)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("dateline-cluster")
        .enable_all()
        .build()
        .map_err(Failure::work)?;
    let result = runtime.block_on(async {
        match cli.command {
            Command::Scheduler(args) => scheduler::run(args).await,
            Command::Executor(args) => executor::run(*args).await,
            Command::Submit(args) => submit::run(args).await,
            Command::Sql(args) => sql::run(args).await,
        }
    });
    // A request that hangs is no reason to stay.
    runtime.shutdown_background();
    result
}
