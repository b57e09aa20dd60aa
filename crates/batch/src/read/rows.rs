//! Gathers rows with columns of strings into chunks: what JSONL, CSV and files of text have in common.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;

use crate::{Chunk, ReadOptions};

/// No more rows are in a chunk, however short their texts.
pub(crate) const MOST_ROWS: usize = 8192;

/// The longest line, record or text that is held in memory, whatever the options say: columns of strings count their
/// bytes in 31 bits.
const LONGEST: usize = 1 << 30;

/// How many bytes of a line, record or text are kept under these options.
pub(crate) fn longest(options: &ReadOptions) -> usize {
    options.max_document_bytes.unwrap_or(LONGEST).min(LONGEST)
}

/// What a row says that is over the limit.
pub(crate) fn too_long(what: &str, length: Option<u64>, limit: usize) -> String {
    let length = length.map_or_else(String::new, |length| format!(" of {length} bytes"));
    format!("{what}{length} is longer than the {limit} bytes that a document may have")
}

/// Rows on their way into a chunk.
pub(crate) struct Rows {
    schema: SchemaRef,
    columns: Vec<StringBuilder>,
    positions: Vec<u64>,
    texts: Vec<Result<Arc<str>, String>>,
    bytes: usize,
    most_bytes: usize,
}

impl Rows {
    /// None yet; `schema` has nullable columns of `Utf8` only.
    pub(crate) fn new(schema: SchemaRef, options: &ReadOptions) -> Self {
        let columns = schema.fields().iter().map(|_| StringBuilder::new()).collect();
        Self { schema, columns, positions: Vec::new(), texts: Vec::new(), bytes: 0, most_bytes: options.chunk_bytes }
    }

    /// Adds a row; `cells` are one for each column. What is full is handed out.
    pub(crate) fn push<'c>(
        &mut self,
        position: u64,
        text: Result<Arc<str>, String>,
        cells: impl IntoIterator<Item = Option<&'c str>>,
    ) -> Option<Chunk> {
        self.positions.push(position);
        self.bytes += text.as_ref().map_or_else(String::len, |text| text.len());
        self.texts.push(text);
        for (column, cell) in self.columns.iter_mut().zip(cells) {
            self.bytes += cell.map_or(0, str::len);
            column.append_option(cell);
        }
        let full = self.bytes >= self.most_bytes || self.positions.len() >= MOST_ROWS;
        full.then(|| self.take()).flatten()
    }

    /// What there is, if there is something.
    pub(crate) fn take(&mut self) -> Option<Chunk> {
        if self.positions.is_empty() {
            return None;
        }
        self.bytes = 0;
        let columns = self.columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.positions.len()));
        let carried = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .expect("each row has one cell for each column");
        Some(Chunk { positions: std::mem::take(&mut self.positions), texts: std::mem::take(&mut self.texts), carried })
    }
}
