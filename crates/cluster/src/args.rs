//! What can be said on the command line.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

use crate::logging::{DEFAULT_LEVEL, LogFormat};
use crate::model::ModelArgs;

const AFTER_HELP: &str = "\
Example, on one machine:
  dateline batch 'archive/*.parquet' --output out --plan-only
  dateline-cluster scheduler &
  CUDA_VISIBLE_DEVICES=0 dateline-cluster executor --model models/mine --device cuda &
  CUDA_VISIBLE_DEVICES=1 dateline-cluster executor --model models/mine --device cuda --port 50052 &
  dateline-cluster submit out/_plan/*.json
  dateline batch verify out

Whoever reaches a scheduler's or an executor's port can have it do anything: keep both on a network of their own.
Exit codes: 0 done, 1 the work broke off or is not whole, 2 nothing was begun.";

/// Annotates the shards of a plan on many machines, as tasks of Apache DataFusion Ballista.
#[derive(Debug, Parser)]
#[command(name = "dateline-cluster", version, propagate_version = true, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// How the lines of the log look.
    #[arg(long, global = true, value_enum, default_value = "text", env = "DATELINE_LOG_FORMAT", display_order = 900)]
    pub(crate) log_format: LogFormat,
    /// What is logged: error, warn, info, debug or trace, also by module.
    #[arg(long, global = true, default_value = DEFAULT_LEVEL, hide_default_value = true, env = "DATELINE_LOG_LEVEL", display_order = 901)]
    pub(crate) log_level: String,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Give tasks to executors. One for all; it needs neither model nor data.
    Scheduler(SchedulerArgs),
    /// Do tasks, with one model on one device. As many as there are GPUs.
    Executor(Box<ExecutorArgs>),
    /// Have the shards of a plan done whose outputs are not there, and wait until they are.
    Submit(SubmitArgs),
    /// Run a query in which annotate(text) is the list of a text's mentions.
    Sql(SqlArgs),
}

/// Where a process listens.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Listen {
    /// The address to listen at. All that reach it can have anything done.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "ADDRESS")]
    pub(crate) bind: IpAddr,
}

/// `scheduler`.
#[derive(Debug, Args)]
pub(crate) struct SchedulerArgs {
    #[command(flatten)]
    pub(crate) listen: Listen,
    /// The port to listen at.
    #[arg(long, default_value_t = 50050)]
    pub(crate) port: u16,
    /// An executor that was not heard of for so many seconds has lost its tasks. A busy one reports every 5 seconds.
    #[arg(long, default_value_t = 12, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(10..))]
    pub(crate) executor_timeout: u64,
    /// How many seconds jobs wait for an executor when there is none.
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    pub(crate) no_executors: u64,
}

/// `executor`.
#[derive(Debug, Args)]
pub(crate) struct ExecutorArgs {
    /// The scheduler's host and port.
    #[arg(long, default_value = "127.0.0.1:50050", env = "DATELINE_SCHEDULER", value_name = "HOST:PORT")]
    pub(crate) scheduler: String,
    #[command(flatten)]
    pub(crate) listen: Listen,
    /// The port at which others fetch the rows of queries; one for each executor of a machine.
    #[arg(long, default_value_t = 50051)]
    pub(crate) port: u16,
    /// The name or address of this machine for others [default: the one from which the scheduler sees it].
    #[arg(long, env = "DATELINE_ADVERTISE", value_name = "HOST")]
    pub(crate) advertise: Option<String>,
    /// A folder for the rows of queries and for what does not fit into memory [default: one of its own in the folder for
    /// temporary files].
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) work_dir: Option<PathBuf>,
    /// How many seconds to wait for the scheduler at the start.
    #[arg(long, default_value_t = 300, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) wait: u16,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}

/// `submit`.
#[derive(Debug, Args)]
pub(crate) struct SubmitArgs {
    /// The plan: OUTPUT/_plan/ID.json, under a name that is the same on all machines.
    #[arg(value_name = "PLAN")]
    pub(crate) plan: String,
    /// The scheduler's host and port.
    #[arg(long, default_value = "127.0.0.1:50050", env = "DATELINE_SCHEDULER", value_name = "HOST:PORT")]
    pub(crate) scheduler: String,
}

/// `sql`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  dateline-cluster sql \"SELECT id, annotate(text) FROM '/data/stories.parquet'\"
  dateline-cluster sql --table news=s3://archive/2024/ \"SELECT m.label, count(*) FROM \
(SELECT unnest(annotate(text)) AS m FROM news) GROUP BY 1\"")]
pub(crate) struct SqlArgs {
    /// The query. A quoted path or URL of a file that ends in .parquet, .json or .csv is a table. Places must be the same
    /// on all machines.
    #[arg(value_name = "QUERY")]
    pub(crate) query: String,
    /// A table by name: a file that ends in .parquet, .jsonl, .ndjson, .json, .csv or .tsv, or a folder of Parquet files,
    /// with a slash at its end. May be repeated.
    #[arg(long = "table", value_name = "NAME=PLACE")]
    pub(crate) tables: Vec<String>,
    /// The scheduler's host and port.
    #[arg(long, default_value = "127.0.0.1:50050", env = "DATELINE_SCHEDULER", value_name = "HOST:PORT")]
    pub(crate) scheduler: String,
    /// How the rows are printed.
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: RowFormat,
}

/// How rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowFormat {
    /// A table, when all rows are there.
    Table,
    /// A JSON object a row, as they come.
    Jsonl,
}

/// The URL of the scheduler at `address`, for Ballista.
pub(crate) fn scheduler_url(address: &str) -> String {
    if address.contains("://") { address.to_owned() } else { format!("http://{address}") }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        assert_eq!(scheduler_url("a:1"), "http://a:1");
        assert_eq!(scheduler_url("http://a:1"), "http://a:1");
        let parsed = Cli::try_parse_from(["x", "scheduler", "--executor-timeout", "5"]);
        assert!(parsed.unwrap_err().to_string().contains("10"), "below two heartbeats every executor would be lost");
    }
}
