//! Reads one part of an input as chunks of documents.

mod error;

pub use error::ReadError;
