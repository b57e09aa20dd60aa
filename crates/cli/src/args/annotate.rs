//! The arguments of `dateline annotate`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use dateline_text::{Label, MentionFilter, OffsetUnit};

use super::ModelArgs;
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
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<OutputFormat>,
    /// The unit in which offsets are counted: codepoint (Python), utf16 (JavaScript, Java) or byte.
    #[arg(long, default_value_t, value_name = "UNIT")]
    offsets: OffsetUnit,
    /// Leave out mentions that score less, from 0 to 1.
    #[arg(long, default_value_t = 0.0, value_name = "SCORE", value_parser = score)]
    min_score: f32,
    /// Only these labels.
    #[arg(long, value_delimiter = ',', value_name = "LABEL,…")]
    labels: Option<Vec<String>>,
    /// Repeat the text in JSONL.
    #[arg(long)]
    include_text: bool,
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

impl AnnotateArgs {
    /// Checks the arguments against each other and fills in what was left out.
    pub(crate) fn resolve(self) -> Result<AnnotateConfig, Failure> {
        let mut sources: Vec<Source> = self.files.into_iter().map(Source::named).collect();
        if sources.is_empty() {
            sources.push(Source::Stdin);
        }
        if sources.iter().filter(|source| **source == Source::Stdin).count() > 1 {
            return Err(Failure::Usage("standard input (-) can be read only once: name it once".to_owned()));
        }
        let on_terminal = terminal::stdout_is_terminal();
        let format = self.format.unwrap_or(if on_terminal { OutputFormat::Pretty } else { OutputFormat::Jsonl });
        Ok(AnnotateConfig {
            sources,
            input: self.input,
            format,
            output: OutputOptions { offsets: self.offsets, include_text: self.include_text },
            filter: MentionFilter { min_score: self.min_score, labels: self.labels.map(label_set) },
            // On a terminal the documents are the progress, and a bar would only stand in their way.
            progress: if on_terminal { ProgressMode::Never } else { self.progress },
            model: self.model.resolve()?,
        })
    }
}

/// The labels of those names, without the empty ones.
pub(super) fn label_set(names: Vec<String>) -> BTreeSet<Label> {
    names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).map(Label::new).collect()
}

/// A score from 0 to 1.
pub(super) fn score(text: &str) -> Result<f32, String> {
    let score = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1.0).contains(&score) { Ok(score) } else { Err("a score lies between 0 and 1".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_lie_between_0_and_1() {
        assert_eq!((score("0"), score("0.5"), score("1")), (Ok(0.0), Ok(0.5), Ok(1.0)));
        for bad in ["-0.1", "1.1", "NaN", "80%", ""] {
            assert!(score(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn labels_are_trimmed_but_not_folded() {
        let set = label_set(vec![" UNIT".into(), "Weapon ".into(), String::new()]);
        assert_eq!(set, [Label::new("UNIT"), Label::new("Weapon")].into());
    }
}
