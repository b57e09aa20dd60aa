//! The arguments of `dateline annotate`.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueHint};
use dateline_text::MentionFilter;

use super::{MentionArgs, ModelArgs};
use crate::failure::Failure;
use crate::input::{InputFormat, Source};
use crate::model::ModelChoice;
use crate::output::{OutputFormat, OutputOptions};
use crate::progress::ProgressMode;
use crate::terminal;

pub(super) const AFTER_HELP: &str = "\
Examples:
  dateline annotate story.txt
  cat story.txt | dateline annotate --format pretty
  dateline annotate archive.jsonl --labels UNIT,WEAPON --min-score 0.8 > marked.jsonl
  dateline annotate stories/*.txt --offsets utf16 --include-text
  dateline annotate story.txt --model dslim/bert-base-NER

A line of JSONL in is {\"id\": …, \"text\": \"…\"}; other fields pass through. A line out is
  {\"id\": …, \"mentions\": [{\"start\": 8, \"end\": 12, \"label\": \"PLACE\", \"text\": \"Kyiv\", \"score\": 0.98}]}
and for a document that failed {\"id\": …, \"line\": …, \"error\": \"…\"}; then the exit code is 1.";

/// What `dateline annotate` is given.
#[derive(Debug, Args)]
pub(crate) struct AnnotateArgs {
    /// Files to read; none, or -, is standard input.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// How documents lie in the input.
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    input: InputFormat,
    /// How to write them [default: pretty on a terminal, jsonl in a pipe or file].
    #[arg(long, value_name = "FORMAT", value_parser = formats())]
    format: Option<OutputFormat>,
    #[command(flatten)]
    mentions: MentionArgs,
    /// Leave entities out of JSONL.
    #[arg(long)]
    no_entities: bool,
    /// Whether to show progress on standard error.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    progress: ProgressMode,
    #[command(flatten)]
    model: ModelArgs,
}

/// What `dateline annotate` does.
pub(crate) struct AnnotateConfig {
    /// Where documents are read, in order.
    pub(crate) sources: Vec<Source>,
    /// How they lie there.
    pub(crate) input: InputFormat,
    /// How they are written.
    pub(crate) format: OutputFormat,
    /// And with what in them.
    pub(crate) output: OutputOptions,
    /// Which mentions are written.
    pub(crate) filter: MentionFilter,
    /// Whether to show progress.
    pub(crate) progress: ProgressMode,
    /// The model.
    pub(crate) model: ModelChoice,
}

/// The formats by their names.
fn formats() -> impl TypedValueParser<Value = OutputFormat> {
    PossibleValuesParser::new(OutputFormat::names())
        .map(|name| OutputFormat::named(&name).expect("it is a possible one"))
}

impl AnnotateArgs {
    /// Checks the arguments against each other and fills in what was left out.
    pub(crate) fn resolve(self) -> Result<AnnotateConfig, Failure> {
        let sources = super::sources(self.files)?;
        let on_terminal = terminal::stdout_is_terminal();
        let format = self.format.unwrap_or(if on_terminal { OutputFormat::Pretty } else { OutputFormat::Jsonl });
        Ok(AnnotateConfig {
            sources,
            input: self.input,
            format,
            output: OutputOptions {
                offsets: self.mentions.offsets,
                include_text: self.mentions.include_text,
                entities: !self.no_entities,
            },
            filter: self.mentions.filter(),
            // On a terminal the documents are the progress, and a bar would only stand in their way.
            progress: if on_terminal { ProgressMode::Never } else { self.progress },
            model: self.model.resolve()?,
        })
    }
}
