//! Parquet: a row a document with a list of mentions, or a row a mention.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::builder::{StringBuilder, StringDictionaryBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Float32Array, ListArray, RecordBatch, StringArray, StructArray, UInt32Array, UInt64Array,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use arrow_select::take::take;
use dateline_text::Label;
use dateline_text::record::MentionRecord;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::outcome::Outcome;
use super::{Tally, WriteError, WriteOptions, columns};
use crate::{Chunk, json};

/// A row group is closed at so many rows or bytes: what is buffered stays small, and readers find parts to share out.
const ROW_GROUP_ROWS: usize = 128 << 10;
const ROW_GROUP_BYTES: usize = 64 << 20;

/// Rows of an exploded output are put together until they repeat so much text.
const EXPLODED_BYTES: usize = 16 << 20;
const EXPLODED_ROWS: usize = 8 << 10;

/// Writes Parquet onto a sink.
pub(super) struct ParquetRows<W: Write + Send> {
    writer: ArrowWriter<Watched<W>>,
    failure: Failure,
    schema: SchemaRef,
    labels: StringArray,
    explode: bool,
    include_text: bool,
}

impl<W: Write + Send> ParquetRows<W> {
    pub(super) fn new(
        sink: W,
        options: &WriteOptions,
        carried: &SchemaRef,
        labels: &[Label],
    ) -> Result<Self, WriteError> {
        let mut fields: Vec<Field> = carried.fields().iter().map(|field| json::unmark(field)).collect();
        fields.extend(columns::text(options).map(|name| Field::new(name, DataType::Utf8, true)));
        fields.push(Field::new(columns::ROW, DataType::UInt64, false));
        if options.explode {
            fields.extend(mention_fields().iter().map(|field| field.as_ref().clone().with_nullable(true)));
        } else {
            fields.push(Field::new(columns::MENTIONS, DataType::List(item_field()), true));
        }
        fields.push(Field::new(columns::ERROR, DataType::Utf8, true));
        let schema = Arc::new(Schema::new(fields));
        let metadata = options.metadata.iter().map(|(key, value)| KeyValue::new(key.clone(), value.clone()));
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
            .set_max_row_group_bytes(Some(ROW_GROUP_BYTES))
            .set_key_value_metadata(Some(metadata.collect()))
            .set_created_by(concat!("dateline ", env!("CARGO_PKG_VERSION")).to_owned())
            .build();
        let failure = Failure::default();
        let sink = Watched { sink, failure: failure.clone() };
        let mut names: Vec<_> = labels.iter().map(Label::as_str).collect();
        names.sort_unstable();
        names.dedup();
        Ok(Self {
            writer: ArrowWriter::try_new(sink, schema.clone(), Some(properties))
                .map_err(|error| told(&failure, error))?,
            failure,
            schema,
            labels: StringArray::from(names),
            explode: options.explode,
            include_text: options.include_text,
        })
    }

    /// Writes the rows of a chunk.
    pub(super) fn write(&mut self, chunk: &Chunk, outcomes: &[Outcome]) -> Result<(), WriteError> {
        let carried = plain_columns(&chunk.carried);
        if self.explode {
            self.write_exploded(chunk, &carried, outcomes)
        } else {
            self.write_lists(chunk, carried, outcomes)
        }
    }

    fn write_lists(
        &mut self,
        chunk: &Chunk,
        mut columns: Vec<ArrayRef>,
        outcomes: &[Outcome],
    ) -> Result<(), WriteError> {
        if self.include_text {
            columns.push(Arc::new(StringArray::from_iter(chunk.texts.iter().map(|text| text.as_deref().ok()))));
        }
        columns.push(Arc::new(UInt64Array::from(chunk.positions.clone())));
        let mentions: Vec<&MentionRecord> = outcomes.iter().flatten().flatten().collect();
        let lengths = outcomes.iter().map(|outcome| outcome.as_ref().map_or(0, Vec::len));
        let values =
            StructArray::try_new(mention_fields(), self.mention_columns(mentions.into_iter().map(Some))?, None)?;
        columns.push(Arc::new(ListArray::try_new(
            item_field(),
            OffsetBuffer::from_lengths(lengths),
            Arc::new(values),
            Some(NullBuffer::from_iter(outcomes.iter().map(Result::is_ok))),
        )?));
        columns.push(errors(outcomes.iter()));
        let batch = RecordBatch::try_new(self.schema.clone(), columns)?;
        self.writer.write(&batch).map_err(|error| told(&self.failure, error))
    }

    fn write_exploded(&mut self, chunk: &Chunk, carried: &[ArrayRef], outcomes: &[Outcome]) -> Result<(), WriteError> {
        let mut rows: Vec<(usize, Option<&MentionRecord>)> = Vec::new();
        let mut bytes = 0;
        for (row, outcome) in outcomes.iter().enumerate() {
            let mentions: &[MentionRecord] = outcome.as_deref().unwrap_or_default();
            let nothing = mentions.is_empty().then_some(None);
            for mention in mentions.iter().map(Some).chain(nothing) {
                rows.push((row, mention));
                if self.include_text {
                    bytes += chunk.texts[row].as_ref().map_or(0, |text| text.len());
                }
                if bytes >= EXPLODED_BYTES || rows.len() >= EXPLODED_ROWS {
                    self.write_flat(chunk, carried, outcomes, &rows)?;
                    rows.clear();
                    bytes = 0;
                }
            }
        }
        if rows.is_empty() { Ok(()) } else { self.write_flat(chunk, carried, outcomes, &rows) }
    }

