//! Annotates files and object stores of any size: splits inputs into shards, reads their documents, writes what was
//! found in them.

mod chunk;
mod format;
mod json;
mod outputs;
mod read;
mod split;
mod write;

pub use chunk::{Chunk, Object, Part, Piece, ReadOptions};
pub use format::{Compression, Format, Kind};
pub use outputs::{output_metadata, output_positions, output_tally};
pub use read::{ReadError, positions, read};
pub use split::split;
pub use write::{OutputFormat, ShardWriter, Tally, WriteError, WriteOptions};
