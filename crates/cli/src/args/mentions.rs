//! Which mentions are written, and how: what `dateline annotate` and `dateline batch` are asked alike.

use std::collections::BTreeSet;

use clap::Args;
use dateline_text::{Label, MentionFilter, OffsetUnit};

/// The arguments.
#[derive(Debug, Args)]
pub(crate) struct MentionArgs {
    /// The unit in which offsets are counted: codepoint (Python), utf16 (JavaScript, Java) or byte.
    #[arg(long, default_value_t, value_name = "UNIT")]
    pub(crate) offsets: OffsetUnit,
    /// Leave out mentions that score less, from 0 to 1.
    #[arg(long, default_value_t = 0.0, value_name = "SCORE", value_parser = score)]
    min_score: f32,
    /// Only these labels.
    #[arg(long, value_delimiter = ',', value_name = "LABEL,…")]
    labels: Option<Vec<String>>,
    /// Repeat the text in the output.
    #[arg(long)]
    pub(crate) include_text: bool,
}

impl MentionArgs {
    /// Which mentions are written.
    pub(crate) fn filter(&self) -> MentionFilter {
        MentionFilter { min_score: self.min_score, labels: self.labels.as_deref().map(label_set) }
    }
}

/// The labels of those names, without the empty ones.
fn label_set(names: &[String]) -> BTreeSet<Label> {
    names.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).map(Label::new).collect()
}

/// A score from 0 to 1.
fn score(text: &str) -> Result<f32, String> {
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
        let set = label_set(&[" UNIT".into(), "Weapon ".into(), String::new()]);
        assert_eq!(set, [Label::new("UNIT"), Label::new("Weapon")].into());
    }
}
