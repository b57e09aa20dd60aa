//! Pure mappings between annotated documents and the formats of newsroom and annotation tools. No machine learning, no
//! network, no files: readers take a [`std::io::BufRead`], writers a [`std::io::Write`].
//!
//! Every format is a module with a `Writer` and, where the format allows it, a `Reader` of its own; [`Format`] is the list
//! of them, by the names that `dateline convert --from --to` and `--format` take. Each module says what its format cannot
//! hold. What it cannot spell, such as a label with a blank in a column format, it refuses ([`FormatError::Unwritable`])
//! and never changes.

mod annotated;
pub mod brat;
pub mod conll;
pub mod csv;
pub mod doccano;
mod error;
mod format;
pub mod ftm;
pub mod html;
pub mod jsonl;
pub mod label_studio;
mod lines;
mod marks;
pub mod newsml_g2;
mod newsroom;
pub mod ninjs;
pub mod spacy;
mod tokens;
pub mod web_annotation;

pub use annotated::{Annotated, LeftOut};
pub use error::FormatError;
pub use format::{Format, Options, Read, UnknownFormat, Write};
