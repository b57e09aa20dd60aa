//! The formats of other tools: a document becomes what they all are forms of, and the formats crate does the rest.

use std::io::{self, BufWriter, Write};

use chrono::{SecondsFormat, Utc};
use dateline_formats::{Annotated, Format, FormatError};
use dateline_text::{Document, Mention, entities};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::{Output, OutputOptions, Shared};
use crate::input::{Field, Origin, Record};

/// Writes in a format of the formats crate.
pub(crate) struct Foreign<'w, W: Write + 'w> {
    writer: Box<dyn dateline_formats::Write + 'w>,
    sink: Shared<W>,
}

impl<'w, W: Write + 'w> Foreign<'w, W> {
    /// Documents in `format` onto `sink`; `model` found the mentions.
    pub(crate) fn new(sink: BufWriter<W>, format: Format, options: &OutputOptions, model: &str) -> Self {
        let sink = Shared::new(sink);
        let options = dateline_formats::Options {
            offsets: options.offsets,
            model: Some(model.to_owned()),
            created: Some(now()),
            ..dateline_formats::Options::default()
        };
        Self { writer: format.writer(Box::new(sink.clone()), &options), sink }
    }
}

impl<'w, W: Write + 'w> Output for Foreign<'w, W> {
    fn document(&mut self, _: &Origin, record: &Record, mentions: &[Mention]) -> Result<(), FormatError> {
        self.writer.document(&annotated(record, mentions)?)
    }

    /// Nothing: no format has a place for it, and the message is on standard error.
    fn failure(&mut self, _: &Origin, _: Option<&RawValue>, _: &str) -> io::Result<()> {
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }

    fn finish(self: Box<Self>) -> Result<(), FormatError> {
        let Self { writer, mut sink } = *self;
        writer.finish()?;
        Ok(sink.flush()?)
    }
}

/// The time, as formats write it that say when an annotation was made.
pub(crate) fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn annotated(record: &Record, mentions: &[Mention]) -> Result<Annotated, FormatError> {
    let value = |raw: &RawValue| serde_json::from_str::<Value>(raw.get()).map_err(io::Error::from);
    let mut extra = Map::new();
    let mut id = None;
    for field in record.fields() {
        match field {
            Field::Text => {}
            Field::Other(name, raw) if name == "id" => {
                id = match value(raw)? {
                    Value::Null => None,
                    Value::String(id) => Some(id),
                    // A number, to the letter.
                    _ => Some(raw.get().to_owned()),
                };
            }
            Field::Other(name, raw) => {
                extra.insert(name.clone(), value(raw)?);
            }
        }
    }
    let document = Document { id, text: record.text().to_owned() };
    let entities = entities::group(&document.text, mentions);
    Ok(Annotated { entities, extra, ..Annotated::new(document, mentions.to_vec()) })
}

#[cfg(test)]
mod tests {
    use dateline_text::{Label, OffsetUnit, Span};

    use super::*;

    #[test]
    fn a_record_becomes_a_document() {
        let record = Record::parse(r#"{"day":"2024-01-02","id":17,"text":"🚀 Kyiv"}"#).unwrap();
        let mentions = [Mention::new(Span::new(5, 9), Label::new("PLACE"), 0.5)];
        let annotated = annotated(&record, &mentions).unwrap();
        assert_eq!(annotated.document, Document { id: Some("17".to_owned()), text: "🚀 Kyiv".to_owned() });
        assert_eq!((annotated.extra.len(), annotated.entities.len()), (1, 1));
    }

    #[test]
    fn every_format_is_flushed_and_finished() {
        let record = Record::parse(r#"{"id":"a","text":"🚀 Kyiv"}"#).unwrap();
        let mentions = [Mention::new(Span::new(5, 9), Label::new("PLACE"), 0.5)];
        for format in Format::ALL {
            let mut written = Vec::new();
            let options = OutputOptions { offsets: OffsetUnit::Codepoint, include_text: false, entities: true };
            let mut output: Box<dyn Output> =
                Box::new(Foreign::new(BufWriter::new(&mut written), format, &options, "a-model"));
            output.document(&Origin { file: None, line: None }, &record, &mentions).unwrap();
            output.flush().unwrap();
            output.finish().unwrap();
            assert!(String::from_utf8_lossy(&written).contains("Kyiv"), "{format}");
        }
    }
}
