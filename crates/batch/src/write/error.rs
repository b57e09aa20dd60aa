//! Why an output could not be written.

use std::io;

/// An output that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The sink took no more.
    #[error("the output could not be written: {0}")]
    Sink(#[from] io::Error),
    /// The rows could not be encoded.
    #[error("the output could not be encoded: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
    /// Columns could not be put together.
    #[error("the output could not be encoded: {0}")]
    Arrow(#[from] arrow_schema::ArrowError),
    /// A column of the input has the name of one of ours.
    #[error(
        "the input's column {column:?} has the name of a column of the output: name the columns to keep with --carry, \
         and leave it out"
    )]
    NameClash {
        /// The column.
        column: String,
    },
    /// Two columns of the input have the same name.
    #[error("the input has two columns {column:?}: name the columns to keep with --carry, and leave it out")]
    TwoColumns {
        /// The column.
        column: String,
    },
}
