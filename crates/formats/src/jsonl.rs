//! Dateline's own JSON lines: a document a line, its mentions with their words and scores beside the text.
//!
//! ```json
//! {"id":"a1","date":"2024-05-02","text":"Kyiv held.",
//!  "mentions":[{"start":0,"end":4,"label":"PLACE","text":"Kyiv","score":0.98}]}
//! ```
//!
//! Written: `id` (if there is one), the other fields by name, `text` (unless it is to be left out), `mentions`, and
//! `entities` if there are any. Offsets are in the unit that the options say.
//!
//! Read: the same, and what corpora have instead of `mentions`: `spans` (or `entities`) as `[start, end, "LABEL"]` or as
//! `{"start", "end", "label"}`. A line without any of them has no mentions. If a line has a field `offsets` that names a unit,
//! as the service's answers do, that is the line's.
//!
//! **Lost:** scores beyond four decimals. A numeric `id` becomes a string, numbers in other fields that no 64 bits hold
//! become the nearest float, and fields come out ordered by name. Which of an entity's mentions has its name is told by the
//! words: the first mention with them. Labels of any spelling are kept.

use std::io;

use dateline_text::record::{self, EntityRecord};
use dateline_text::{Entity, OffsetUnit};
use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};
use serde_json::{Map, Value};

use crate::lines::Lines;
use crate::marks;
use crate::{Annotated, FormatError, Options};

/// The format's name.
pub const NAME: &str = "jsonl";

/// Writes Dateline's JSON lines.
pub struct Writer<W> {
    sink: W,
    offsets: OffsetUnit,
    omit_text: bool,
}

impl<W: io::Write> Writer<W> {
    /// Lines onto `sink`; `options` say in which unit offsets are, and whether to leave the text out.
    #[must_use]
    pub const fn new(sink: W, options: &Options) -> Self {
        Self { sink, offsets: options.offsets, omit_text: options.omit_text }
    }
}

impl<W: io::Write> crate::Write for Writer<W> {
    fn document(&mut self, annotated: &Annotated) -> Result<(), FormatError> {
        marks::no_clash(NAME, &annotated.extra, &["id", "text", "mentions", "entities"])?;
        let Annotated { document, mentions, .. } = annotated;
        let mut line = Fields::default();
        if let Some(id) = &document.id {
            line.add("id", id)?;
        }
        for (name, value) in &annotated.extra {
            line.add(name, value)?;
        }
        if !self.omit_text {
            line.add("text", &document.text)?;
        }
        line.add("mentions", &record::mentions(&document.text, mentions, self.offsets))?;
        if !annotated.entities.is_empty() {
            line.add("entities", &record::entities(&document.text, mentions, &annotated.entities))?;
        }
        Ok(self.sink.write_all(&line.finish(b"}\n"))?)
    }

    fn finish(mut self: Box<Self>) -> Result<(), FormatError> {
        Ok(self.sink.flush()?)
    }
}

/// A JSON object whose fields keep the order in which they are added.
pub(crate) struct Fields(Vec<u8>);

impl Default for Fields {
    fn default() -> Self {
        Self(b"{".to_vec())
    }
}

impl Fields {
    /// Adds a field.
    pub(crate) fn add(&mut self, name: &str, value: &(impl Serialize + ?Sized)) -> Result<(), FormatError> {
        if self.0.len() > 1 {
            self.0.push(b',');
        }
        name.serialize(&mut Serializer::with_formatter(&mut self.0, OneLine)).map_err(io::Error::from)?;
        self.0.push(b':');
        Ok(value.serialize(&mut Serializer::with_formatter(&mut self.0, OneLine)).map_err(io::Error::from)?)
    }

    /// The object's bytes, with `end` as its end.
    pub(crate) fn finish(mut self, end: &[u8]) -> Vec<u8> {
        self.0.extend_from_slice(end);
        self.0
    }
}

