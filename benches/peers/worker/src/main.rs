//! `dateline-peer`: the Rust half of benches/peers. It writes the token ids that every engine reads, and is the worker
//! of the engines that are Rust: Dateline's own encoder and, with the feature `peers`, candle's BERT and rten.

#[cfg(feature = "peers")]
mod candle;
mod engine;
mod failure;
mod ours;
#[cfg(feature = "peers")]
mod rten;
mod tokens;
mod worker;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::failure::Failure;

/// Writes token ids for benches/peers, and measures one engine as its standard input says.
#[derive(Debug, Parser)]
#[command(name = "dateline-peer", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Cuts a corpus into windows and writes the token ids of some of them.
    Tokens(TokensArgs),
    /// Loads an engine, says so, and then does what each line of standard input asks.
    Run(RunArgs),
}

/// What is read and how much of it.
#[derive(Args, Debug)]
pub(crate) struct TokensArgs {
    /// The folder of the model.
    #[arg(long)]
    model: PathBuf,
    /// JSON lines with "text".
    #[arg(long)]
    corpus: PathBuf,
    /// How many windows are measured.
    #[arg(long, default_value_t = 512)]
    windows: usize,
    /// How many others are for calibration.
    #[arg(long, default_value_t = 128)]
    calibration: usize,
    /// Where the windows that are measured go.
    #[arg(long)]
    out: PathBuf,
    /// Where the windows for calibration go.
    #[arg(long)]
    calibration_out: PathBuf,
}

/// Which engine runs and how.
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// Whose encoder.
    #[arg(long)]
    engine: Name,
    /// In which numbers.
    #[arg(long, default_value = "f32")]
    precision: Precision,
    /// The folder of the model; for rten the ONNX file.
    #[arg(long)]
    model: PathBuf,
    /// The windows that `dateline-peer tokens` wrote.
    #[arg(long)]
    tokens: PathBuf,
    /// Cores that it may use.
    #[arg(long, default_value = "1")]
    threads: std::num::NonZeroUsize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// Dateline's.
    Ours,
    /// candle-transformers' BertModel, with the classifier behind it.
    Candle,
    /// rten, on the exported ONNX file.
    Rten,
}

/// The numbers that the encoder computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Precision {
    /// Single precision.
    F32,
    /// Eight-bit integers in the products.
    Int8,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Tokens(args) => tokens::write(&args),
        Command::Run(args) => run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr().lock(), "error: {failure}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &RunArgs) -> Result<(), Failure> {
    match args.engine {
        Name::Ours => worker::serve::<ours::Ours>(args),
        #[cfg(feature = "peers")]
        Name::Candle => worker::serve::<candle::Candle>(args),
        #[cfg(feature = "peers")]
        Name::Rten => worker::serve::<rten::Rten>(args),
        #[cfg(not(feature = "peers"))]
        Name::Candle | Name::Rten => {
            Err(Failure::Usage("this build has only Dateline's encoder: build it with --features peers".to_owned()))
        }
    }
}
