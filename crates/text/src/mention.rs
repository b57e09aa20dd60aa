//! A text to read, and what was found in it.

use crate::{Label, Span};

/// A text with the name that its owner gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The caller's own name for the text, handed back unchanged.
    pub id: Option<String>,
    /// The text, never normalised.
    pub text: String,
}

/// A labelled slice of a text with its confidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Mention {
    /// Where it stands, in bytes of its own text; never empty, never cutting a character.
    pub span: Span,
    /// What it is.
    pub label: Label,
    /// The calibrated probability, 0 to 1, that span and label are both right.
    pub score: f32,
}

impl Mention {
    /// A mention of `label` at `span`.
    #[must_use]
    pub const fn new(span: Span, label: Label, score: f32) -> Self {
        Self { span, label, score }
    }

    /// The mention's own words.
    ///
    /// # Panics
    /// If `text` is not the text that the mention was found in.
    #[must_use]
    pub fn slice<'t>(&self, text: &'t str) -> &'t str {
        self.span.slice(text).expect("a mention is a slice of its own text")
    }
}
