//! A table with a row a mention, for spreadsheets and databases: `id,start,end,label,text,score`, with a header.
//!
//! A document without mentions has one row with its id and nothing else, so that it is not missing. Offsets are in the unit
//! that the options say; `text` is the mention's own words. Quoted as RFC 4180 has it, lines end in `\r\n`.
//!
//! Write-only: **lost** are the texts, entities, other fields, scores beyond four decimals, and the difference between no
//! id and an empty one. Labels of any spelling are kept. Cells are written as they are: words that begin with `=`, `+`, `-`
//! or `@` are a formula to a spreadsheet that opens the file without asking what its columns are.

use std::io;

use dateline_text::OffsetUnit;
use dateline_text::record;

use crate::{Annotated, FormatError, Options};

/// The format's name.
pub const NAME: &str = "csv";

/// Writes a table of mentions.
pub struct Writer<W: io::Write> {
    sink: W,
    offsets: OffsetUnit,
    begun: bool,
}

impl<W: io::Write> Writer<W> {
    /// A table onto `sink`; `options` say in which unit offsets are.
    #[must_use]
    pub const fn new(sink: W, options: &Options) -> Self {
        Self { sink, offsets: options.offsets, begun: false }
    }

    /// Writes `rows`, with the header before the first ones.
    fn rows(&mut self, rows: &[[String; 6]]) -> Result<(), FormatError> {
        let mut table = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        if !self.begun {
            table.write_record(["id", "start", "end", "label", "text", "score"]).map_err(io::Error::from)?;
        }
        for row in rows {
            table.write_record(row).map_err(io::Error::from)?;
        }
        self.sink.write_all(&table.into_inner().expect("memory takes what is written to it"))?;
        self.begun = true;
        Ok(())
    }
}

impl<W: io::Write> crate::Write for Writer<W> {
    fn document(&mut self, annotated: &Annotated) -> Result<(), FormatError> {
        let id = annotated.document.id.clone().unwrap_or_default();
        let mut rows: Vec<[String; 6]> = record::mentions(&annotated.document.text, &annotated.mentions, self.offsets)
            .into_iter()
            .map(|mention| {
                let [start, end] = [mention.start, mention.end].map(|offset| offset.to_string());
                [id.clone(), start, end, mention.label.to_string(), mention.text, mention.score.to_string()]
            })
            .collect();
        if rows.is_empty() {
            rows.push([id, String::new(), String::new(), String::new(), String::new(), String::new()]);
        }
        self.rows(&rows)
    }

    fn finish(mut self: Box<Self>) -> Result<(), FormatError> {
        if !self.begun {
            self.rows(&[])?;
        }
        Ok(self.sink.flush()?)
    }
}

#[cfg(test)]
mod tests {
    use dateline_text::{Document, Label, Mention, Span};

    use super::*;
    use crate::Write as _;

    #[test]
    fn quotes_and_newlines_stay_in_their_cells() {
        let text = "🚀 \"Azov\",\nKyiv";
        let mention = Mention::new(Span::new(5, text.len()), Label::new("a \"b\""), 0.25);
        let document = Document { id: Some("x,1".into()), text: text.into() };
        let mut sink = Vec::new();
        let mut writer = Writer::new(&mut sink, &Options { offsets: OffsetUnit::Utf16, ..Options::default() });
        writer.document(&Annotated::new(document.clone(), vec![mention])).unwrap();
        writer.document(&Annotated::new(document, Vec::new())).unwrap();
        Box::new(writer).finish().unwrap();
        let expected = "id,start,end,label,text,score\r\n\
                        \"x,1\",3,15,\"a \"\"b\"\"\",\"\"\"Azov\"\",\nKyiv\",0.25\r\n\"x,1\",,,,,\r\n";
        assert_eq!(String::from_utf8(sink).unwrap(), expected);
    }

    #[test]
    fn a_table_of_nothing_has_its_header() {
        let mut sink = Vec::new();
        Box::new(Writer::new(&mut sink, &Options::default())).finish().unwrap();
        assert_eq!(sink, b"id,start,end,label,text,score\r\n");
    }
}
