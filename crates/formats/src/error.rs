//! What can be wrong with what is read or written, and where.

/// Something that is not as its format says.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The input cannot be read, or the output not be written.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The input is not what the format says.
    #[error("{format}, {place}: {why}")]
    Malformed {
        /// The format's name.
        format: &'static str,
        /// Where: `line 7`, `task 3, result 2`, `/body/0`.
        place: String,
        /// What is wrong there, and what would be right.
        why: String,
    },
    /// The document cannot be written in this format, such as a name that the format has no way to spell.
    #[error("{format} cannot hold this document: {why}")]
    Unwritable {
        /// The format's name.
        format: &'static str,
        /// Why not, and what to do.
        why: String,
    },
}
