//! What was counted while an output was written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counts of one output, or of several together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Rows of the input: documents, failed ones too.
    pub rows: u64,
    /// Documents with an error instead of mentions.
    pub failed: u64,
    /// Mentions of each label.
    pub mentions: BTreeMap<String, u64>,
}

impl Tally {
    /// The key under which a Parquet output's footer holds its tally, as JSON.
    pub const KEY: &'static str = "dateline.tally";

    /// Adds the counts of another output.
    pub fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.failed += other.failed;
        for (label, count) in &other.mentions {
            *self.mentions.entry(label.clone()).or_default() += count;
        }
    }

    /// Mentions of all labels.
    #[must_use]
    pub fn all_mentions(&self) -> u64 {
        self.mentions.values().sum()
    }

    pub(crate) fn count_mention(&mut self, label: &str) {
        match self.mentions.get_mut(label) {
            Some(count) => *count += 1,
            None => _ = self.mentions.insert(label.to_owned(), 1),
        }
    }
}
