//! How a command can end, and which exit code that is.
//!
//! 0: done. 1: some documents failed, or the work broke off. 2: nothing was begun, because the arguments or the model
//! that they name are wrong. A reader that closes the pipe early (`dateline annotate … | head`) has what it wanted: 0.

use std::error::Error;
use std::io;
use std::process::ExitCode;

pub(crate) use dateline_batch::with_causes;
use dateline_formats::FormatError;
use dateline_model::ModelError;

use crate::model::ModelNotFound;
use crate::terminal;

/// Why a command did not end well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The arguments contradict each other or name something that is not there.
    #[error("{0}")]
    Usage(String),
    /// No model of that name.
    #[error(transparent)]
    NoModel(#[from] ModelNotFound),
    /// The model cannot be loaded.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Some documents failed; each was named when it did.
    #[error("{failed} of {all} documents failed; each is named above")]
    Documents {
        /// How many failed.
        failed: usize,
        /// How many there were.
        all: usize,
    },
    /// Standard output, or a file that was to be written, does not take what is written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    /// The work broke off.
    #[error(transparent)]
    Work(Box<dyn Error + Send + Sync>),
}

impl Failure {
    /// The work broke off with `error`.
    pub(crate) fn work(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Work(error.into())
    }

    fn code(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::NoModel(_) | Self::Model(_) => 2,
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Documents { .. } | Self::Output(_) | Self::Work(_) => 1,
        }
    }
}

impl From<FormatError> for Failure {
    fn from(error: FormatError) -> Self {
        match error {
            FormatError::Io(error) => Self::Output(error),
            other => Self::work(other),
        }
    }
}

/// Says on standard error what went wrong, if anything did, and gives the process's exit code.
pub(crate) fn exit_code(end: Result<(), Failure>) -> ExitCode {
    let code = match &end {
        Ok(()) => 0,
        Err(failure) => failure.code(),
    };
    if let (Err(failure), 1..) = (&end, code) {
        terminal::say(format_args!("error: {}", with_causes(failure)));
    }
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `dateline annotate … | head -1` must not look like a failure to `set -o pipefail`.
    #[test]
    fn a_closed_pipe_is_a_good_end() {
        assert_eq!(Failure::Output(io::ErrorKind::BrokenPipe.into()).code(), 0);
        assert_eq!(Failure::Output(io::ErrorKind::StorageFull.into()).code(), 1);
    }

    #[test]
    fn causes_are_named_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot read a.txt")]
        struct Outer(#[source] io::Error);
        assert_eq!(with_causes(&Outer(io::Error::other("disk gone"))), "cannot read a.txt: disk gone");
        assert_eq!(with_causes(&Failure::Output(io::Error::other("disk gone"))), "cannot write the output: disk gone");
    }
}
