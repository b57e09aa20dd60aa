//! Reads outputs again: which rows are in them and what was counted, for verification.

use std::borrow::Cow;
use std::collections::BTreeMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{UInt32Type, UInt64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use futures::stream::BoxStream;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::read::bridge::{self, Bridge};
use crate::read::lines::Lines;
use crate::read::parquet::{Opened, to_parquet};
use crate::read::{ReadError, send_positions, utf8};
use crate::write::columns;
use crate::{Format, Kind, Object, Tally};

/// The positions of the input's rows that an output file holds, in its order. Rows of an exploded output that are
/// mentions of one document count once. The format is told by the file's name.
#[must_use]
pub fn output_positions(object: Object) -> BoxStream<'static, Result<Vec<u64>, ReadError>> {
    bridge::stream(object.name.clone(), move |bridge, outlet| match kind_of(&object)? {
        kind if kind.format == Format::Parquet => {
            let mut last = None;
            parquet_rows(bridge, &object, kind, |batch| {
                let positions =
                    positions(batch, &mut last).ok_or_else(|| no_output(&object, "its columns", "no row numbers"))?;
                outlet.send(positions)
            })
        }
        kind => {
            let mut lines = OutputLines::open(bridge, &object, kind)?;
            let next = || loop {
                match lines.next() {
                    Ok(Some(line)) if line.repeated => {}
                    Ok(Some(line)) => break Some(Ok(line.row)),
                    Ok(None) => break None,
                    Err(error) => break Some(Err(error)),
                }
            };
            send_positions(outlet, std::iter::from_fn(next))
        }
    })
}

/// What was counted when an output was written: from a Parquet file's footer; JSONL is counted again.
///
/// # Errors
/// [`ReadError`] if the file cannot be read or is no output.
pub async fn output_tally(object: &Object) -> Result<Tally, ReadError> {
    let object = object.clone();
    bridge::run(object.name.clone(), move |bridge| match kind_of(&object)? {
        kind if kind.format == Format::Parquet => {
            let said = footer(&Opened::new(bridge, &object, kind)?).remove(Tally::KEY);
            let said = said.ok_or_else(|| no_output(&object, "its footer", "no counts"))?;
            serde_json::from_str(&said).map_err(|error| no_output(&object, "its footer", &error.to_string()))
        }
        kind => {
            let mut tally = Tally::default();
            let mut lines = OutputLines::open(bridge, &object, kind)?;
            while let Some(line) = lines.next()? {
                tally.rows += u64::from(!line.repeated);
                tally.failed += u64::from(line.failed);
                line.labels.iter().for_each(|label| tally.count_mention(label));
            }
            Ok(tally)
        }
    })
    .await
}

/// What a Parquet output says about itself in its footer; nothing for JSONL.
///
/// # Errors
/// [`ReadError`] if the file cannot be read.
pub async fn output_metadata(object: &Object) -> Result<BTreeMap<String, String>, ReadError> {
    let object = object.clone();
    bridge::run(object.name.clone(), move |bridge| match kind_of(&object)? {
        kind if kind.format == Format::Parquet => Ok(footer(&Opened::new(bridge, &object, kind)?)),
        _ => Ok(BTreeMap::new()),
    })
    .await
}

fn kind_of(object: &Object) -> Result<Kind, ReadError> {
    Kind::of(&object.name)
        .filter(|kind| matches!(kind.format, Format::Parquet | Format::Jsonl))
        .ok_or_else(|| no_output(object, "its name", "neither Parquet nor JSONL"))
}

fn no_output(object: &Object, place: &str, reason: &str) -> ReadError {
    ReadError::NotAnOutput { name: object.name.clone(), place: place.to_owned(), reason: reason.to_owned() }
}

fn footer(opened: &Opened) -> BTreeMap<String, String> {
    let pairs = opened.footer().file_metadata().key_value_metadata().into_iter().flatten();
    pairs.filter_map(|pair| Some((pair.key.clone(), pair.value.clone()?))).collect()
}

