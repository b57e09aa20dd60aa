//! Writes a shard's output, as Parquet or JSONL, one row a document or one a mention, in bounded memory.

pub(crate) mod columns;
mod error;
mod jsonl;
mod outcome;
mod parquet;
mod tally;

use std::io::Write;

use arrow_schema::SchemaRef;
use dateline_text::{Label, Mention, OffsetUnit};
use serde::{Deserialize, Serialize};

pub use error::WriteError;
pub use tally::Tally;

use self::jsonl::JsonLines;
use self::parquet::ParquetRows;

use crate::{Chunk, Compression};

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

impl Default for WriteOptions {
    fn default() -> Self {
        Self {
            format: OutputFormat::default(),
            compression: Compression::None,
            explode: false,
            offsets: OffsetUnit::default(),
            include_text: false,
            text_column: "text".to_owned(),
            metadata: Vec::new(),
        }
    }
}

/// Writes the output of one shard, chunk by chunk, in bounded memory. The same chunks and outcomes give the same bytes.
///
/// Columns: what was carried, the text if it is wanted, `row`, then `mentions` (or a mention's own columns) and `error`.
pub struct ShardWriter<W: Write + Send> {
    rows: Rows<W>,
    offsets: OffsetUnit,
    tally: Tally,
}

enum Rows<W: Write + Send> {
    Parquet(Box<ParquetRows<W>>),
    Jsonl(Box<JsonLines<W>>),
}

impl<W: Write + Send> ShardWriter<W> {
    /// A writer of chunks whose carried columns have this schema. `labels` are those that the model has; others may come.
    ///
    /// # Errors
    /// [`WriteError`] if a carried column has the name of one of ours, or if the sink takes nothing.
    pub fn new(sink: W, options: &WriteOptions, carried: &SchemaRef, labels: &[Label]) -> Result<Self, WriteError> {
        columns::check(carried, options)?;
        let rows = match options.format {
            OutputFormat::Parquet => Rows::Parquet(Box::new(ParquetRows::new(sink, options, carried, labels)?)),
            OutputFormat::Jsonl => Rows::Jsonl(Box::new(JsonLines::new(sink, options)?)),
        };
        Ok(Self { rows, offsets: options.offsets, tally: Tally::default() })
    }

    /// Writes the rows of a chunk with what was found in each, or why nothing could be.
    ///
    /// # Errors
    /// [`WriteError`] if the sink takes no more.
    ///
    /// # Panics
    /// If there are not as many outcomes as rows, or a mention is no slice of its text.
    pub fn write(&mut self, chunk: &Chunk, found: &[Result<Vec<Mention>, String>]) -> Result<(), WriteError> {
        let mut outcomes = outcome::outcomes(chunk, found, self.offsets);
        match &mut self.rows {
            Rows::Parquet(rows) => rows.write(chunk, &outcomes)?,
            Rows::Jsonl(rows) => rows.write(chunk, &mut outcomes)?,
        }
        for outcome in &outcomes {
            self.tally.rows += 1;
            match outcome {
                Ok(mentions) => mentions.iter().for_each(|mention| self.tally.count_mention(mention.label.as_str())),
                Err(_) => self.tally.failed += 1,
            }
        }
        Ok(())
    }

    /// What was counted so far.
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Writes what is left (for Parquet the footer) and gives the sink back, flushed, with what was counted.
    ///
    /// # Errors
    /// [`WriteError`] if the sink takes no more.
    pub fn finish(self) -> Result<(W, Tally), WriteError> {
        let sink = match self.rows {
            Rows::Parquet(rows) => rows.finish(&self.tally)?,
            Rows::Jsonl(rows) => rows.finish()?,
        };
        Ok((sink, self.tally))
    }
}
