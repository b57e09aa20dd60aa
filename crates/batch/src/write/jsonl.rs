//! JSONL: an object a document, or one a mention. What was carried comes first, as it came.

use std::fmt;
use std::io::{self, Write};

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch, StringArray};
use arrow_json::writer::{EncoderOptions, NullableEncoder, make_encoder};
use dateline_text::record::MentionRecord;
use flate2::write::GzEncoder;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use super::outcome::Outcome;
use super::{WriteError, WriteOptions, columns};
use crate::json::{self, JsonColumn, Name};
use crate::{Chunk, Compression};

/// Lines are handed to the sink by so many bytes.
const BUFFER: usize = 256 << 10;

/// Writes JSONL onto a sink.
pub(super) struct JsonLines<W: Write> {
    sink: Sink<W>,
    buffer: Vec<u8>,
    explode: bool,
    text: Option<String>,
}

enum Sink<W: Write> {
    Plain(W),
    Gzip(GzEncoder<W>),
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> Sink<W> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(sink) => sink.write_all(bytes),
            Self::Gzip(sink) => sink.write_all(bytes),
            Self::Zstd(sink) => sink.write_all(bytes),
        }
    }
}

impl<W: Write> JsonLines<W> {
    pub(super) fn new(sink: W, options: &WriteOptions) -> Result<Self, WriteError> {
        let sink = match options.compression {
            Compression::None => Sink::Plain(sink),
            Compression::Gzip => Sink::Gzip(GzEncoder::new(sink, flate2::Compression::default())),
            Compression::Zstd => Sink::Zstd(zstd::Encoder::new(sink, zstd::DEFAULT_COMPRESSION_LEVEL)?),
        };
        let text = columns::text(options).map(str::to_owned);
        Ok(Self { sink, buffer: Vec::with_capacity(BUFFER), explode: options.explode, text })
    }

