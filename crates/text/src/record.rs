//! The JSON form of mentions and entities, the same in a JSONL line, in an HTTP answer and in what `eval` reads: offsets in the
//! caller's unit, the mention's own words beside them.

use serde::{Deserialize, Serialize};

use crate::{Entity, Label, Mention, OffsetMap, OffsetUnit};

/// A mention as callers see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MentionRecord {
    /// Where it starts, in the caller's offset unit.
    pub start: usize,
    /// One past its end, in the caller's offset unit.
    pub end: usize,
    /// Its label.
    pub label: Label,
    /// Its own words: `text[start..end]`.
    pub text: String,
    /// The calibrated probability that span and label are right, rounded to four decimals.
    pub score: f64,
}

/// The JSON form of `mentions`, with offsets in `unit`.
///
/// # Panics
/// If a mention is not a slice of `text`.
#[must_use]
pub fn mentions(text: &str, mentions: &[Mention], unit: OffsetUnit) -> Vec<MentionRecord> {
    let mut map = OffsetMap::new(text, unit);
    mentions
        .iter()
        .map(|mention| {
            let (start, end) = map.span_from_bytes(mention.span);
            MentionRecord {
                start,
                end,
                label: mention.label.clone(),
                text: mention.slice(text).to_owned(),
                score: round_score(mention.score),
            }
        })
        .collect()
}

/// The JSON form of an entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntityRecord {
    /// What it is.
    pub label: Label,
    /// Its canonical name: the words of one of its mentions.
    pub name: String,
    /// Its mentions: ascending indices into the list of mentions beside it.
    pub mentions: Vec<usize>,
    /// How many mentions it has.
    pub count: usize,
    /// The best score of its mentions, rounded to four decimals.
    pub score: f64,
    /// How much the document is about it, 0 to 1, rounded to four decimals.
    pub relevance: f64,
}

/// The JSON form of `entities`, which group `mentions` of `text`.
///
/// # Panics
/// If they are not of that text and those mentions.
#[must_use]
pub fn entities(text: &str, mentions: &[Mention], entities: &[Entity]) -> Vec<EntityRecord> {
    entities
        .iter()
        .map(|entity| EntityRecord {
            label: entity.label.clone(),
            name: entity.name(text, mentions).to_owned(),
            mentions: entity.mentions.clone(),
            count: entity.mentions.len(),
            score: round_score(entity.score),
            relevance: round_score(entity.relevance),
        })
        .collect()
}

/// Four decimals: more would claim a precision that no calibration has.
fn round_score(score: f32) -> f64 {
    (f64::from(score) * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Span;

    #[test]
    fn one_mention_in_three_units() {
        let text = "🚀🇺🇦 Kyiv";
        let start = text.find("Kyiv").unwrap();
        let mention = [Mention::new(Span::new(start, start + 4), Label::new("PLACE"), 0.987_654)];
        let starts = OffsetUnit::ALL.map(|unit| mentions(text, &mention, unit)[0].start);
        assert_eq!(starts, [4, 7, 13]);
        let json = serde_json::to_string(&mentions(text, &mention, OffsetUnit::Codepoint)).unwrap();
        assert_eq!(json, r#"[{"start":4,"end":8,"label":"PLACE","text":"Kyiv","score":0.9877}]"#);
    }
}