    fn write_flat(
        &mut self,
        chunk: &Chunk,
        carried: &[ArrayRef],
        outcomes: &[Outcome],
        rows: &[(usize, Option<&MentionRecord>)],
    ) -> Result<(), WriteError> {
        let indices = UInt64Array::from_iter_values(rows.iter().map(|&(row, _)| row as u64));
        let mut columns = carried.iter().map(|column| take(column, &indices, None)).collect::<Result<Vec<_>, _>>()?;
        if self.include_text {
            let texts = rows.iter().map(|&(row, _)| chunk.texts[row].as_deref().ok());
            columns.push(Arc::new(StringArray::from_iter(texts)));
        }
        columns.push(Arc::new(UInt64Array::from_iter_values(rows.iter().map(|&(row, _)| chunk.positions[row]))));
        columns.extend(self.mention_columns(rows.iter().map(|&(_, mention)| mention))?);
        columns.push(errors(rows.iter().map(|&(row, _)| &outcomes[row])));
        let batch = RecordBatch::try_new(self.schema.clone(), columns)?;
        self.writer.write(&batch).map_err(|error| told(&self.failure, error))
    }

    /// The columns of mentions, null where there is none.
    fn mention_columns<'m>(
        &self,
        mentions: impl Iterator<Item = Option<&'m MentionRecord>> + Clone,
    ) -> Result<Vec<ArrayRef>, WriteError> {
        let number = |offset: usize| u32::try_from(offset).expect("checked when the outcome was made");
        let mut labels = StringDictionaryBuilder::<Int32Type>::new_with_dictionary(0, &self.labels)?;
        for mention in mentions.clone() {
            match mention {
                Some(mention) => _ = labels.append(mention.label.as_str())?,
                None => labels.append_null(),
            }
        }
        let labels: DictionaryArray<Int32Type> = labels.finish();
        let mut texts = StringBuilder::new();
        texts.extend(mentions.clone().map(|mention| mention.map(|mention| mention.text.as_str())));
        #[expect(clippy::cast_possible_truncation, reason = "a score was an f32 before it was rounded")]
        let score = |mention: &MentionRecord| mention.score as f32;
        Ok(vec![
            Arc::new(UInt32Array::from_iter(mentions.clone().map(|mention| mention.map(|it| number(it.start))))),
            Arc::new(UInt32Array::from_iter(mentions.clone().map(|mention| mention.map(|it| number(it.end))))),
            Arc::new(labels),
            Arc::new(texts.finish()),
            Arc::new(Float32Array::from_iter(mentions.map(|mention| mention.map(score)))),
        ])
    }

    /// Writes the footer with what was counted, and gives the sink back.
    pub(super) fn finish(mut self, tally: &Tally) -> Result<W, WriteError> {
        let tally = serde_json::to_string(tally).expect("counts have a JSON form");
        self.writer.append_key_value_metadata(KeyValue::new(Tally::KEY.to_owned(), tally));
        let mut sink = self.writer.into_inner().map_err(|error| told(&self.failure, error))?.sink;
        sink.flush()?;
        Ok(sink)
    }
}

/// Why the sink took no more. Parquet's writer makes a string of it, and a full disk shall be known by its kind.
type Failure = Arc<Mutex<Option<io::Error>>>;

/// The error of the sink, if there is one, or else Parquet's.
fn told(failure: &Failure, error: ParquetError) -> WriteError {
    let failure = failure.lock().unwrap_or_else(PoisonError::into_inner).take();
    failure.map_or(WriteError::Parquet(error), WriteError::Sink)
}

/// A sink whose failure is kept.
struct Watched<W> {
    sink: W,
    failure: Failure,
}

impl<W> Watched<W> {
    fn keep<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let said = io::Error::new(error.kind(), error.to_string());
            if error.kind() != io::ErrorKind::Interrupted {
                *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
            said
        })
    }
}

impl<W: Write> Write for Watched<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.sink.write(bytes);
        self.keep(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.sink.flush();
        self.keep(result)
    }
}

/// What a mention has, in the order of its JSON form.
fn mention_fields() -> Fields {
    let label = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    Fields::from(vec![
        Field::new("start", DataType::UInt32, false),
        Field::new("end", DataType::UInt32, false),
        Field::new("label", label, false),
        Field::new("text", DataType::Utf8, false),
        Field::new("score", DataType::Float32, false),
    ])
}

fn item_field() -> Arc<Field> {
    Arc::new(Field::new_list_field(DataType::Struct(mention_fields()), false))
}

fn errors<'o>(outcomes: impl Iterator<Item = &'o Outcome>) -> ArrayRef {
    Arc::new(StringArray::from_iter(outcomes.map(|outcome| outcome.as_ref().err())))
}

/// Carried columns as they are written: JSON that is a string becomes that string.
fn plain_columns(batch: &RecordBatch) -> Vec<ArrayRef> {
    let fields = batch.schema_ref().fields().iter();
    fields
        .zip(batch.columns())
        .map(|(field, column)| match json::marked(field) {
            Some(json::JsonColumn::Value) => {
                let values = column.as_string::<i32>().iter().map(|value| json::plain(value?));
                Arc::new(StringArray::from_iter(values)) as ArrayRef
            }
            _ => column.clone(),
        })
        .collect()
}