/// Reads the columns that tell which rows there are.
fn parquet_rows(
    bridge: &Bridge,
    object: &Object,
    kind: Kind,
    mut sink: impl FnMut(&RecordBatch) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    const ROWS: usize = 1 << 16;
    let opened = Opened::new(bridge, object, kind)?;
    let schema = opened.metadata.schema();
    let at = |name: &str, data_type: &DataType| {
        schema.fields().iter().position(|field| field.name() == name && field.data_type() == data_type)
    };
    let mut roots: Vec<_> = at(columns::ROW, &DataType::UInt64).into_iter().collect();
    // Only in an exploded output are these a mention's; elsewhere they may be the input's own.
    if schema.column_with_name(columns::MENTIONS).is_none() {
        roots.extend(at("start", &DataType::UInt32));
    }
    for (row_group, rows) in opened.row_groups().enumerate() {
        let count = usize::try_from(rows.end - rows.start).unwrap_or(usize::MAX);
        let failed = |error| opened.row_group_error(row_group, error);
        for batch in opened.batches(row_group, 0..count, &roots, ROWS).map_err(failed)? {
            sink(&batch.map_err(|error| failed(to_parquet(error)))?)?;
        }
    }
    Ok(())
}

/// The positions in a batch without repeats; `last` is the last row that was a mention.
fn positions(batch: &RecordBatch, last: &mut Option<u64>) -> Option<Vec<u64>> {
    let rows = batch.column_by_name(columns::ROW)?.as_primitive_opt::<UInt64Type>()?;
    let starts = batch.column_by_name("start").and_then(|column| column.as_primitive_opt::<UInt32Type>());
    let mut positions = Vec::with_capacity(rows.len());
    for (index, &row) in rows.values().iter().enumerate() {
        let mention = starts.is_some_and(|starts| starts.is_valid(index)).then_some(row);
        if mention.is_none() || *last != mention {
            positions.push(row);
        }
        *last = mention;
    }
    Some(positions)
}

/// The lines of a JSONL output.
struct OutputLines<'o> {
    object: &'o Object,
    lines: Lines,
    /// The last row that was a mention.
    last: Option<u64>,
}

struct OutputLine {
    row: u64,
    /// Another mention of the document of the line before.
    repeated: bool,
    failed: bool,
    labels: Vec<String>,
}

impl<'o> OutputLines<'o> {
    fn open(bridge: &Bridge, object: &'o Object, kind: Kind) -> Result<Self, ReadError> {
        let lines = Lines::all(bridge, object, kind, usize::MAX)?;
        Ok(Self { object, lines, last: None })
    }

    fn next(&mut self) -> Result<Option<OutputLine>, ReadError> {
        let Some(line) = self.lines.next()? else { return Ok(None) };
        let place = format!("the line at byte {}", line.position);
        let failed = |reason: &str| no_output(self.object, &place, reason);
        let text = utf8(line.bytes).map_err(|error| failed(&error))?;
        let record: Record<'_> = serde_json::from_str(text).map_err(|error| failed(&crate::json::in_line(&error)))?;
        let (labels, mention) = record.labels().map_err(|error| failed(&error.to_string()))?;
        let mention = mention.then_some(record.row);
        let repeated = mention.is_some() && self.last == mention;
        self.last = mention;
        Ok(Some(OutputLine { row: record.row, repeated, failed: record.error.is_some(), labels }))
    }
}

/// A line as far as it is looked at. Fields of these names may be the input's own where they are not ours.
#[derive(Deserialize)]
struct Record<'l> {
    row: u64,
    #[serde(borrow)]
    error: Option<&'l RawValue>,
    #[serde(borrow)]
    mentions: Option<Vec<Labelled<'l>>>,
    #[serde(borrow)]
    label: Option<&'l RawValue>,
}

#[derive(Deserialize)]
struct Labelled<'l> {
    #[serde(borrow)]
    label: Cow<'l, str>,
}

impl Record<'_> {
    /// The labels of the line's mentions, and whether it is one mention of an exploded output.
    fn labels(&self) -> serde_json::Result<(Vec<String>, bool)> {
        match (&self.error, &self.mentions, self.label) {
            (Some(_), ..) => Ok((Vec::new(), false)),
            (None, Some(mentions), _) => {
                Ok((mentions.iter().map(|mention| mention.label.clone().into_owned()).collect(), false))
            }
            (None, None, None) => Ok((Vec::new(), false)),
            (None, None, Some(label)) => Ok((vec![serde_json::from_str(label.get())?], true)),
        }
    }
}
