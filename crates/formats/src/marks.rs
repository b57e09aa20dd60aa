//! Marks as files have them, and mentions as we do: in bytes, in order, none over another.

use std::cmp::Reverse;

use dateline_text::{Document, Label, Mention, OffsetMap, OffsetUnit, Span};
use serde_json::{Map, Value};

use crate::{Annotated, FormatError, LeftOut};

/// What a file marks, with offsets in the file's unit.
pub(crate) struct Mark {
    /// What it is called in what is said of it: `mention 3`, counted from 0.
    pub(crate) what: String,
    /// Where it starts.
    pub(crate) start: usize,
    /// One past its end.
    pub(crate) end: usize,
    /// Its label.
    pub(crate) label: String,
    /// Its score, if the file has one.
    pub(crate) score: Option<f64>,
    /// Its own words, if the file repeats them.
    pub(crate) text: Option<String>,
}

impl Mark {
    /// A mark in one of the two ways in which corpora spell it: `[start, end, label]`, or an object with `start` and
    /// `end` (or `start_offset` and `end_offset`), `label`, and maybe `score` and `text`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn from_json(what: String, value: &Value) -> Result<Self, String> {
        const EXPECTED: &str = "is neither [start, end, label] nor an object with start, end and label";
        match value {
            Value::Array(parts) => match parts.as_slice() {
                [start, end, Value::String(label)] => Ok(Self {
                    what,
                    start: offset(start)?,
                    end: offset(end)?,
                    label: label.clone(),
                    score: None,
                    text: None,
                }),
                _ => Err(EXPECTED.to_owned()),
            },
            Value::Object(fields) => {
                let one_of = |names: [&str; 2]| names.into_iter().find_map(|name| fields.get(name)).ok_or(EXPECTED);
                let Some(Value::String(label)) = fields.get("label") else { return Err(EXPECTED.to_owned()) };
                Ok(Self {
                    what,
                    start: offset(one_of(["start", "start_offset"])?)?,
                    end: offset(one_of(["end", "end_offset"])?)?,
                    label: label.clone(),
                    score: score(fields.get("score"))?,
                    text: fields.get("text").and_then(Value::as_str).map(ToOwned::to_owned),
                })
            }
            _ => Err(EXPECTED.to_owned()),
        }
    }
}

/// An offset.
pub(crate) fn offset(value: &Value) -> Result<usize, String> {
    let offset = value.as_u64().and_then(|offset| usize::try_from(offset).ok());
    offset.ok_or_else(|| format!("an offset is a whole number from 0 on, not {value}"))
}

/// A score, if there is one.
pub(crate) fn score(value: Option<&Value>) -> Result<Option<f64>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64() {
            Some(score) if (0.0..=1.0).contains(&score) => Ok(Some(score)),
            _ => Err(format!("a score is a number from 0 to 1, not {value}")),
        },
    }
}

/// The marks in a field that is a list of them; none if there is no such field.
///
/// # Errors
/// Which of them is wrong, and how.
pub(crate) fn list(name: &str, value: Option<Value>) -> Result<Vec<Mark>, String> {
    let marks = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(marks)) => marks,
        Some(_) => return Err(format!("{name:?} is not a list")),
    };
    let mark = |(index, mark)| {
        let what = format!("{name} {index}");
        Mark::from_json(what.clone(), mark).map_err(|why| format!("{what}: {why}"))
    };
    marks.iter().enumerate().map(mark).collect()
}

/// Mentions of a text, and what was marked beside them.
pub(crate) struct Settled {
    /// In the order of the text, none over another.
    pub(crate) mentions: Vec<Mention>,
    /// Marks that have no place beside those.
    pub(crate) left_out: Vec<LeftOut>,
    /// Whether the marks came in the order of the text and all have become mentions, so that their numbers still hold.
    pub(crate) as_they_came: bool,
}

