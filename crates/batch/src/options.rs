//! What decides, besides the inputs, what is in the outputs: the model and these options. All of it goes into the names of
//! the outputs, so that another model or another option makes other files and never mixes with these.

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use dateline_text::{Label, MentionFilter, OffsetUnit};
use serde::{Deserialize, Serialize};

use crate::{Compression, OutputFormat, ReadOptions, WriteOptions};

/// The model as plans and manifests name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelIdentity {
    /// Its name.
    pub name: String,
    /// The SHA-256 of its files, in hexadecimal digits.
    pub sha256: String,
    /// How exactly it computes: the same model finds slightly other mentions in int8 than in f32.
    pub precision: String,
    /// Its labels.
    pub labels: Vec<Label>,
}

/// The options that decide what is in the outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Options {
    /// The column or field of the text.
    pub text_column: String,
    /// The column or field that names a document; `id` if there is one and none is named.
    pub id_column: Option<String>,
    /// The columns that are written out beside the mentions; all if none are named.
    pub carry: Option<Vec<String>>,
    /// A longer text is its row's error.
    pub max_document_bytes: Option<usize>,
    /// The format of the outputs.
    pub output: OutputFormat,
    /// One row a mention.
    pub explode: bool,
    /// The unit of the offsets.
    pub offsets: OffsetUnit,
    /// Whether texts are repeated in the outputs.
    pub include_text: bool,
    /// Mentions that score less are left out.
    pub min_score: f32,
    /// Only these labels.
    pub labels: Option<BTreeSet<Label>>,
    /// About how much text a shard holds.
    pub shard_bytes: NonZeroU64,
}

/// 8 MiB: minutes of work on a CPU, seconds on a GPU; what a killed run loses at most.
const SHARD_BYTES: NonZeroU64 = NonZeroU64::new(8 << 20).expect("it is not zero");

impl Default for Options {
    fn default() -> Self {
        let ReadOptions { text_column, id_column, carry, max_document_bytes, .. } = ReadOptions::default();
        Self {
            text_column,
            id_column,
            carry,
            max_document_bytes,
            output: OutputFormat::Parquet,
            explode: false,
            offsets: OffsetUnit::default(),
            include_text: false,
            min_score: 0.0,
            labels: None,
            shard_bytes: SHARD_BYTES,
        }
    }
}

impl Options {
    /// How inputs are read, in chunks of about `chunk_bytes`.
    pub(crate) fn read(&self, chunk_bytes: usize) -> ReadOptions {
        ReadOptions {
            text_column: self.text_column.clone(),
            id_column: self.id_column.clone(),
            carry: self.carry.clone(),
            max_document_bytes: self.max_document_bytes,
            chunk_bytes,
        }
    }

    /// How outputs are written.
    pub(crate) fn write(&self, metadata: Vec<(String, String)>) -> WriteOptions {
        WriteOptions {
            format: self.output,
            compression: Compression::None,
            explode: self.explode,
            offsets: self.offsets,
            include_text: self.include_text,
            text_column: self.text_column.clone(),
            metadata,
        }
    }

    /// Which mentions are written.
    #[must_use]
    pub fn filter(&self) -> MentionFilter {
        MentionFilter { min_score: self.min_score, labels: self.labels.clone() }
    }

    /// The extension of outputs.
    pub(crate) const fn extension(&self) -> &'static str {
        match self.output {
            OutputFormat::Parquet => "parquet",
            OutputFormat::Jsonl => "jsonl",
        }
    }
}
