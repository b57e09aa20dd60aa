//! Files of text: a document a file, whose id is the file's name.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};

use super::bridge::{Bridge, Outlet};
use super::rows::{Rows, longest, too_long};
use super::source::Source;
use super::{ReadError, utf8};
use crate::{Chunk, Compression, Kind, Object, ReadOptions};

/// Reads one text after the other.
pub(super) fn read(
    bridge: &Bridge,
    outlet: &Outlet<Chunk>,
    objects: &[Object],
    kind: Kind,
    options: &ReadOptions,
) -> Result<(), ReadError> {
    let schema = Schema::new(vec![Field::new("id", DataType::Utf8, true)]);
    let mut rows = Rows::new(Arc::new(schema), options);
    for (position, object) in (0..).zip(objects) {
        let text = read_text(bridge, object, kind, longest(options))?;
        if let Some(chunk) = rows.push(position, text, [Some(object.name.as_str())]) {
            outlet.send(chunk)?;
        }
    }
    rows.take().map_or(Ok(()), |chunk| outlet.send(chunk))
}

fn read_text(
    bridge: &Bridge,
    object: &Object,
    kind: Kind,
    limit: usize,
) -> Result<Result<Arc<str>, String>, ReadError> {
    if kind.compression == Compression::None && object.size > limit as u64 {
        return Ok(Err(too_long("a text", Some(object.size), limit)));
    }
    let mut source = Source::open(bridge, object, kind)?;
    let mut bytes = Vec::new();
    loop {
        let available = source.fill()?;
        if available.is_empty() {
            break;
        }
        if bytes.len() + available.len() > limit {
            return Ok(Err(too_long("a text", None, limit)));
        }
        bytes.extend_from_slice(available);
        let count = available.len();
        source.consume(count);
    }
    Ok(utf8(&bytes).map(Arc::from).map_err(|error| format!("the text {error}")))
}
