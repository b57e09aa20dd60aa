//! The arguments of `dateline quantise`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use dateline_text::OffsetUnit;
use dateline_train::{QuantiseLimits, QuantiseOptions};

use crate::failure::Failure;

pub(super) const AFTER_HELP: &str = "\
Examples:
  dateline quantise models/mine --texts train.jsonl --dev dev.jsonl
  dateline quantise models/mine --texts train.jsonl --dev dev.jsonl --sample 400 --max-changed 1

A line of a labelled file is
  {\"text\": \"…\", \"spans\": [{\"start\": 8, \"end\": 12, \"label\": \"PLACE\"}]}
Within the limits the folder gets an int8.safetensors, and the CPU takes int8 for this model from then on; beyond them
nothing is written and the exit code is 1. `dateline train` does the same at its end.";

/// What `dateline quantise` is given.
#[derive(Debug, Args)]
pub(crate) struct QuantiseArgs {
    /// The model folder.
    #[arg(value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    folder: PathBuf,
    /// Texts of the kind that the model is to read, JSONL; whether they are marked does not matter.
    #[arg(long, value_name = "FILE", required = true, num_args = 1.., value_hint = ValueHint::FilePath)]
    texts: Vec<PathBuf>,
    /// Held-out marked texts, JSONL, to measure on.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    dev: PathBuf,
    /// Points of F1 that int8 may be below f32.
    #[arg(long, value_name = "POINTS", default_value_t = QuantiseLimits::default().max_f1_loss, value_parser = limit)]
    max_f1_loss: f64,
    /// The share of held-out texts, in per cent, that may have other mentions in int8.
    #[arg(long, value_name = "PERCENT", default_value_t = QuantiseLimits::default().max_changed, value_parser = limit)]
    max_changed: f64,
    /// How many of --texts show what the model needs in int8; they are taken evenly spaced.
    #[arg(long, value_name = "N", default_value_t = QuantiseOptions::default().sample)]
    sample: NonZeroUsize,
    /// The unit of the files' offsets: codepoint, utf16 or byte.
    #[arg(long, default_value_t, value_name = "UNIT")]
    offsets: OffsetUnit,
    /// Threads on the CPU [default: one per core].
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

/// What `dateline quantise` does.
pub(crate) struct QuantiseConfig {
    /// The model folder.
    pub(crate) folder: PathBuf,
    /// Texts to find int8's ranges on.
    pub(crate) texts: Vec<PathBuf>,
    /// Held-out texts.
    pub(crate) dev: PathBuf,
    /// The unit of the files' offsets.
    pub(crate) offsets: OffsetUnit,
    /// Limits, sample and threads.
    pub(crate) options: QuantiseOptions,
}

impl QuantiseArgs {
    /// Checks the arguments.
    pub(crate) fn resolve(self) -> Result<QuantiseConfig, Failure> {
        let Self { folder, texts, dev, max_f1_loss, max_changed, sample, offsets, threads } = self;
        let limits = QuantiseLimits { max_f1_loss, max_changed };
        Ok(QuantiseConfig { folder, texts, dev, offsets, options: QuantiseOptions { limits, sample, threads } })
    }
}

/// A limit: `NaN` would let everything through.
fn limit(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(limit) if (0.0..=100.0).contains(&limit) => Ok(limit),
        _ => Err("give a number between 0 and 100".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_of_hundredths() {
        assert_eq!(limit("0.2"), Ok(0.2));
        for wrong in ["nan", "-1", "101", "", "2%"] {
            assert!(limit(wrong).is_err(), "{wrong}");
        }
    }
}
