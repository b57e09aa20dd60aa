//! The arguments of `dateline train`.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, ValueHint};
use dateline_model::DeviceSpec;
use dateline_text::{Label, OffsetUnit};
use dateline_train::{Precision, Recipe, TrainOptions};

use crate::failure::Failure;
use crate::progress::ProgressMode;

pub(super) const AFTER_HELP: &str = "\
Examples:
  dateline train --base models/base --train train.jsonl --dev dev.jsonl --out models/mine
  dateline train --base models/base --train a.jsonl --train b.jsonl --partial people-and-places.jsonl \\
      --names PLACE=towns.txt --dev dev.jsonl --out models/mine --seeds 1,2,3 --epochs 6
  dateline train --base models/base --train train.jsonl --dev dev.jsonl --out models/mine --resume
  dateline annotate story.txt --model models/mine

A line of a labelled file is
  {\"text\": \"…\", \"spans\": [{\"start\": 8, \"end\": 12, \"label\": \"PLACE\"}]}
Ctrl-C saves the state; the same command with --resume goes on from there.";

/// What `dateline train` is given.
#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    /// The folder to start from: a plain encoder or a token classifier.
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    base: PathBuf,
    /// Fully marked texts, JSONL; may be given more than once.
    #[arg(long, value_name = "FILE", required = true, num_args = 1.., value_hint = ValueHint::FilePath)]
    train: Vec<PathBuf>,
    /// Texts in which only some labels are marked (the recipe's `partial_labels`), JSONL.
    #[arg(long, value_name = "FILE", num_args = 1.., value_hint = ValueHint::FilePath)]
    partial: Vec<PathBuf>,
    /// Held-out texts, JSONL, to choose the best weights on.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    dev: PathBuf,
    /// The model folder to write.
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    out: PathBuf,
    /// Names of a label, one a line, to swap into the texts; may be given more than once.
    #[arg(long, value_name = "LABEL=FILE", value_parser = name_list)]
    names: Vec<(Label, PathBuf)>,
    /// A recipe: a JSON object with learning rates, dropout and so on. What it leaves out keeps its default.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    recipe: Option<PathBuf>,
    /// Passes over the texts, whatever the recipe says.
    #[arg(long, value_name = "N")]
    epochs: Option<NonZeroUsize>,
    /// Seeds to train with; with several, their weights are averaged if that is better.
    #[arg(long, value_delimiter = ',', default_value = "1", value_name = "SEED,…")]
    seeds: Vec<u64>,
    /// The unit of the files' offsets: codepoint, utf16 or byte.
    #[arg(long, default_value_t, value_name = "UNIT")]
    offsets: OffsetUnit,
    /// Where to train: cpu, cuda, cuda:N or metal.
    #[arg(long, env = "DATELINE_DEVICE", default_value_t)]
    device: DeviceSpec,
    /// Threads on the CPU [default: one per core].
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// The number format of the written weights.
    #[arg(long, value_enum, default_value_t)]
    precision: PrecisionArg,
    /// Tokens per window of the written model, if fewer than it has positions.
    #[arg(long, value_name = "N")]
    window_tokens: Option<NonZeroUsize>,
    /// Tokens that neighbouring windows of the written model share.
    #[arg(long, value_name = "N")]
    stride_tokens: Option<usize>,
    /// Steps between two saved states.
    #[arg(long, value_name = "N")]
    save_every: Option<NonZeroUsize>,
    /// Go on from the saved state in the output folder, if there is one.
    #[arg(long)]
    resume: bool,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
    /// Whether to show progress on standard error.
    #[arg(long, value_enum, default_value_t, value_name = "WHEN")]
    progress: ProgressMode,
}

/// The number format of written weights.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum PrecisionArg {
    /// Half: half the size, and no measurable loss.
    #[default]
    F16,
    /// Single.
    F32,
}

/// What `dateline train` does.
pub(crate) struct TrainConfig {
    /// What to train on, how and where.
    pub(crate) options: TrainOptions,
    /// Whether the summary is printed as JSON.
    pub(crate) json: bool,
    /// Whether to show progress.
    pub(crate) progress: ProgressMode,
}

