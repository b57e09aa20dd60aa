//! Reads one part of an input as chunks of documents. What is wrong with a row is in its place in the chunk; what is
//! wrong with the file ends the reading.

pub(crate) mod bridge;
pub(crate) mod csv;
mod error;
mod file;
pub(crate) mod jsonl;
pub(crate) mod lines;
pub(crate) mod parquet;
pub(crate) mod records;
mod rows;
mod selection;
pub(crate) mod source;
mod text;

use futures::StreamExt;
use futures::stream::{self, BoxStream};

use self::bridge::Outlet;
use self::lines::Lines;
use self::parquet::{Opened, Place};
use self::records::Records;
use self::source::Source;
pub use error::ReadError;
pub(crate) use selection::Selection;

use crate::{Chunk, Format, Kind, Object, Part, ReadOptions};

/// Reads a part: of one file, or, for [`Part::Files`], of each file one document. Within a runtime of tokio. Reads ahead
/// of its caller by one chunk.
#[must_use]
pub fn read(
    objects: Vec<Object>,
    kind: Kind,
    part: Part,
    options: ReadOptions,
) -> BoxStream<'static, Result<Chunk, ReadError>> {
    let Some(first) = objects.first().cloned() else { return stream::empty().boxed() };
    bridge::stream(first.name.clone(), move |bridge, outlet| match (kind.format, part) {
        (Format::Parquet, Part::RowGroups { .. } | Part::Rows { .. }) => {
            parquet::read(&Opened::new(bridge, &first, kind)?, outlet, part, &options)
        }
        (Format::Jsonl, Part::Bytes { start, end }) => jsonl::read(bridge, outlet, &first, kind, start..end, &options),
        (Format::Csv | Format::Tsv, Part::Bytes { start, end }) => {
            csv::read(bridge, outlet, &first, kind, start..end, &options)
        }
        (Format::Text, Part::Files) => text::read(bridge, outlet, &objects, kind, &options),
        _ => Err(ReadError::NoSuchPart { name: first.name, part }),
    })
}

/// So many positions are handed on at once.
const POSITIONS: usize = 1 << 16;

/// The positions of a part's rows, in order, without their texts: what an output's are compared with. Of Parquet only
/// the footer is read, of files of text nothing.
#[must_use]
pub fn positions(objects: Vec<Object>, kind: Kind, part: Part) -> BoxStream<'static, Result<Vec<u64>, ReadError>> {
    let Some(first) = objects.first().cloned() else { return stream::empty().boxed() };
    bridge::stream(first.name.clone(), move |bridge, outlet| match (kind.format, part) {
        (Format::Parquet, Part::RowGroups { .. } | Part::Rows { .. }) => {
            let opened = Opened::new(bridge, &first, kind)?;
            send_positions(outlet, opened.places(part)?.iter().flat_map(Place::positions).map(Ok))
        }
        (Format::Jsonl, Part::Bytes { start, end }) => {
            let mut lines = Lines::open(bridge, &first, kind, start..end, 0)?;
            send_positions(outlet, std::iter::from_fn(|| lines.next().map(|line| Some(line?.position)).transpose()))
        }
        (Format::Csv | Format::Tsv, Part::Bytes { start, end }) => {
            let mut records = Records::new(Source::open(bridge, &first, kind)?, kind.format);
            // The header, which is no row.
            records.next(u64::MAX)?;
            records.keep(0);
            records.skip_to(start)?;
            let next = || records.next(end).map(|record| Some(record?.position)).transpose();
            send_positions(outlet, std::iter::from_fn(next))
        }
        (Format::Text, Part::Files) => send_positions(outlet, (0..objects.len() as u64).map(Ok)),
        _ => Err(ReadError::NoSuchPart { name: first.name, part }),
    })
}

/// Sends positions in lists of many.
pub(crate) fn send_positions(
    outlet: &Outlet<Vec<u64>>,
    positions: impl Iterator<Item = Result<u64, ReadError>>,
) -> Result<(), ReadError> {
    let mut list = Vec::new();
    for position in positions {
        list.push(position?);
        if list.len() >= POSITIONS {
            outlet.send(std::mem::take(&mut list))?;
        }
    }
    if list.is_empty() { Ok(()) } else { outlet.send(list) }
}

/// The text of some bytes, or where they are none.
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|error| format!("is not UTF-8 at its byte {}", error.valid_up_to()))
}
