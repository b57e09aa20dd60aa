//! A JSON object a line for each document of the input, failed ones too, so that lines can be matched with documents.
//!
//! A document: its own fields in their order (the text only if asked for), then `"mentions"` and `"entities"`. A failed document:
//! `{"id"?, "file"?, "line"?, "error"}`.

use std::io::{self, Write};

use dateline_formats::FormatError;
use dateline_text::{Mention, entities, record};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Output, OutputOptions};
use crate::input::{Field, Origin, Record};

/// Writes JSONL.
pub(crate) struct JsonLines<W> {
    sink: W,
    options: OutputOptions,
}

impl<W: Write> JsonLines<W> {
    /// JSONL onto `sink`.
    pub(crate) const fn new(sink: W, options: OutputOptions) -> Self {
        Self { sink, options }
    }
}

impl<W: Write> Output for JsonLines<W> {
    fn document(&mut self, _: &Origin, record: &Record, mentions: &[Mention]) -> Result<(), FormatError> {
        self.sink.write_all(b"{")?;
        for field in record.fields() {
            match field {
                Field::Text if self.options.include_text => {
                    self.sink.write_all(b"\"text\":")?;
                    serde_json::to_writer(&mut self.sink, record.text()).map_err(io::Error::from)?;
                    self.sink.write_all(b",")?;
                }
                Field::Text => {}
                Field::Other(name, value) => {
                    serde_json::to_writer(&mut self.sink, name).map_err(io::Error::from)?;
                    write!(self.sink, ":{},", value.get())?;
                }
            }
        }
        self.sink.write_all(b"\"mentions\":")?;
        let found = record::mentions(record.text(), mentions, self.options.offsets);
        serde_json::to_writer(&mut self.sink, &found).map_err(io::Error::from)?;
        if self.options.entities {
            let entities = entities::group(record.text(), mentions);
            self.sink.write_all(b",\"entities\":")?;
            let entities = record::entities(record.text(), mentions, &entities);
            serde_json::to_writer(&mut self.sink, &entities).map_err(io::Error::from)?;
        }
        Ok(self.sink.write_all(b"}\n")?)
    }

    fn failure(&mut self, origin: &Origin, id: Option<&RawValue>, error: &str) -> io::Result<()> {
        #[derive(Serialize)]
        struct Failed<'f> {
            #[serde(skip_serializing_if = "Option::is_none")]
            id: Option<&'f RawValue>,
            #[serde(skip_serializing_if = "Option::is_none")]
            file: Option<&'f str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            line: Option<usize>,
            error: &'f str,
        }
        let failed = Failed { id, file: origin.file.as_deref(), line: origin.line, error };
        serde_json::to_writer(&mut self.sink, &failed)?;
        self.sink.write_all(b"\n")
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

#[cfg(test)]
mod tests {
    use dateline_text::{Label, OffsetUnit, Span};

    use super::*;

    fn written(include_text: bool, line: &str) -> String {
        let record = Record::parse(line).unwrap();
        let start = record.text().find("Kyiv").unwrap();
        let mentions = [Mention::new(Span::new(start, start + 4), Label::new("PLACE"), 0.5)];
        let mut sink = Vec::new();
        let options = OutputOptions { offsets: OffsetUnit::Utf16, include_text, entities: false };
        let origin = Origin { file: None, line: Some(1) };
        JsonLines::new(&mut sink, options).document(&origin, &record, &mentions).unwrap();
        String::from_utf8(sink).unwrap()
    }

    #[test]
    fn fields_pass_through_around_the_text() {
        let line = r#"{"day":"2024-01-02","text":"🚀 Kyiv","n":1.50}"#;
        let mentions = r#""mentions":[{"start":3,"end":7,"label":"PLACE","text":"Kyiv","score":0.5}]"#;
        assert_eq!(written(false, line), format!("{{\"day\":\"2024-01-02\",\"n\":1.50,{mentions}}}\n"));
        assert_eq!(
            written(true, line),
            format!("{{\"day\":\"2024-01-02\",\"text\":\"🚀 Kyiv\",\"n\":1.50,{mentions}}}\n")
        );
    }

    #[test]
    fn a_failed_document_has_its_own_line() {
        let mut sink = Vec::new();
        let options = OutputOptions { offsets: OffsetUnit::Codepoint, include_text: true, entities: true };
        let origin = Origin { file: Some("in.jsonl".into()), line: Some(7) };
        JsonLines::new(&mut sink, options).failure(&origin, None, "has no \"text\"").unwrap();
        assert_eq!(
            String::from_utf8(sink).unwrap(),
            "{\"file\":\"in.jsonl\",\"line\":7,\"error\":\"has no \\\"text\\\"\"}\n"
        );
    }
}