/// Adds `value` to `lines` as a line of JSON, which stays one for every reader of lines.
pub(crate) fn push_line(lines: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> Result<(), FormatError> {
    value.serialize(&mut Serializer::with_formatter(&mut *lines, OneLine)).map_err(io::Error::from)?;
    lines.push(b'\n');
    Ok(())
}

/// Escapes the three characters that JSON leaves in strings and that some readers of lines break at (Python's `splitlines`
/// does), so that a line is one line for them, too.
struct OneLine;

impl Formatter for OneLine {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(place) = rest.find(['\u{85}', '\u{2028}', '\u{2029}']) {
            let (before, after) = rest.split_at(place);
            let mut chars = after.chars();
            writer.write_all(before.as_bytes())?;
            if let Some(c) = chars.next() {
                write!(writer, "\\u{:04x}", u32::from(c))?;
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

/// Reads Dateline's JSON lines and training corpora.
pub struct Reader<R> {
    lines: Lines<R>,
    offsets: OffsetUnit,
}

impl<R: io::BufRead> Reader<R> {
    /// The documents of `source`, whose offsets are in the unit `offsets`.
    #[must_use]
    pub const fn new(source: R, offsets: OffsetUnit) -> Self {
        Self { lines: Lines::new(NAME, source), offsets }
    }
}

impl<R: io::BufRead> Iterator for Reader<R> {
    type Item = Result<Annotated, FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match self.lines.object()? {
            Ok(fields) => document(fields, self.offsets).map_err(|why| self.lines.malformed(why)),
            Err(error) => Err(error),
        })
    }
}

fn document(mut fields: Map<String, Value>, offsets: OffsetUnit) -> Result<Annotated, String> {
    let offsets = match fields.get("offsets").and_then(Value::as_str).map(str::parse) {
        Some(Ok(unit)) => {
            fields.remove("offsets");
            unit
        }
        _ => offsets,
    };
    let marks = ["mentions", "spans", "entities"]
        .into_iter()
        .find(|name| fields.get(*name).is_some_and(|value| !value.is_null()));
    let marks = marks.map_or(Ok(Vec::new()), |name| marks::list(name, fields.remove(name)))?;
    // Nulls of the format's own say no more than fields that are not there.
    fields.retain(|name, value| !(value.is_null() && matches!(name.as_str(), "mentions" | "spans")));
    let records = match fields.remove("entities") {
        None | Some(Value::Null) => Vec::new(),
        Some(list) => {
            serde_json::from_value::<Vec<EntityRecord>>(list).map_err(|error| format!("entities: {error}"))?
        }
    };
    let (mut annotated, as_they_came) = marks::document(fields, offsets, marks)?;
    if !records.is_empty() && !as_they_came {
        return Err("its entities name mentions by number, but these are not in order or overlap".to_owned());
    }
    for (number, record) in records.into_iter().enumerate() {
        annotated.entities.push(entity(&annotated, record).map_err(|why| format!("entity {number}: {why}"))?);
    }
    Ok(annotated)
}

/// The entity of which `record` is the JSON form.
fn entity(annotated: &Annotated, record: EntityRecord) -> Result<Entity, String> {
    let Annotated { document, mentions, .. } = annotated;
    if record.mentions.iter().any(|&index| index >= mentions.len()) || !record.mentions.is_sorted_by(|a, b| a < b) {
        return Err("its mentions are not ascending numbers of those beside it".to_owned());
    }
    let named = record.mentions.iter().find(|&&index| mentions[index].slice(&document.text) == record.name);
    let name = *named.ok_or("no mention of it has the words of its name")?;
    #[expect(clippy::cast_possible_truncation, reason = "of digits, which a score has few of")]
    let single = |score: f64| score as f32;
    if ![record.score, record.relevance].iter().all(|value| (0.0..=1.0).contains(value)) {
        return Err("score and relevance are numbers from 0 to 1".to_owned());
    }
    let (score, relevance) = (single(record.score), single(record.relevance));
    Ok(Entity { label: record.label, name, mentions: record.mentions, score, relevance })
}

#[cfg(test)]
mod tests {
    use dateline_text::{Label, Mention, Span};

    use super::*;

    fn read(line: &str) -> Result<Annotated, String> {
        Reader::new(line.as_bytes(), OffsetUnit::Codepoint).next().unwrap().map_err(|error| error.to_string())
    }

    #[test]
    fn training_corpora_are_read_as_they_come() {
        let kyiv = [Mention::new(Span::new(5, 9), Label::new("PLACE"), 1.0)];
        for field in [
            r#""spans":[[2,6,"PLACE"]]"#,
            r#""spans":[{"start":2,"end":6,"label":"PLACE"}],"mentions":null"#,
            r#""entities":[[2,6,"PLACE"]]"#,
            r#""mentions":[{"start":3,"end":7,"label":"PLACE","text":"Kyiv"}],"offsets":"utf16""#,
        ] {
            let annotated = read(&format!(r#"{{"id":7,"text":"🚀 Kyiv",{field}}}"#)).unwrap();
            assert_eq!(annotated.mentions, kyiv, "{field}");
            assert_eq!((annotated.document.id.as_deref(), annotated.extra.len()), (Some("7"), 0), "{field}");
        }
        let both = read(r#"{"text":"a","mentions":[],"spans":[[0,1,"X"]]}"#).unwrap();
        assert_eq!(
            (both.mentions.len(), both.extra.len()),
            (0, 1),
            "where there are mentions, spans are somebody else's"
        );
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let said = |line: &str| read(line).unwrap_err();
        assert_eq!(said("{}"), "jsonl, line 1: has no \"text\"");
        assert_eq!(said(r#"{"text":["a"]}"#), "jsonl, line 1: \"text\" is not a string");
        assert_eq!(said(r#"{"text":"a","id":[]}"#), "jsonl, line 1: \"id\" is neither a string nor a number");
        let unit =
            said(r#"{"text":"🚀 Kyiv","mentions":[{"start":3,"end":6,"label":"PLACE","text":"Kyiv","score":1}]}"#);
        assert!(unit.contains("mentions 0: its own words are not those at its offsets"), "{unit}");
    }

    #[test]
    fn entities_are_of_the_mentions_beside_them() {
        let line = |marks: &str, name: &str, mentions: &str| {
            let entity =
                format!(r#"{{"label":"X","name":"{name}","mentions":{mentions},"count":1,"score":1,"relevance":0}}"#);
            read(&format!(r#"{{"text":"ab","mentions":{marks},"entities":[{entity}]}}"#))
        };
        let ordered = r#"[[0,1,"X"],[1,2,"X"]]"#;
        assert_eq!(line(ordered, "b", "[0,1]").unwrap().entities[0].name, 1);
        let nameless = line(ordered, "c", "[0,1]").unwrap_err();
        assert!(nameless.contains("entity 0: no mention of it has the words of its name"), "{nameless}");
        for bad in ["[2]", "[1,0]", "[0,0]"] {
            let error = line(ordered, "a", bad).unwrap_err();
            assert!(error.contains("entity 0: its mentions are not ascending"), "{bad}: {error}");
        }
        let unordered = line(r#"[[1,2,"X"],[0,1,"X"]]"#, "a", "[1]").unwrap_err();
        assert!(unordered.contains("name mentions by number, but these are not in order"), "{unordered}");
    }

    #[test]
    fn a_line_is_one_line_for_those_who_break_at_more() {
        let text = "a\u{2028}b\u{2029}\u{85}c\r\n\u{b}\u{1c}";
        let document = dateline_text::Document { id: None, text: text.to_owned() };
        let mut sink = Vec::new();
        crate::Write::document(&mut Writer::new(&mut sink, &Options::default()), &Annotated::new(document, Vec::new()))
            .unwrap();
        let line = String::from_utf8(sink).unwrap();
        assert_eq!(line, "{\"text\":\"a\\u2028b\\u2029\\u0085c\\r\\n\\u000b\\u001c\",\"mentions\":[]}\n");
        assert_eq!(read(&line).unwrap().document.text, text);
    }
}
