//! What becomes of a row: its mentions in the caller's unit, or its error.

use dateline_text::record::{self, MentionRecord};
use dateline_text::{Mention, OffsetUnit};

use crate::Chunk;

/// A row's mentions as they are written, or why it has none.
pub(super) type Outcome = Result<Vec<MentionRecord>, String>;

/// The outcomes of a chunk's rows. A row that could not be read keeps the reader's error, whatever was made of it.
pub(super) fn outcomes(chunk: &Chunk, found: &[Result<Vec<Mention>, String>], unit: OffsetUnit) -> Vec<Outcome> {
    assert_eq!(chunk.len(), found.len(), "each row has an outcome");
    chunk.texts.iter().zip(found).map(|(text, found)| outcome(text.as_deref(), found, unit)).collect()
}

fn outcome(text: Result<&str, &String>, found: &Result<Vec<Mention>, String>, unit: OffsetUnit) -> Outcome {
    let text = text.map_err(Clone::clone)?;
    let mentions = record::mentions(text, found.as_ref().map_err(Clone::clone)?, unit);
    match mentions.iter().find(|mention| u32::try_from(mention.end).is_err()) {
        Some(mention) => Err(format!("a mention ends at {}, which does not fit into 32 bits", mention.end)),
        None => Ok(mentions),
    }
}
