//! What every format is a form of: a document with its mentions and entities.

use std::fmt;

use dateline_text::{Document, Entity, Mention};
use serde_json::{Map, Value};

/// A document and what was found in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotated {
    /// The text, and its owner's name for it.
    pub document: Document,
    /// What is mentioned, in the order of the text, not overlapping. Spans are bytes of `document.text`. Where a format
    /// without scores was read, the score is 1: somebody marked it.
    pub mentions: Vec<Mention>,
    /// Who and what that is. Empty where a format was read that knows only mentions.
    pub entities: Vec<Entity>,
    /// The input's other fields as they came (`headline`, `date`, …), for formats that have room for them.
    pub extra: Map<String, Value>,
    /// What the input marked beside that and this type has no place for (a relation, a mention inside another). Readers
    /// fill it, so that a caller can tell its user; writers do not look at it.
    pub left_out: Vec<LeftOut>,
}

impl Annotated {
    /// A document with mentions and nothing else.
    #[must_use]
    pub fn new(document: Document, mentions: Vec<Mention>) -> Self {
        Self { document, mentions, entities: Vec::new(), extra: Map::new(), left_out: Vec::new() }
    }
}

/// Something that a reader left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// What it is, in the input's own terms: `line 4, R1`, `mention 3`. Never words of the text.
    pub what: String,
    /// Why it has no place.
    pub why: String,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}
