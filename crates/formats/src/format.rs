//! The list of formats, and what each can do.

use std::io;

use dateline_text::OffsetUnit;

use crate::{Annotated, FormatError};

/// Takes documents one by one and writes them in one format. Memory does not grow with the number of documents.
pub trait Write {
    /// Writes a document.
    ///
    /// # Errors
    /// [`FormatError`] if the format has no way to spell it, or the sink fails. The output stays well-formed after an
    /// unwritable document, which is left out of it.
    fn document(&mut self, document: &Annotated) -> Result<(), FormatError>;

    /// Writes what the format has at its end. Nothing is whole before.
    ///
    /// # Errors
    /// [`FormatError::Io`] if the sink fails.
    fn finish(self: Box<Self>) -> Result<(), FormatError>;
}

/// Reads documents one by one. After an error of one document the next call goes on with the next, wherever the format
/// allows it; after an error of the input itself there is no next.
pub trait Read: Iterator<Item = Result<Annotated, FormatError>> {}

impl<R: Iterator<Item = Result<Annotated, FormatError>>> Read for R {}

/// What decides the form of an output beside its format.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The unit of offsets, for formats that leave it open (`jsonl`, `csv`). The others have one of their own.
    pub offsets: OffsetUnit,
    /// The model's name, for formats that say who made an annotation.
    pub model: Option<String>,
}

/// A format, by the name that people call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {}

impl Format {
    /// A writer of this format onto `sink`.
    #[must_use]
    pub fn writer<'w>(self, _sink: Box<dyn io::Write + 'w>, _options: &Options) -> Box<dyn Write + 'w> {
        match self {}
    }

    /// A reader of this format, if it can be read.
    #[must_use]
    pub fn reader<'r>(self, _source: Box<dyn io::BufRead + 'r>) -> Option<Box<dyn Read + 'r>> {
        match self {}
    }
}
