//! Who and what a document speaks of: its mentions, grouped.

use crate::{Label, Mention};

/// One person, place, unit or weapon of a document, and where it is mentioned.
#[derive(Clone, Debug, PartialEq)]
pub struct Entity {
    /// What it is.
    pub label: Label,
    /// The mention whose own words name it best, as an index into the document's mentions; one of `mentions`.
    pub name: usize,
    /// Its mentions, as ascending indices into the document's mentions; never empty.
    pub mentions: Vec<usize>,
    /// The best score of its mentions.
    pub score: f32,
    /// How much the document is about it, 0 to 1.
    pub relevance: f32,
}

impl Entity {
    /// Its canonical name: words of the document.
    ///
    /// # Panics
    /// If `text` and `mentions` are not the document's.
    #[must_use]
    pub fn name<'t>(&self, text: &'t str, mentions: &[Mention]) -> &'t str {
        mentions[self.name].slice(text)
    }
}
