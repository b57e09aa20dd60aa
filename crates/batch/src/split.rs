//! Cuts a file into parts of about the same size, each of which can be read by itself.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::read::bridge::{self, Bridge};
use crate::read::csv::Header;
use crate::read::lines::Lines;
use crate::read::parquet::Opened;
use crate::read::records::Records;
use crate::read::source::Source;
use crate::read::{ReadError, Selection, jsonl};
use crate::{Compression, Format, Kind, Object, Part, Piece, ReadOptions};

/// Cuts a file into pieces of about `target_bytes` of text, in the order of the file. Columns that are asked for and not
/// there are found here. A file without rows has no pieces. `fetched` counts the bytes that are read on the way.
///
/// Parquet costs its footer, plain JSONL its first lines. CSV and compressed files are decoded once from beginning to end:
/// nothing else says where a record begins.
///
/// # Errors
/// [`ReadError`] if the file cannot be read or lacks a column.
pub async fn split(
    object: &Object,
    kind: Kind,
    options: &ReadOptions,
    target_bytes: u64,
    fetched: &Arc<AtomicU64>,
) -> Result<Vec<Piece>, ReadError> {
    let name = object.name.clone();
    let (object, options, target) = (object.clone(), options.clone(), target_bytes.max(1));
    let work = move |bridge: &Bridge| match kind.format {
        Format::Parquet => row_groups(&Opened::new(bridge, &object, kind)?, &object, &options, target),
        Format::Jsonl => {
            jsonl::check_names(bridge, &object, kind, &options)?;
            match kind.compression {
                Compression::None => Ok(even(object.size, target)),
                _ => lines(Lines::all(bridge, &object, kind, 0)?, target),
            }
        }
        Format::Csv | Format::Tsv => {
            let mut records = Records::new(Source::open(bridge, &object, kind)?, kind.format);
            Header::read(&mut records, &object, &options)?;
            records.keep(0);
            Cut::all(target, || match records.next(u64::MAX)? {
                Some(record) => Ok(Next::Row(record.position)),
                None => Ok(Next::End(records.offset())),
            })
        }
        Format::Text => Ok(vec![Piece { part: Part::Files, rows: Some(1), bytes: object.size }]),
    };
    bridge::run_counted(name, Arc::clone(fetched), work).await
}

/// A row group of so many times the text that is asked for is cut by rows: what a reader of one of its parts skips costs
/// little beside annotating.
const LARGE: u64 = 2;

/// Neighbouring row groups until they have enough text; of a large one its rows in even parts.
fn row_groups(opened: &Opened, object: &Object, options: &ReadOptions, target: u64) -> Result<Vec<Piece>, ReadError> {
    let selection = Selection::new(&opened.names(), object, options)?;
    opened.check_text(selection.text)?;
    let mut pieces: Vec<Piece> = Vec::new();
    let mut open = false;
    for (row_group, range) in opened.row_groups().enumerate() {
        let rows = range.end - range.start;
        let bytes = opened.bytes(row_group, &[selection.text]);
        if bytes >= LARGE * target && rows > 1 {
            pieces.extend(rows_of(row_group, rows, bytes, target));
            open = false;
            continue;
        }
        if !open {
            let part = Part::RowGroups { first: row_group, count: 0 };
            pieces.push(Piece { part, rows: Some(0), bytes: 0 });
        }
        let piece = pieces.last_mut().expect("one was pushed if none was open");
        if let (Part::RowGroups { count, .. }, Some(all)) = (&mut piece.part, &mut piece.rows) {
            *count += 1;
            *all += rows;
        }
        piece.bytes += bytes;
        open = piece.bytes < target;
    }
    pieces.retain(|piece| piece.rows != Some(0));
    Ok(pieces)
}

/// Even parts of a row group.
fn rows_of(row_group: usize, rows: u64, bytes: u64, target: u64) -> impl Iterator<Item = Piece> {
    let count = (bytes / target).clamp(1, rows);
    let at = move |index: u64| rows * index / count;
    (0..count).map(move |index| {
        let (start, end) = (at(index), at(index + 1));
        let row = |row| usize::try_from(row).unwrap_or(usize::MAX);
        let part = Part::Rows { row_group, start: row(start), end: row(end) };
        Piece { part, rows: Some(end - start), bytes: bytes * (end - start) / rows }
    })
}

/// Ranges of the same size, without a look at the lines: a line belongs to the range in which it begins.
fn even(size: u64, target: u64) -> Vec<Piece> {
    let count = size.div_ceil(target);
    let at = |index: u64| {
        let offset = u128::from(size) * u128::from(index) / u128::from(count.max(1));
        u64::try_from(offset).expect("no more than the size")
    };
    (0..count)
        .map(|index| {
            let (start, end) = (at(index), at(index + 1));
            Piece { part: Part::Bytes { start, end }, rows: None, bytes: end - start }
        })
        .collect()
}

/// Ranges that begin where lines do.
fn lines(mut lines: Lines, target: u64) -> Result<Vec<Piece>, ReadError> {
    Cut::all(target, || match lines.next()? {
        Some(line) => Ok(Next::Row(line.position)),
        None => Ok(Next::End(lines.begin())),
    })
}

/// What a counting pass met.
enum Next {
    /// A row that begins there.
    Row(u64),
    /// The end of the file.
    End(u64),
}

/// A piece that grows row by row.
struct Cut {
    start: u64,
    rows: u64,
}

impl Cut {
    fn all(target: u64, mut next: impl FnMut() -> Result<Next, ReadError>) -> Result<Vec<Piece>, ReadError> {
        let mut pieces = Vec::new();
        let mut open: Option<Self> = None;
        loop {
            let (at, row) = match next()? {
                Next::Row(at) => (at, true),
                Next::End(at) => (at, false),
            };
            if let Some(cut) = open.take_if(|cut| !row || at - cut.start >= target) {
                let part = Part::Bytes { start: cut.start, end: at };
                pieces.push(Piece { part, rows: Some(cut.rows), bytes: at - cut.start });
            }
            if !row {
                return Ok(pieces);
            }
            open.get_or_insert(Self { start: at, rows: 0 }).rows += 1;
        }
    }
}
