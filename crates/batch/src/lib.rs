//! Annotates files and object stores of any size: splits inputs into shards, reads their documents, writes what was
//! found in them.

mod chunk;
mod format;
mod read;
mod write;

pub use chunk::{Chunk, Object, Part, Piece, ReadOptions};
pub use format::{Compression, Format, Kind};
pub use read::ReadError;
pub use write::{OutputFormat, Tally, WriteError, WriteOptions};
