//! The arguments of `dateline eval`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use dateline_text::OffsetUnit;

use super::ModelArgs;
use crate::failure::Failure;
use crate::model::ModelChoice;

pub(super) const AFTER_HELP: &str = "\
Examples:
  dateline eval dev.jsonl
  dateline eval dev.jsonl --train train.jsonl --errors
  dateline eval dev.jsonl --json > eval.json

A line of a labelled file is
  {\"id\": …, \"text\": \"…\", \"spans\": [{\"start\": 8, \"end\": 12, \"label\": \"PLACE\"}]}
A span counts as found if its start, its end and its label are right.";

/// What `dateline eval` is given.
#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// Labelled texts, JSONL.
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// The texts that the model was trained on: adds the recall of names that are not in them.
    #[arg(long, value_name = "FILE", num_args = 1.., value_hint = ValueHint::FilePath)]
    train: Vec<PathBuf>,
    /// Print every span that is missed, spurious or wrong.
    #[arg(long)]
    errors: bool,
    /// Print the whole report as JSON.
    #[arg(long)]
    json: bool,
    /// The unit of the files' offsets: codepoint, utf16 or byte.
    #[arg(long, default_value_t, value_name = "UNIT")]
    offsets: OffsetUnit,
    #[command(flatten)]
    model: ModelArgs,
}

/// What `dateline eval` does.
pub(crate) struct EvalConfig {
    /// Labelled texts.
    pub(crate) files: Vec<PathBuf>,
    /// Texts whose names count as seen, if any are given.
    pub(crate) train: Vec<PathBuf>,
    /// Whether errors are printed.
    pub(crate) errors: bool,
    /// Whether the report is printed as JSON.
    pub(crate) json: bool,
    /// The unit of the files' offsets.
    pub(crate) offsets: OffsetUnit,
    /// The model.
    pub(crate) model: ModelChoice,
}

impl EvalArgs {
    /// Finds the model.
    pub(crate) fn resolve(self) -> Result<EvalConfig, Failure> {
        let Self { files, train, errors, json, offsets, model } = self;
        Ok(EvalConfig { files, train, errors, json, offsets, model: model.resolve()? })
    }
}
