//! Writes a shard's output, as Parquet or JSONL, one row a document or one a mention, in bounded memory.

mod error;
mod tally;

use dateline_text::OffsetUnit;
use serde::{Deserialize, Serialize};

pub use error::WriteError;
pub use tally::Tally;

use crate::Compression;

/// The format of an output file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// Apache Parquet, compressed by Zstandard inside.
    #[default]
    Parquet,
    /// A JSON object a line.
    Jsonl,
}

/// How outcomes are written.
#[derive(Clone, Debug)]
pub struct WriteOptions {
    /// The format.
    pub format: OutputFormat,
    /// What is wrapped around JSONL; Parquet is compressed inside and takes none.
    pub compression: Compression,
    /// One row a mention instead of one a document.
    pub explode: bool,
    /// The unit of the offsets.
    pub offsets: OffsetUnit,
    /// Whether the text of a document is written beside its mentions.
    pub include_text: bool,
    /// What the column of the texts is called, as in the input.
    pub text_column: String,
    /// What a Parquet file says about itself in its footer: key and value. JSONL has no place for it.
    pub metadata: Vec<(String, String)>,
}
