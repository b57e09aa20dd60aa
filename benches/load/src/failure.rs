//! Why the tool could not do its work. That the service did not hold is no failure of the tool: commands say so with
//! `Ok(false)`.

use std::io;
use std::path::PathBuf;

use dateline_model::ModelError;

/// Why a command broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The arguments cannot be used.
    #[error("{0}")]
    Usage(String),
    /// The program cannot be started.
    #[error("cannot start {}: {source} (build it with `cargo build --release`, or name another with --program)", .program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The service never came up.
    #[error("the service did not get ready; it said:\n{0}")]
    NotReady(String),
    /// The texts cannot be read.
    #[error("{}: line {line}: {detail}", .file.display())]
    Texts {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        detail: String,
    },
    /// The model cannot be loaded or run.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The process that runs the bare model ended or talks nonsense.
    #[error("the process with the bare model failed: {0}")]
    Bare(String),
    /// Something in the middle of the work.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system said.
        source: io::Error,
    },
}

impl Failure {
    /// Makes an I/O error a failure of `what`.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
