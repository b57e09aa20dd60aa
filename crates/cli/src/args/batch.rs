//! The arguments of `dateline batch` and `dateline batch verify`.

use std::env;
use std::num::{NonZeroU64, NonZeroUsize};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueHint};
use dateline_batch::{Format, Options, OutputFormat, Worker};
use dateline_text::MentionFilter;

use super::{MentionArgs, ModelArgs};
use crate::failure::Failure;
use crate::model::ModelChoice;

pub(super) const AFTER_HELP: &str = "\
Examples:
  dateline batch stories.parquet --output marked
  dateline batch 'archive/**/*.jsonl.zst' --text-column body --output s3://news/marked --format jsonl
  dateline batch s3://news/2024/ --output s3://news/marked --device cuda:all
  dateline batch archive --output marked --dry-run
  dateline batch archive --output marked --workers 0/4     and 1/4, 2/4, 3/4 on other machines
  dateline batch verify marked

It can be stopped anywhere: the same command goes on where it stopped, and does nothing when all is done. Each output is
there whole or not at all. A document that fails is a row with an error. Credentials come from the environment, as
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL for s3://, GOOGLE_APPLICATION_CREDENTIALS for
gs://, AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY for az://.
An input folder that is called verify is written ./verify.";

const VERIFY_HELP: &str = "\
Examples:
  dateline batch verify marked
  dateline batch verify s3://news/marked --plan 0c1d2e3f4a5b6c7d8e9f0a1b

It reads the inputs again, which must lie where they lay, and compares row by row. The exit code is 1 if a row is missing
or there more than once.";

/// Bytes of a mebibyte.
const MIB: u64 = 1 << 20;

/// What `dateline batch` is given.
#[derive(Debug, Args)]
pub(crate) struct BatchArgs {
    #[command(subcommand)]
    command: Option<BatchCommand>,
    #[command(flatten)]
    run: RunArgs,
}

/// What can be done besides running a batch.
#[derive(Debug, Subcommand)]
pub(crate) enum BatchCommand {
    /// Prove that every input row is in the outputs exactly once.
    #[command(after_help = VERIFY_HELP)]
    Verify {
        /// Where the outputs are: the batch's --output.
        #[arg(value_name = "DIR|URL", value_hint = ValueHint::DirPath)]
        output: String,
        /// The plan to compare with, by its id [default: that of the manifest, or the only one there is].
        #[arg(long, value_name = "ID")]
        plan: Option<String>,
        /// How to show progress on standard error.
        #[arg(long, value_enum, default_value_t, value_name = "HOW")]
        progress: BatchProgress,
    },
}

/// How to show progress.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum BatchProgress {
    /// A bar on a terminal, for work that takes longer than a second.
    #[default]
    Auto,
    /// A JSON object a line on standard error, every second, and one at the end on standard output.
    Json,
    /// None.
    Never,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Files, folders, patterns in quotes, or URLs (s3, gs, az, http, https): Parquet, JSONL, CSV, TSV and text, also
    /// in gzip (.gz) or Zstandard (.zst).
    #[arg(value_name = "INPUT", required = true, value_hint = ValueHint::AnyPath)]
    inputs: Vec<String>,
    /// Where outputs go: a folder, or a URL.
    #[arg(short, long, value_name = "DIR|URL", required = true, value_hint = ValueHint::DirPath)]
    output: Option<String>,
    /// What the inputs hold [default: what their names say].
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    input: Option<Format>,
    /// The column or field of the text.
    #[arg(long, value_name = "COLUMN", default_value = "text")]
    text_column: String,
    /// The column or field that names a document [default: id, if there is one].
    #[arg(long, value_name = "COLUMN")]
    id_column: Option<String>,
    /// The columns or fields to write out beside the mentions; an empty one for none [default: all].
    #[arg(long, value_delimiter = ',', value_name = "COLUMN,…")]
    carry: Option<Vec<String>>,
    /// The format of the outputs.
    #[arg(long, default_value = "parquet", value_name = "FORMAT", value_parser = output_formats())]
    format: OutputFormat,
    /// Write a row a mention instead of a row a document.
    #[arg(long)]
    explode: bool,
    #[command(flatten)]
    mentions: MentionArgs,
    /// About how much text a shard has, in MiB: what is lost at most when the process is killed.
    #[arg(long, value_name = "MIB", default_value_t = default_shard_size())]
    shard_size: NonZeroU64,
    /// A longer document is an error in its row, in MiB.
    #[arg(long, value_name = "MIB", default_value = "64")]
    max_document: NonZeroU64,
    /// Which share of the plan is this process's: I/N is worker I of N, from 0 to N-1; auto takes both from Slurm's
    /// array (SLURM_ARRAY_TASK_ID and its kin), auto/N takes I from Kubernetes (JOB_COMPLETION_INDEX) or from Slurm.
    #[arg(long, value_name = "I/N|auto", env = "DATELINE_WORKERS")]
    workers: Option<String>,
    /// Print the plan and how long it would take, and write nothing.
    #[arg(long)]
    dry_run: bool,
    /// Write the plan, print where it lies, and annotate nothing: `dateline-cluster submit` has it done.
    #[arg(long, conflicts_with = "dry_run")]
    plan_only: bool,
    /// How to show progress on standard error.
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    progress: BatchProgress,
    #[command(flatten)]
    model: ModelArgs,
}

