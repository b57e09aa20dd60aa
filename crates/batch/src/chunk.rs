//! What reading and writing hand to each other: where a file is, which part of it a shard takes, and a chunk of its rows.

use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use object_store::ObjectStore;
use object_store::path::Path;
use serde::{Deserialize, Serialize};

/// Where the bytes of one file are.
#[derive(Clone)]
pub struct Object {
    /// The store that has it.
    pub store: Arc<dyn ObjectStore>,
    /// Its path in that store.
    pub path: Path,
    /// The file as a person writes it, for messages.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// The store's mark of this version of the file. If there is one, every read asks for exactly this version, so
    /// that a file that was replaced since it was planned is an error and not a mixture of two.
    pub etag: Option<String>,
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.name, self.size)
    }
}

/// What of a file is one shard's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Row groups of a Parquet file.
    RowGroups {
        /// The first one, counted from 0.
        first: usize,
        /// How many.
        count: usize,
    },
    /// Rows of a row group that would be too much for one shard.
    Rows {
        /// The row group, counted from 0.
        row_group: usize,
        /// The first row, counted within the row group from 0.
        start: usize,
        /// One past the last row.
        end: usize,
    },
    /// Bytes of the decoded file: the lines or records that begin at `start` or after it and before `end`.
    Bytes {
        /// The first byte.
        start: u64,
        /// One past the last byte.
        end: u64,
    },
    /// Whole files, a document each.
    Files,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::RowGroups { first, count: 1 } => write!(f, "row group {first}"),
            Self::RowGroups { first, count } => {
                write!(f, "row groups {first} to {}", (first + count).saturating_sub(1))
            }
            Self::Rows { row_group, start, end } => write!(f, "row group {row_group}, its rows {start} to {end}"),
            Self::Bytes { start, end } => write!(f, "bytes {start} to {end}"),
            Self::Files => f.write_str("whole files"),
        }
    }
}

/// One part of a file as splitting found it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// The part.
    pub part: Part,
    /// How many rows it has, where that is known without reading them.
    pub rows: Option<u64>,
    /// About how many bytes of text it has: what the work is estimated by.
    pub bytes: u64,
}

/// How rows become documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    /// The column or field that holds the text. Files of text have none.
    pub text_column: String,
    /// The column or field that names a document; `None`: `id`, where there is one.
    pub id_column: Option<String>,
    /// The columns or fields that are written out beside the mentions; `None`: all.
    pub carry: Option<Vec<String>>,
    /// About how much text a chunk holds, in bytes. A longer document is a chunk of its own.
    pub chunk_bytes: usize,
    /// The longest document that is read, in bytes of text (of the whole line for JSONL, of the whole record for CSV);
    /// a longer one is that row's own error. `None`: as long as memory lasts.
    pub max_document_bytes: Option<usize>,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            text_column: "text".to_owned(),
            id_column: None,
            carry: None,
            chunk_bytes: 4 << 20,
            max_document_bytes: Some(64 << 20),
        }
    }
}

/// Some rows of a shard, in the order of the input.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// What each row is called in its input for good: its number in a Parquet file, the offset at which its line or
    /// record begins in the decoded JSONL or CSV, its file's index among a shard's files of text.
    pub positions: Vec<u64>,
    /// Each row's text, or what is wrong with that row.
    pub texts: Vec<Result<Arc<str>, String>>,
    /// The id, where there is one, and the other columns that are written out; as many rows.
    pub carried: RecordBatch,
}

impl Chunk {
    /// How many rows it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Whether it has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }
}
