//! What every format is a form of: a document with its mentions and entities.

use dateline_text::{Document, Entity, Mention};
use serde_json::{Map, Value};

/// A document and what was found in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotated {
    /// The text, and its owner's name for it.
    pub document: Document,
    /// What is mentioned, in the order of the text, not overlapping. Spans are bytes of `document.text`.
    pub mentions: Vec<Mention>,
    /// Who and what that is. Empty where a format was read that knows only mentions.
    pub entities: Vec<Entity>,
    /// The input's other fields as they came (`headline`, `date`, …), for formats that have room for them.
    pub extra: Map<String, Value>,
}