/// In MiB.
fn default_shard_size() -> NonZeroU64 {
    let mib = Options::default().shard_bytes.get() / MIB;
    NonZeroU64::new(mib).expect("it is some MiB")
}

fn formats() -> impl TypedValueParser<Value = Format> {
    let named = |name: String| Format::ALL.into_iter().find(|format| format.name() == name);
    PossibleValuesParser::new(Format::ALL.map(Format::name)).map(move |name| named(name).expect("it is a possible one"))
}

fn output_formats() -> impl TypedValueParser<Value = OutputFormat> {
    PossibleValuesParser::new(["parquet", "jsonl"])
        .map(|name| if name == "jsonl" { OutputFormat::Jsonl } else { OutputFormat::Parquet })
}

/// What `dateline batch` is to do.
pub(crate) enum BatchTask {
    /// Run.
    Run(Box<BatchConfig>),
    /// Verify.
    Verify(VerifyConfig),
}

/// A batch to run.
pub(crate) struct BatchConfig {
    /// The inputs as they were named.
    pub(crate) inputs: Vec<String>,
    /// What they hold, if their names do not count.
    pub(crate) input: Option<Format>,
    /// Where outputs go.
    pub(crate) output: String,
    /// What decides what is in them, besides the model.
    pub(crate) options: Options,
    /// Which share is this process's.
    pub(crate) worker: Worker,
    /// Only print the plan.
    pub(crate) dry_run: bool,
    /// Only write the plan.
    pub(crate) plan_only: bool,
    /// How to show progress.
    pub(crate) progress: BatchProgress,
    /// The model.
    pub(crate) model: ModelChoice,
}

/// A batch to verify.
pub(crate) struct VerifyConfig {
    /// Where the outputs are.
    pub(crate) output: String,
    /// The plan's id.
    pub(crate) plan: Option<String>,
    /// How to show progress.
    pub(crate) progress: BatchProgress,
}

impl BatchArgs {
    /// Checks the arguments against each other and fills in what was left out.
    pub(crate) fn resolve(self) -> Result<BatchTask, Failure> {
        if let Some(BatchCommand::Verify { output, plan, progress }) = self.command {
            return Ok(BatchTask::Verify(VerifyConfig { output, plan, progress }));
        }
        let args = self.run;
        let MentionFilter { min_score, labels } = args.mentions.filter();
        let bytes = |mib: NonZeroU64| mib.saturating_mul(NonZeroU64::new(MIB).expect("it is not zero"));
        let options = Options {
            text_column: args.text_column,
            id_column: args.id_column,
            carry: args.carry.map(|names| names.into_iter().filter(|name| !name.is_empty()).collect()),
            max_document_bytes: Some(usize::try_from(bytes(args.max_document).get()).unwrap_or(usize::MAX)),
            output: args.format,
            explode: args.explode,
            offsets: args.mentions.offsets,
            include_text: args.mentions.include_text,
            min_score,
            labels,
            shard_bytes: bytes(args.shard_size),
        };
        let worker = match args.workers {
            Some(workers) => worker(&workers, |name| env::var(name).ok()).map_err(Failure::Usage)?,
            None => Worker::ALONE,
        };
        Ok(BatchTask::Run(Box::new(BatchConfig {
            inputs: args.inputs,
            input: args.input,
            output: args.output.ok_or_else(|| Failure::Usage("--output is missing".to_owned()))?,
            options,
            worker,
            dry_run: args.dry_run,
            plan_only: args.plan_only,
            progress: args.progress,
            model: args.model.resolve()?,
        })))
    }
}

