//! The JSON form of a mention, the same in a JSONL line, in an HTTP answer and in what `eval` reads: offsets in the
//! caller's unit, the mention's own words beside them.

use serde::{Deserialize, Serialize};

use crate::{Mention, OffsetMap, OffsetUnit};

/// A mention as callers see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MentionRecord {
    /// Where it starts, in the caller's offset unit.
    pub start: usize,
    /// One past its end, in the caller's offset unit.
    pub end: usize,
    /// Its label.
    pub label: crate::Label,
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

/// Four decimals: more would claim a precision that no calibration has.
fn round_score(score: f32) -> f64 {
    (f64::from(score) * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Label, Span};

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
