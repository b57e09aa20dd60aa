//! doccano's JSON lines for sequence labelling.
//!
//! ```json
//! {"id":"a1","text":"Kyiv held.","label":[[0,4,"PLACE"]],"date":"2024-05-02"}
//! ```
//!
//! Written: what doccano imports; it keeps the fields that it does not know as the example's metadata.
//!
//! Read: that, and what doccano exports or has exported: `label` or `labels` as lists, and `entities` as objects with
//! `start_offset`, `end_offset` and `label`. Relations between entities are left out.
//!
//! Offsets are UTF-16 units, in which doccano's page counts: it hands a span to JavaScript's `substr` (`doccano/v-annotator`,
//! `src/domain/models/Label/Text.ts`, which calls them code points), and the server stores and exports the same numbers
//! (doccano's issue 2290). A project with "count grapheme clusters as one character" counts those; text with
//! emoji or combining marks fits no such project.
//!
//! **Lost:** scores and entities. A numeric `id` becomes a string. Labels of any spelling are kept.

use std::io;

use dateline_text::{OffsetMap, OffsetUnit};
use serde_json::{Map, Value};

use crate::jsonl::Fields;
use crate::lines::Lines;
use crate::{Annotated, FormatError, LeftOut, marks};

/// The format's name.
pub const NAME: &str = "doccano";

const OWN: [&str; 6] = ["id", "text", "label", "labels", "entities", "relations"];

/// Writes what doccano imports.
pub struct Writer<W> {
    sink: W,
}

impl<W: io::Write> Writer<W> {
    /// Lines onto `sink`.
    #[must_use]
    pub const fn new(sink: W) -> Self {
        Self { sink }
    }
}

impl<W: io::Write> crate::Write for Writer<W> {
    fn document(&mut self, annotated: &Annotated) -> Result<(), FormatError> {
        marks::no_clash(NAME, &annotated.extra, &OWN)?;
        let text = &annotated.document.text;
        let mut map = OffsetMap::new(text, OffsetUnit::Utf16);
        let label = |mention: &dateline_text::Mention| {
            let (start, end) = map.span_from_bytes(mention.span);
            (start, end, mention.label.clone())
        };
        let labels: Vec<_> = annotated.mentions.iter().map(label).collect();
        let mut line = Fields::default();
        if let Some(id) = &annotated.document.id {
            line.add("id", id)?;
        }
        line.add("text", text)?;
        line.add("label", &labels)?;
        for (name, value) in &annotated.extra {
            line.add(name, value)?;
        }
        Ok(self.sink.write_all(&line.finish(b"}\n"))?)
    }

    fn finish(mut self: Box<Self>) -> Result<(), FormatError> {
        Ok(self.sink.flush()?)
    }
}

/// Reads what doccano imports and exports.
pub struct Reader<R> {
    lines: Lines<R>,
}

impl<R: io::BufRead> Reader<R> {
    /// The documents of `source`.
    #[must_use]
    pub const fn new(source: R) -> Self {
        Self { lines: Lines::new(NAME, source) }
    }
}

impl<R: io::BufRead> Iterator for Reader<R> {
    type Item = Result<Annotated, FormatError>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(match self.lines.object()? {
            Ok(fields) => document(fields).map_err(|why| self.lines.malformed(why)),
            Err(error) => Err(error),
        })
    }
}

fn document(mut fields: Map<String, Value>) -> Result<Annotated, String> {
    let mut marks = Vec::new();
    for name in ["label", "labels", "entities"] {
        marks.append(&mut marks::list(name, fields.remove(name))?);
    }
    let relations = match fields.remove("relations") {
        Some(Value::Array(relations)) => relations.len(),
        _ => 0,
    };
    let (mut annotated, _) = marks::document(fields, OffsetUnit::Utf16, marks)?;
    if relations > 0 {
        let what = format!("all {relations} relations");
        annotated.left_out.push(LeftOut { what, why: "there are none between mentions here".to_owned() });
    }
    Ok(annotated)
}

#[cfg(test)]
mod tests {
    use dateline_text::Span;

    use super::*;

    #[test]
    fn reads_every_export_there_was() {
        let lines = [
            r#"{"id":1,"text":"🚀 Kyiv","label":[[3,7,"PLACE"]],"Comments":[]}"#,
            r#"{"id":1,"text":"🚀 Kyiv","labels":[[3,7,"PLACE"]],"Comments":[]}"#,
            r#"{"id":1,"text":"🚀 Kyiv","entities":[{"id":9,"label":"PLACE","start_offset":3,"end_offset":7}],"relations":[],"Comments":[]}"#,
        ];
        let read = |line: &str| Reader::new(line.as_bytes()).next().unwrap().unwrap();
        for line in lines {
            let annotated = read(line);
            assert_eq!(annotated.document.id.as_deref(), Some("1"));
            assert_eq!(annotated.mentions.len(), 1);
            assert_eq!((annotated.mentions[0].span, &annotated.mentions[0].label), (Span::new(5, 9), &"PLACE".into()));
            assert_eq!(Value::Object(annotated.extra).to_string(), r#"{"Comments":[]}"#);
            assert_eq!(annotated.left_out, []);
        }
        let related = read(r#"{"text":"a","entities":[],"relations":[{"id":1,"from_id":2,"to_id":3,"type":"in"}]}"#);
        assert_eq!(related.left_out[0].to_string(), "all 1 relations: there are none between mentions here");
    }
}
