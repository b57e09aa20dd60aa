//! The arguments of `dateline convert`.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueHint};
use dateline_formats::Format;
use dateline_text::OffsetUnit;

use crate::failure::Failure;
use crate::input::Source;
use crate::output::now;

pub(super) const AFTER_HELP: &str = "\
Examples:
  dateline convert marked.jsonl --to label-studio > tasks.json
  dateline convert export.json --from label-studio --to conll > train.conll
  dateline annotate story.txt --format jsonl --include-text | dateline convert --to html > story.html

Formats differ in what they can hold; what is left out is said on standard error. A document that cannot be converted is
named there, the others go on, and the exit code is 1.";

/// What `dateline convert` is given.
#[derive(Debug, Args)]
pub(crate) struct ConvertArgs {
    /// Files to read; none, or -, is standard input.
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// The format of the input.
    #[arg(long, value_name = "FORMAT", default_value = "jsonl", value_parser = formats(Format::can_read))]
    from: Format,
    /// The format of the output.
    #[arg(long, value_name = "FORMAT", value_parser = formats(|_| true))]
    to: Format,
    /// The unit of offsets, in formats that leave it open (jsonl, csv).
    #[arg(long, default_value_t, value_name = "UNIT")]
    offsets: OffsetUnit,
    /// The model that is named as who found the mentions, in formats that say so.
    #[arg(long, value_name = "NAME")]
    model_name: Option<String>,
}

/// What `dateline convert` does.
pub(crate) struct ConvertConfig {
    /// Where documents are read, in order.
    pub(crate) sources: Vec<Source>,
    /// Their format.
    pub(crate) from: Format,
    /// The format that they get.
    pub(crate) to: Format,
    /// What decides the form of either beside the format.
    pub(crate) options: dateline_formats::Options,
}

impl ConvertArgs {
    /// Fills in what was left out.
    pub(crate) fn resolve(self) -> Result<ConvertConfig, Failure> {
        let options = dateline_formats::Options {
            offsets: self.offsets,
            model: self.model_name,
            created: Some(now()),
            ..dateline_formats::Options::default()
        };
        Ok(ConvertConfig { sources: super::sources(self.files)?, from: self.from, to: self.to, options })
    }
}

/// The formats of which `fits` holds, by their names.
fn formats(fits: impl Fn(Format) -> bool) -> impl TypedValueParser<Value = Format> {
    let names: Vec<_> = Format::ALL.into_iter().filter(|&format| fits(format)).map(Format::name).collect();
    PossibleValuesParser::new(names).map(|name| name.parse().expect("it is a possible one"))
}
