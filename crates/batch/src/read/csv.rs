//! CSV and TSV with a header: a document a record, columns of strings.

use std::ops::Range;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};

use super::bridge::{Bridge, Outlet};
use super::records::{Record, Records};
use super::rows::{Rows, longest, too_long};
use super::source::Source;
use super::{ReadError, Selection, utf8};
use crate::{Chunk, Kind, Object, ReadOptions};

/// The columns of a file as its header names them.
pub(crate) struct Header {
    names: Vec<String>,
    selection: Selection,
}

impl Header {
    /// Reads the header, which leaves `records` behind it. An empty file has no columns.
    pub(crate) fn read(records: &mut Records, object: &Object, options: &ReadOptions) -> Result<Self, ReadError> {
        let names = match records.next(u64::MAX)? {
            Some(record) => record.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect(),
            None => Vec::new(),
        };
        let selection = Selection::new(&names, object, options)?;
        Ok(Self { names, selection })
    }

    fn schema(&self) -> SchemaRef {
        let field = |&index: &usize| Field::new(&self.names[index], DataType::Utf8, true);
        Arc::new(Schema::new(self.selection.carried.iter().map(field).collect::<Vec<_>>()))
    }
}

/// Reads the records of one part.
pub(super) fn read(
    bridge: &Bridge,
    outlet: &Outlet<Chunk>,
    object: &Object,
    kind: Kind,
    range: Range<u64>,
    options: &ReadOptions,
) -> Result<(), ReadError> {
    let limit = longest(options);
    let mut records = Records::new(Source::open(bridge, object, kind)?, kind.format);
    let header = Header::read(&mut records, object, options)?;
    records.keep(limit);
    records.skip_to(range.start)?;
    let mut rows = Rows::new(header.schema(), options);
    while let Some(record) = records.next(range.end)? {
        if let Some(chunk) = push(&mut rows, &record, &header, limit) {
            outlet.send(chunk)?;
        }
    }
    rows.take().map_or(Ok(()), |chunk| outlet.send(chunk))
}

fn push(rows: &mut Rows, record: &Record<'_>, header: &Header, limit: usize) -> Option<Chunk> {
    let mut broken = None;
    let cells: Vec<_> = header
        .selection
        .carried
        .iter()
        .map(|&index| match utf8(record.field(index)?) {
            Ok(cell) => Some(cell),
            Err(error) => {
                broken = Some(format!("the column {:?} {error}", header.names[index]));
                None
            }
        })
        .collect();
    let text = if record.too_long {
        Err(too_long("a record", None, limit))
    } else if record.len() != header.names.len() {
        Err(format!("the record has {} fields, the header {}", record.len(), header.names.len()))
    } else if let Some(broken) = broken {
        Err(broken)
    } else {
        let text = utf8(record.field(header.selection.text).unwrap_or_default());
        text.map(Arc::from).map_err(|error| format!("the text {error}"))
    };
    rows.push(record.position, text, cells)
}