    /// Writes the rows of a chunk. A row whose own fields have names of ours becomes its own error.
    pub(super) fn write(&mut self, chunk: &Chunk, outcomes: &mut [Outcome]) -> Result<(), WriteError> {
        let mut carried = Carried::new(&chunk.carried)?;
        for (row, outcome) in outcomes.iter_mut().enumerate() {
            let clash = carried.clash(row, self.explode, self.text.as_deref());
            if let Some(name) = &clash {
                *outcome = Err(format!(
                    "the line has a field {name:?} of its own, which the output has too: name the fields to keep with --carry"
                ));
            }
            match outcome {
                Ok(mentions) if self.explode && !mentions.is_empty() => {
                    for mention in mentions.iter() {
                        self.head(chunk, &mut carried, row, clash.is_none())?;
                        flat(&mut self.buffer, mention)?;
                        self.end()?;
                    }
                }
                Ok(_) if self.explode => {
                    self.head(chunk, &mut carried, row, clash.is_none())?;
                    let nothing = br#","start":null,"end":null,"label":null,"text":null,"score":null"#;
                    self.buffer.extend_from_slice(nothing);
                    self.end()?;
                }
                Ok(mentions) => {
                    self.head(chunk, &mut carried, row, clash.is_none())?;
                    self.buffer.extend_from_slice(br#","mentions":"#);
                    serde_json::to_writer(&mut self.buffer, mentions).map_err(io::Error::from)?;
                    self.end()?;
                }
                Err(error) => {
                    self.head(chunk, &mut carried, row, clash.is_none())?;
                    self.buffer.extend_from_slice(br#","error":"#);
                    self.buffer.extend_from_slice(json::string(error).as_bytes());
                    self.end()?;
                }
            }
        }
        Ok(())
    }

    /// What a line begins with: what was carried, the text if it is wanted, and the row.
    fn head(
        &mut self,
        chunk: &Chunk,
        carried: &mut Carried<'_>,
        row: usize,
        with_objects: bool,
    ) -> Result<(), WriteError> {
        self.buffer.push(b'{');
        carried.write(row, with_objects, &mut self.buffer);
        if let (Some(name), Ok(text)) = (&self.text, &chunk.texts[row]) {
            self.buffer.extend_from_slice(json::string(name).as_bytes());
            self.buffer.push(b':');
            serde_json::to_writer(&mut self.buffer, &**text).map_err(io::Error::from)?;
            self.buffer.push(b',');
        }
        write!(self.buffer, r#""row":{}"#, chunk.positions[row])?;
        Ok(())
    }

    fn end(&mut self) -> Result<(), WriteError> {
        self.buffer.extend_from_slice(b"}\n");
        if self.buffer.len() >= BUFFER {
            self.sink.write_all(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Writes what is left and gives the sink back.
    pub(super) fn finish(mut self) -> Result<W, WriteError> {
        self.sink.write_all(&self.buffer)?;
        let mut sink = match self.sink {
            Sink::Plain(sink) => sink,
            Sink::Gzip(sink) => sink.finish()?,
            Sink::Zstd(sink) => sink.finish()?,
        };
        sink.flush()?;
        Ok(sink)
    }
}

/// A mention's columns in a line of its own.
fn flat(buffer: &mut Vec<u8>, mention: &MentionRecord) -> Result<(), WriteError> {
    let object = serde_json::to_vec(mention).map_err(io::Error::from)?;
    buffer.push(b',');
    buffer.extend_from_slice(&object[1..object.len() - 1]);
    Ok(())
}

/// The carried columns of a chunk on their way into lines.
struct Carried<'c>(Vec<(String, Column<'c>)>);

enum Column<'c> {
    Value(&'c StringArray),
    Object(&'c StringArray),
    Typed(NullableEncoder<'c>),
}

impl<'c> Carried<'c> {
    fn new(batch: &'c RecordBatch) -> Result<Self, WriteError> {
        // Static, because encoders borrow it for as long as the columns.
        static OPTIONS: std::sync::LazyLock<EncoderOptions> = std::sync::LazyLock::new(EncoderOptions::default);
        let columns = batch.schema_ref().fields().iter().zip(batch.columns()).map(|(field, column)| {
            let kind = match json::marked(field) {
                Some(JsonColumn::Value) => Column::Value(column.as_string()),
                Some(JsonColumn::Object) => Column::Object(column.as_string()),
                None => Column::Typed(make_encoder(field, column.as_ref(), &OPTIONS)?),
            };
            Ok((format!("{}:", json::string(field.name())), kind))
        });
        columns.collect::<Result<_, WriteError>>().map(Self)
    }

    /// A field of the row that has the name of a column of ours.
    fn clash(&self, row: usize, explode: bool, text: Option<&str>) -> Option<String> {
        self.0.iter().find_map(|(_, column)| match column {
            Column::Object(objects) if objects.is_valid(row) => {
                let names = names(objects.value(row));
                let taken =
                    |name: &String| columns::reserved(explode).contains(&name.as_str()) || text == Some(name.as_str());
                names.into_iter().find(taken)
            }
            _ => None,
        })
    }

    /// Writes a row's fields, each with a comma behind it.
    fn write(&mut self, row: usize, with_objects: bool, buffer: &mut Vec<u8>) {
        for (name, column) in &mut self.0 {
            match column {
                Column::Value(values) if values.is_valid(row) => {
                    buffer.extend_from_slice(name.as_bytes());
                    buffer.extend_from_slice(values.value(row).as_bytes());
                }
                Column::Object(objects) if with_objects && objects.is_valid(row) => {
                    let object = objects.value(row);
                    buffer.extend_from_slice(&object.as_bytes()[1..object.len() - 1]);
                }
                Column::Value(_) | Column::Object(_) => continue,
                Column::Typed(encoder) => {
                    buffer.extend_from_slice(name.as_bytes());
                    if encoder.is_null(row) {
                        buffer.extend_from_slice(b"null");
                    } else {
                        encoder.encode(row, buffer);
                    }
                }
            }
            buffer.push(b',');
        }
    }
}

/// The names of an object's members; none if it is no object, which the reader never hands on.
fn names(object: &str) -> Vec<String> {
    struct Names;

    impl<'de> Visitor<'de> for Names {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
            let mut names = Vec::new();
            while let Some((name, IgnoredAny)) = map.next_entry::<Name<'de>, IgnoredAny>()? {
                names.push(name.0.into_owned());
            }
            Ok(names)
        }
    }

    serde_json::Deserializer::from_str(object).deserialize_map(Names).unwrap_or_default()
}
