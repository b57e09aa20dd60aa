//! What can be said on the command line, as it is said. Each command's arguments are resolved into a configuration of
//! its own, checked once, before any work begins.

mod annotate;
mod batch;
mod bench;
mod convert;
mod eval;
mod keys;
mod mentions;
mod model;
mod quantise;
mod serve;
mod train;

use std::env;
use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::Resettable;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueHint};

use crate::failure::Failure;
use crate::input::Source;
use crate::terminal::Color;

pub(crate) use annotate::{AnnotateArgs, AnnotateConfig};
pub(crate) use batch::{BatchArgs, BatchConfig, BatchProgress, BatchTask, VerifyConfig};
pub(crate) use bench::{BenchArgs, BenchConfig, BenchTask};
pub(crate) use convert::{ConvertArgs, ConvertConfig};
pub(crate) use eval::{EvalArgs, EvalConfig};
pub(crate) use keys::KeysCommand;
pub(crate) use mentions::MentionArgs;
pub(crate) use model::ModelArgs;
pub(crate) use quantise::{QuantiseArgs, QuantiseConfig};
pub(crate) use serve::{ServeArgs, ServeConfig, ServeTask, unknown_variables};
pub(crate) use train::{TrainArgs, TrainConfig};

const AFTER_HELP: &str = "\
Examples:
  dateline annotate story.txt                     who, where, which units and weapons a story names
  dateline annotate archive.jsonl > marked.jsonl  a document a line, in and out
  dateline serve                                  the same over HTTP, with a page at http://127.0.0.1:8080

`dateline help COMMAND` tells more about each.
Exit codes: 0 done, 1 some documents failed or the work broke off, 2 nothing was begun (arguments, model).";

/// Finds the people, places, military units and weapons in news text, each as an exact slice of the text with a
/// calibrated confidence.
#[derive(Debug, Parser)]
#[command(name = "dateline", version, propagate_version = true, after_help = AFTER_HELP, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN", display_order = 900)]
    pub(crate) color: Color,
}

impl Cli {
    /// What this process was given. Does not return if that is wrong or a question about the command itself.
    pub(crate) fn of_this_process() -> Self {
        let is_empty = |name: &OsStr| env::var_os(name).is_some_and(|value| value.is_empty());
        let mut command = without_variables(Self::command(), &is_empty);
        let matches = command.get_matches_mut();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit())
    }
}

/// `command`, deaf to the variables of which `ignored` holds. A variable that is set to nothing is how a shell, or a file
/// of variables for a container, says that it is not set; clap would take it for a value, and for a wrong one.
fn without_variables(command: clap::Command, ignored: &dyn Fn(&OsStr) -> bool) -> clap::Command {
    command
        .mut_args(|arg| if arg.get_env().is_some_and(ignored) { arg.env(Resettable::Reset) } else { arg })
        .mut_subcommands(|sub| without_variables(sub, ignored))
}

/// The files of those names; none is standard input.
fn sources(files: Vec<PathBuf>) -> Result<Vec<Source>, Failure> {
    let mut sources: Vec<Source> = files.into_iter().map(Source::named).collect();
    if sources.is_empty() {
        sources.push(Source::Stdin);
    }
    if sources.iter().filter(|source| **source == Source::Stdin).count() > 1 {
        return Err(Failure::Usage("standard input (-) can be read only once: name it once".to_owned()));
    }
    Ok(sources)
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Find the names in files or in standard input.
    #[command(after_help = annotate::AFTER_HELP)]
    Annotate(Box<AnnotateArgs>),
    /// Annotate archives of any size, from disks and object stores, once each; stop and go on anywhere.
    #[command(after_help = batch::AFTER_HELP, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
    Batch(Box<BatchArgs>),
    /// Turn marked documents into another tool's format, or such a format into JSONL.
    #[command(after_help = convert::AFTER_HELP)]
    Convert(Box<ConvertArgs>),
    /// Serve the same over HTTP, with a page to try it.
    #[command(after_help = serve::AFTER_HELP)]
    Serve(Box<ServeArgs>),
    /// Make, list and remove the API keys of a service.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Measure a model on labelled texts: precision, recall, F1 and calibration.
    #[command(after_help = eval::AFTER_HELP)]
    Eval(Box<EvalArgs>),
    /// Measure how fast a model is on this machine, how much memory it takes and how soon it answers.
    #[command(after_help = bench::AFTER_HELP)]
    Bench(Box<BenchArgs>),
    /// Train a model on labelled texts.
    #[command(after_help = train::AFTER_HELP)]
    Train(Box<TrainArgs>),
    /// Let a model compute in int8 on the CPU, if it loses nothing by it.
    #[command(alias = "quantize", after_help = quantise::AFTER_HELP)]
    Quantise(Box<QuantiseArgs>),
    /// List, locate and verify models.
    #[command(subcommand)]
    Models(ModelsCommand),
    /// Print a completion script for a shell.
    #[command(after_help = COMPLETIONS_HELP)]
    Completions(CompletionsArgs),
    /// Print the manual page, or write one for each command into a folder.
    #[command(after_help = MAN_HELP)]
    Man(ManArgs),
}

/// What can be asked about models.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelsCommand {
    /// List the models on this machine, in the order in which they are looked for.
    List,
    /// Print where a model lies.
    #[command(after_help = "Example:\n  dateline models path dateline-en-small")]
    Path(ModelNameArgs),
    /// Check a model's files against the sums that it came with.
    #[command(after_help = "Examples:\n  dateline models verify\n  dateline models verify models/dateline-en-small")]
    Verify(ModelNameArgs),
}

/// The name of a model.
#[derive(Debug, Args)]
pub(crate) struct ModelNameArgs {
    /// A model's name or folder [default: dateline-en-small].
    #[arg(value_name = "NAME|FOLDER", env = "DATELINE_MODEL", value_hint = ValueHint::DirPath)]
    pub(crate) model: Option<String>,
}

const COMPLETIONS_HELP: &str = "\
Examples:
  dateline completions bash > ~/.local/share/bash-completion/completions/dateline
  dateline completions zsh > ~/.zfunc/_dateline
  dateline completions fish > ~/.config/fish/completions/dateline.fish";

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

const MAN_HELP: &str = "\
Examples:
  dateline man | man -l -
  dateline man --out ~/.local/share/man/man1";

/// Arguments of `man`.
#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Write the pages of dateline and of each command into this folder.
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    /// Help without an example is a riddle.
    #[test]
    fn every_command_shows_an_example() {
        fn check(command: &clap::Command) {
            for sub in command.get_subcommands() {
                let has_example = sub.get_after_help().is_some_and(|help| help.to_string().contains("Example"));
                let self_evident = sub.has_subcommands() || sub.get_arguments().next().is_none();
                assert!(has_example || self_evident, "{} shows no example", sub.get_name());
                check(sub);
            }
        }
        check(&Cli::command());
    }
}
