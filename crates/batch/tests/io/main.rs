//! Reading and writing through the crate's own interface, on a store in memory.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic as tests do")]

mod csv;
mod jsonl;
mod outputs;
mod parquet;
mod text;

use std::io::Write as _;
use std::sync::Arc;

use dateline_batch::{Chunk, Kind, Object, Part, Piece, ReadError, ReadOptions, positions, read, split};
use futures::TryStreamExt;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

/// A file in a store of its own.
async fn object(name: &str, bytes: impl Into<Vec<u8>>) -> Object {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (path, bytes) = (Path::from(name), bytes.into());
    let size = bytes.len() as u64;
    let put = store.put(&path, bytes.into()).await.unwrap();
    Object { store, path, name: name.to_owned(), size, etag: put.e_tag }
}

fn kind(object: &Object) -> Kind {
    Kind::of(&object.name).unwrap()
}

async fn chunks(object: &Object, part: Part, options: &ReadOptions) -> Result<Vec<Chunk>, ReadError> {
    read(vec![object.clone()], kind(object), part, options.clone()).try_collect().await
}

/// A row as it was read: its position, its text or error, its carried columns as strings.
type Row = (u64, Result<String, String>, Vec<Option<String>>);

fn rows(chunks: &[Chunk]) -> Vec<Row> {
    chunks
        .iter()
        .flat_map(|chunk| {
            assert_eq!((chunk.len(), chunk.len()), (chunk.texts.len(), chunk.carried.num_rows()));
            (0..chunk.len()).map(|row| {
                let cells = chunk.carried.columns().iter();
                let cell = |column: &arrow_array::ArrayRef| {
                    use arrow_array::{Array, cast::AsArray};
                    let column = column.as_string_opt::<i32>()?;
                    column.is_valid(row).then(|| column.value(row).to_owned())
                };
                let text = chunk.texts[row].as_ref().map(ToString::to_string).map_err(Clone::clone);
                (chunk.positions[row], text, cells.map(cell).collect())
            })
        })
        .collect()
}

/// The rows of all parts, one part after the other.
async fn rows_of(object: &Object, pieces: &[Piece], options: &ReadOptions) -> Vec<Row> {
    let mut all = Vec::new();
    for piece in pieces {
        let found = rows(&chunks(object, piece.part, options).await.unwrap());
        assert!(piece.rows.is_none_or(|rows| rows == found.len() as u64), "{piece:?} has {} rows", found.len());
        let named: Vec<Vec<u64>> =
            positions(vec![object.clone()], kind(object), piece.part).try_collect().await.unwrap();
        assert_eq!(named.concat(), found.iter().map(|row| row.0).collect::<Vec<_>>(), "{piece:?}");
        all.extend(found);
    }
    all
}

async fn pieces(object: &Object, options: &ReadOptions, target: u64) -> Result<Vec<Piece>, ReadError> {
    split(object, kind(object), options, target, &Arc::default()).await
}

fn part(start: u64, end: u64) -> Piece {
    Piece { part: Part::Bytes { start, end }, rows: None, bytes: end - start }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// gzip with a member for each part of the input.
fn gzip(bytes: &[u8], member: usize) -> Vec<u8> {
    let mut all = Vec::new();
    for part in bytes.chunks(member) {
        let mut encoder = flate2::write::GzEncoder::new(&mut all, flate2::Compression::fast());
        encoder.write_all(part).unwrap();
        encoder.finish().unwrap();
    }
    all
}

/// Zstandard with a frame for each part of the input.
fn zstd(bytes: &[u8], frame: usize) -> Vec<u8> {
    bytes.chunks(frame).flat_map(|part| ::zstd::encode_all(part, 1).unwrap()).collect()
}
