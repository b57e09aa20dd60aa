//! Pure mappings between annotated documents and the formats of newsroom and annotation tools. No machine learning, no
//! network, no files: readers take a [`std::io::BufRead`], writers a [`std::io::Write`].
//!
//! Every format is a module with a `Writer` and, where the format allows it, a `Reader` of its own; [`Format`] is the list
//! of them, by the names that `dateline convert --from --to` and `--format` take.

mod annotated;
mod error;
mod format;

pub use annotated::Annotated;
pub use error::FormatError;
pub use format::{Format, Options, Read, Write};