impl TrainArgs {
    /// Reads the recipe and fills in what was left out.
    pub(crate) fn resolve(self) -> Result<TrainConfig, Failure> {
        let mut recipe = self.recipe.as_deref().map_or_else(|| Ok(Recipe::default()), read_recipe)?;
        if let Some(epochs) = self.epochs {
            recipe.epochs = epochs.get();
        }
        recipe.check().map_err(|error| Failure::Usage(error.to_string()))?;
        let defaults = TrainOptions::default();
        let options = TrainOptions {
            base: self.base,
            train: self.train,
            partial: self.partial,
            dev: self.dev,
            out: self.out,
            names: self.names,
            offsets: self.offsets,
            recipe,
            seeds: self.seeds,
            device: self.device,
            threads: self.threads,
            precision: match self.precision {
                PrecisionArg::F16 => Precision::F16,
                PrecisionArg::F32 => Precision::F32,
            },
            quantise: defaults.quantise,
            window_tokens: self.window_tokens.map(NonZeroUsize::get),
            stride_tokens: self.stride_tokens,
            save_every: self.save_every.map_or(defaults.save_every, NonZeroUsize::get),
            resume: self.resume,
        };
        Ok(TrainConfig { options, json: self.json, progress: self.progress })
    }
}

fn read_recipe(path: &Path) -> Result<Recipe, Failure> {
    let refused = |error: &dyn std::fmt::Display| Failure::Usage(format!("the recipe {}: {error}", path.display()));
    let json = fs::read_to_string(path).map_err(|error| refused(&error))?;
    serde_json::from_str(&json).map_err(|error| refused(&error))
}

/// `LABEL=FILE`.
fn name_list(text: &str) -> Result<(Label, PathBuf), String> {
    match text.split_once('=') {
        Some((label, file)) if !label.is_empty() && !file.is_empty() => Ok((Label::new(label), PathBuf::from(file))),
        _ => Err("write it as LABEL=FILE, like PLACE=towns.txt".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        train: TrainArgs,
    }

    const NEEDED: [&str; 9] = ["dateline", "--base", "b", "--train", "t", "--dev", "d", "--out", "o"];

    fn resolve(more: &[&str]) -> Result<TrainConfig, Failure> {
        Only::parse_from([&NEEDED, more].concat()).train.resolve()
    }

    #[test]
    fn arguments_become_options() {
        let more = ["--names", "PLACE=a=b.txt", "--seeds", "3,1", "--epochs", "2", "--resume", "--train", "u", "v"];
        let options = resolve(&more).unwrap().options;
        assert_eq!(options.train, ["t", "u", "v"].map(PathBuf::from));
        assert_eq!(options.names, [(Label::new("PLACE"), PathBuf::from("a=b.txt"))]);
        assert_eq!((options.seeds, options.recipe.epochs, options.resume), (vec![3, 1], 2, true));
        assert_eq!(options.save_every, TrainOptions::default().save_every);
    }

    #[test]
    fn the_command_line_has_the_last_word_on_the_recipe() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recipe.json");
        fs::write(&path, r#"{"epochs": 9, "dropout": 0.25}"#).unwrap();
        let recipe = resolve(&["--recipe", path.to_str().unwrap(), "--epochs", "4"]).unwrap().options.recipe;
        assert_eq!((recipe.epochs, recipe.dropout), (4, 0.25));
        fs::write(&path, r#"{"epoch": 9}"#).unwrap();
        let Err(error) = resolve(&["--recipe", path.to_str().unwrap()]) else { panic!("a misspelt field was taken") };
        assert!(error.to_string().contains("recipe.json: unknown field `epoch`"), "{error}");
    }

    #[test]
    fn a_list_of_names_has_a_label() {
        assert!(name_list("towns.txt").unwrap_err().contains("LABEL=FILE"));
        assert!(name_list("=towns.txt").is_err());
    }
}
