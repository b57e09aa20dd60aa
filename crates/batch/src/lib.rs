//! Annotates files and object stores of any size, once each, and can be stopped anywhere.
//!
//! ```text
//! INPUT… ─► inputs ─► plan: shards ─► read chunks ─► engine, bulk lane ─► write a shard ─► commit
//!          (files,    (a file in      (split, read)  (sorted by length)   (write)          (create if absent)
//!           versions)  the output)                                                             │
//!                                              _manifest.json, _SUCCESS ◄── all are there ◄────┘
//! ```
//!
//! - The name of an output is a hash of all that decides what is in it. So what is there need not be done again, whoever
//!   did it; two runners cannot spoil each other's work; and another model makes other files.
//! - An output appears whole or not at all. What a killed run leaves is rubbish that the next one removes.
//! - A document that cannot be read or annotated is a row with an error. A shard that cannot be read leaves the others
//!   alone.
//!
//! The library prints nothing: [`Progress`] counts and tells.

mod annotate;
mod chunk;
mod commit;
mod error;
#[cfg(test)]
mod fake_store;
mod format;
mod inputs;
mod json;
mod location;
mod manifest;
mod options;
mod outputs;
mod plan;
mod progress;
mod read;
mod run;
mod shard;
mod split;
mod verify;
mod write;

pub use annotate::{Annotating, Outcomes};
pub use chunk::{Chunk, Object, Part, Piece, ReadOptions};
pub use commit::Output;
pub use error::{BatchError, explain, explain_io, with_causes};
pub use format::{Compression, Format, Kind};
pub use inputs::{Input, Inputs, find_input, list_inputs};
pub use location::{Location, Stores};
pub use manifest::{Manifest, OutputEntry, conclude, reopen};
pub use options::{ModelIdentity, Options};
pub use outputs::{output_metadata, output_positions, output_tally};
pub use plan::{Planned, plan, stored};
pub use progress::{Event, Progress, Snapshot, Survey};
pub use read::{ReadError, positions, read};
pub use run::{Done, Run, Sample, Worker, missing};
pub use shard::{Plan, Shard};
pub use split::split;
pub use verify::{Verified, verify};
pub use write::{OutputFormat, ShardWriter, Tally, WriteError, WriteOptions};
