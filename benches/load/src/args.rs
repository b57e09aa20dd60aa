//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::hostile::Case;

/// Loads, tires and mistreats a `dateline serve`, and says in tables how it bore it.
///
/// Exit codes: 0 it held, 1 it did not, 2 the tool itself could not work.
#[derive(Debug, Parser)]
#[command(name = "dateline-load", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tokens a second of the bare model and of the service, in turn, and the ratio.
    Throughput(ThroughputArgs),
    /// Times of single requests: on an idle service, and while a bulk stream saturates it.
    Latency(LatencyArgs),
    /// A saturating mixture of good and bad clients for minutes, with the service's memory watched.
    Soak(SoakArgs),
    /// Clients that mean no good, one kind after the other.
    Hostile(HostileArgs),
    /// One NDJSON stream of gigabytes, with the service's memory watched.
    Stream(StreamArgs),
    /// Measures the bare model for as many seconds as each line of standard input says.
    Bare(BareArgs),
}

/// Which service is talked to.
#[derive(Args, Debug)]
pub(crate) struct ServerArgs {
    /// The program that is started with `serve`.
    #[arg(long, default_value = "target/release/dateline")]
    pub(crate) program: PathBuf,
    /// The folder of its model.
    #[arg(long, default_value = "models/dateline-en-small")]
    pub(crate) model: PathBuf,
    /// A service that runs already, http://ADDRESS:PORT; none is started then.
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// The process of the service at --url, to watch its memory.
    #[arg(long, requires = "url")]
    pub(crate) pid: Option<u32>,
    /// A header that every proper request carries, such as "Authorization: Bearer KEY".
    #[arg(long, value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
    /// More arguments for `dateline serve`.
    #[arg(last = true)]
    pub(crate) serve: Vec<String>,
}

/// Which texts are sent.
#[derive(Args, Clone, Debug)]
pub(crate) struct TextArgs {
    /// JSON lines with a field "text"; made-up stories if not given.
    #[arg(long)]
    pub(crate) texts: Option<PathBuf>,
    /// How many texts: made up, or the first of the file.
    #[arg(long, default_value_t = 400)]
    pub(crate) documents: usize,
    /// Words of the longest story that is made up; the shortest has a sixth of them.
    #[arg(long, default_value_t = 400)]
    pub(crate) words: usize,
}

/// `throughput`.
#[derive(Args, Debug)]
pub(crate) struct ThroughputArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    #[command(flatten)]
    pub(crate) texts: TextArgs,
    /// How often both are measured.
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// Seconds of each measurement; what is under way then is finished and counted.
    #[arg(long, default_value_t = 10.0)]
    pub(crate) seconds: f64,
    /// NDJSON streams at once.
    #[arg(long, default_value_t = 1)]
    pub(crate) streams: usize,
    /// KiB of text that each stream may have sent and not yet been answered.
    #[arg(long, default_value_t = 64)]
    pub(crate) in_flight: usize,
    /// Texts that the bare model is given at once.
    #[arg(long, default_value_t = 16)]
    pub(crate) batch: usize,
    /// Fail if the median ratio is lower.
    #[arg(long)]
    pub(crate) at_least: Option<f64>,
}

/// `latency`.
#[derive(Args, Debug)]
pub(crate) struct LatencyArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    #[command(flatten)]
    pub(crate) texts: TextArgs,
    /// Requests of each measurement.
    #[arg(long, default_value_t = 200)]
    pub(crate) requests: usize,
    /// Seconds after which a measurement ends with fewer.
    #[arg(long, default_value_t = 180)]
    pub(crate) seconds: u64,
    /// Words of a single request.
    #[arg(long, default_value_t = 60)]
    pub(crate) single_words: usize,
    /// Milliseconds between an answer and the next request.
    #[arg(long, default_value_t = 50)]
    pub(crate) pause: u64,
    /// Bulk streams that saturate the service.
    #[arg(long, default_value_t = 1)]
    pub(crate) streams: usize,
    /// Fail if p99 under load is more than so many times p99 without.
    #[arg(long)]
    pub(crate) at_most: Option<f64>,
}

/// `soak`.
#[derive(Args, Debug)]
pub(crate) struct SoakArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    #[command(flatten)]
    pub(crate) texts: TextArgs,
    /// How long.
    #[arg(long, default_value_t = 10.0)]
    pub(crate) minutes: f64,
    /// Write the samples here.
    #[arg(long)]
    pub(crate) csv: Option<PathBuf>,
    /// Draw memory over time here.
    #[arg(long)]
    pub(crate) svg: Option<PathBuf>,
}

/// `hostile`.
#[derive(Args, Debug)]
pub(crate) struct HostileArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Only these.
    #[arg(long, value_enum)]
    pub(crate) only: Vec<Case>,
    /// Seconds after which the service must have cut off whoever is slow or silent.
    #[arg(long, default_value_t = 90)]
    pub(crate) patience: u64,
    /// Seconds in which an honest request must be answered meanwhile.
    #[arg(long, default_value_t = 10)]
    pub(crate) within: u64,
    /// How much the service's memory may grow over its start, in MiB.
    #[arg(long, default_value_t = 512)]
    pub(crate) growth: u64,
    /// Connections that are open at once.
    #[arg(long, default_value_t = 2000)]
    pub(crate) connections: usize,
    /// MiB of the huge bodies and lines.
    #[arg(long, default_value_t = 1024)]
    pub(crate) huge: u64,
}

/// `stream`.
#[derive(Args, Debug)]
pub(crate) struct StreamArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    /// Size of the stream in GB.
    #[arg(long, default_value_t = 5.0)]
    pub(crate) gigabytes: f64,
    /// KiB of the passed-through field of each line.
    #[arg(long, default_value_t = 64)]
    pub(crate) pad: usize,
    /// How much the service's memory may grow over its start, in MiB.
    #[arg(long, default_value_t = 512)]
    pub(crate) growth: u64,
}

/// `bare`.
#[derive(Args, Debug)]
pub(crate) struct BareArgs {
    /// The folder of the model.
    #[arg(long, default_value = "models/dateline-en-small")]
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) texts: TextArgs,
    /// Texts that the model is given at once.
    #[arg(long, default_value_t = 16)]
    pub(crate) batch: usize,
}