/// The mentions that `marks` of `text` are, their offsets being in `unit`. Where marks overlap, the one that starts first
/// stays, and of those that start together the longest; an empty one never does.
///
/// # Errors
/// Which mark is none of this text, and why.
pub(crate) fn settle(text: &str, unit: OffsetUnit, marks: Vec<Mark>) -> Result<Settled, String> {
    let mut marks: Vec<(usize, Mark)> = marks.into_iter().enumerate().collect();
    marks.sort_by_key(|(_, mark)| (mark.start, Reverse(mark.end)));
    let mut settled = Settled { mentions: Vec::with_capacity(marks.len()), left_out: Vec::new(), as_they_came: true };
    let mut map = OffsetMap::new(text, unit);
    for (place, (number, mark)) in marks.into_iter().enumerate() {
        let what = mark.what;
        let span = map.span_to_bytes(mark.start, mark.end).map_err(|error| format!("{what}: {error}"))?;
        if mark.text.as_deref().is_some_and(|words| span.slice(text) != Some(words)) {
            return Err(format!("{what}: its own words are not those at its offsets, counted in {unit} units"));
        }
        let last = settled.mentions.last().map_or(Span::new(0, 0), |last: &Mention| last.span);
        let why = match () {
            () if span.is_empty() => Some("it is empty"),
            () if span.overlaps(last) => Some("it overlaps another, and mentions here do not"),
            () => None,
        };
        settled.as_they_came &= place == number && why.is_none();
        match why {
            Some(why) => settled.left_out.push(LeftOut { what, why: why.to_owned() }),
            None => {
                // Scores are single precision everywhere else.
                #[expect(clippy::cast_possible_truncation, reason = "of digits, which a score has few of")]
                let score = mark.score.unwrap_or(1.0) as f32;
                settled.mentions.push(Mention::new(span, Label::new(mark.label), score));
            }
        }
    }
    Ok(settled)
}

/// The document of a JSON object, of which `marks` are the mentions: takes `id` and `text` out of `fields`, and leaves
/// the rest in `extra`.
///
/// # Errors
/// What is wrong with the object.
pub(crate) fn document(
    mut fields: Map<String, Value>,
    unit: OffsetUnit,
    marks: Vec<Mark>,
) -> Result<(Annotated, bool), String> {
    let id = id(fields.remove("id"))?;
    let text = match fields.remove("text") {
        Some(Value::String(text)) => text,
        Some(_) => return Err("\"text\" is not a string".to_owned()),
        None => return Err("has no \"text\"".to_owned()),
    };
    let settled = settle(&text, unit, marks)?;
    let annotated = Annotated {
        extra: fields,
        left_out: settled.left_out,
        ..Annotated::new(Document { id, text }, settled.mentions)
    };
    Ok((annotated, settled.as_they_came))
}

/// A document's id. Numbers are taken as the strings of their digits.
pub(crate) fn id(value: Option<Value>) -> Result<Option<String>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(id)) => Ok(Some(id)),
        Some(Value::Number(id)) => Ok(Some(id.to_string())),
        Some(_) => Err("\"id\" is neither a string nor a number".to_owned()),
    }
}

/// Refuses a document with an extra field that has the name of one of the format's own.
pub(crate) fn no_clash(format: &'static str, extra: &Map<String, Value>, own: &[&str]) -> Result<(), FormatError> {
    match own.iter().find(|name| extra.contains_key(**name)) {
        None => Ok(()),
        Some(name) => Err(FormatError::Unwritable {
            format,
            why: format!("its field {name:?} has the name of one of the format's own; rename it"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settled(text: &str, marks: Value) -> Result<Settled, String> {
        settle(text, OffsetUnit::Codepoint, list("spans", Some(marks))?)
    }

    #[test]
    fn the_outer_of_two_stays_and_the_other_is_named() {
        let settled = settled("🚀 Kyiv Oblast", json!([[2, 6, "CITY"], [2, 13, "PLACE"], [0, 0, "X"]])).unwrap();
        assert_eq!(settled.mentions, [Mention::new(Span::new(5, 16), Label::new("PLACE"), 1.0)]);
        let left_out: Vec<String> = settled.left_out.iter().map(ToString::to_string).collect();
        assert_eq!(left_out, ["spans 2: it is empty", "spans 0: it overlaps another, and mentions here do not"]);
        assert!(!settled.as_they_came);
    }

    #[test]
    fn what_cannot_be_is_said() {
        let said = |marks: Value| settled("🚀 Kyiv", marks).err().unwrap();
        assert!(said(json!([[2, 7, "PLACE"]])).starts_with("spans 0: offset 7 is past the end"));
        assert!(said(json!([[0, 1, "X"], [6, 2, "PLACE"]])).starts_with("spans 1: a span ends at 2"));
        assert_eq!(said(json!([[0, -1, "X"]])), "spans 0: an offset is a whole number from 0 on, not -1");
        assert_eq!(
            said(json!([{"start": 0, "end": 1, "label": "X", "score": 97}])),
            "spans 0: a score is a number from 0 to 1, not 97"
        );
        assert_eq!(
            said(json!([{"start": 2, "end": 6, "label": "X", "text": "yiv"}])),
            "spans 0: its own words are not those at its offsets, counted in codepoint units"
        );
        assert!(said(json!(["PLACE"])).starts_with("spans 0: is neither"));
        assert_eq!(said(json!({})), "\"spans\" is not a list");
    }
}