/// The worker that `workers` means, with `variable` to look into the environment.
fn worker(workers: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Worker, String> {
    let number = |name: &str| variable(name).and_then(|value| value.trim().parse::<usize>().ok());
    let count = |text: &str| {
        let count = text.parse::<NonZeroUsize>();
        count.map(NonZeroUsize::get).map_err(|_| format!("--workers {workers}: {text:?} is no number of workers"))
    };
    // Array tasks may begin at any number and go in steps.
    let slurm = || {
        let (id, first) = (number("SLURM_ARRAY_TASK_ID")?, number("SLURM_ARRAY_TASK_MIN").unwrap_or(0));
        Some(id.checked_sub(first)? / number("SLURM_ARRAY_TASK_STEP").unwrap_or(1).max(1))
    };
    let (index, count) = match workers.split_once('/') {
        None if workers == "auto" => {
            let count = number("SLURM_ARRAY_TASK_COUNT");
            let none = "--workers auto goes by SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT, and this is no task of a \
                        Slurm array: give --workers I/N, or auto/N where JOB_COMPLETION_INDEX is set";
            slurm().zip(count).ok_or(none)?
        }
        Some(("auto", all)) => {
            let index = number("JOB_COMPLETION_INDEX").or_else(slurm);
            let none = format!("--workers {workers}: neither JOB_COMPLETION_INDEX nor SLURM_ARRAY_TASK_ID is set");
            (index.ok_or(none)?, count(all)?)
        }
        Some((index, all)) => {
            let none = || format!("--workers {workers}: {index:?} is no number of a worker");
            (index.parse().map_err(|_| none())?, count(all)?)
        }
        None => return Err(format!("--workers {workers}: give I/N as in 0/4, or auto")),
    };
    Worker::new(index, count).ok_or_else(|| {
        format!(
            "--workers: there is no worker {index} of {count}: they are counted from 0 to {}",
            count.saturating_sub(1)
        )
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    #[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
    struct Only {
        #[command(flatten)]
        batch: BatchArgs,
    }

    #[test]
    fn inputs_or_verify() {
        let parse = |args: &[&str]| Only::try_parse_from([&["batch"], args].concat()).map(|only| only.batch);
        let Ok(BatchTask::Verify(verify)) = parse(&["verify", "out"]).unwrap().resolve() else { panic!("it is a run") };
        assert_eq!(verify.output, "out");
        let args = ["./verify", "b", "-o", "out", "--carry", "", "--shard-size", "1", "--format", "jsonl"];
        let Ok(BatchTask::Run(run)) = parse(&args).unwrap().resolve() else { panic!("it is no run") };
        assert_eq!(run.inputs, ["./verify", "b"]);
        assert_eq!((run.options.carry.as_deref(), run.options.shard_bytes.get()), (Some(&[][..]), MIB));
        assert_eq!(run.options.output, OutputFormat::Jsonl);
        assert!(parse(&["a"]).is_err(), "an output is missing");
        assert!(parse(&["-o", "a"]).is_err(), "an input is missing");
    }

    #[test]
    fn workers_are_counted_from_zero() {
        let none = |_: &str| None;
        assert_eq!(worker("0/4", none), Ok(Worker::new(0, 4).unwrap()));
        assert_eq!(worker("3/4", none), Ok(Worker::new(3, 4).unwrap()));
        assert!(worker("4/4", none).unwrap_err().contains("counted from 0 to 3"));
        for bad in ["4", "a/4", "1/0", "1/", "auto", "auto/4", "-1/4"] {
            assert!(worker(bad, none).is_err(), "{bad}");
        }
    }

    #[test]
    fn clusters_say_who_is_who() {
        let slurm = |name: &str| {
            let value = match name {
                "SLURM_ARRAY_TASK_ID" => "14",
                "SLURM_ARRAY_TASK_MIN" => "10",
                "SLURM_ARRAY_TASK_STEP" => "2",
                "SLURM_ARRAY_TASK_COUNT" => "3",
                _ => return None,
            };
            Some(value.to_owned())
        };
        assert_eq!(worker("auto", slurm), Ok(Worker::new(2, 3).unwrap()));
        let kubernetes = |name: &str| (name == "JOB_COMPLETION_INDEX").then(|| "5".to_owned());
        assert_eq!(worker("auto/8", kubernetes), Ok(Worker::new(5, 8).unwrap()));
        assert!(worker("auto", kubernetes).unwrap_err().contains("auto/N"));
    }
}
