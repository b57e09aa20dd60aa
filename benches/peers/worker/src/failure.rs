//! Why the worker could not do its work.

use std::io;

use dateline_model::ModelError;

/// Why a command broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// What was asked cannot be done.
    #[error("{0}")]
    Usage(String),
    /// The model cannot be loaded or run by Dateline.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Another engine failed.
    #[cfg(feature = "peers")]
    #[error("{engine}: {detail}")]
    Peer {
        /// Which.
        engine: &'static str,
        /// What it said.
        detail: String,
    },
    /// A file, or a pipe to the orchestrator.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// Something that is not the JSON it should be.
    #[error("{what}: {source}")]
    Json {
        /// Where it stands.
        what: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl Failure {
    /// Makes an I/O error a failure of `what`.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }

    /// Makes a JSON error a failure of `what`.
    pub(crate) fn json(what: impl Into<String>) -> impl FnOnce(serde_json::Error) -> Self {
        let what = what.into();
        move |source| Self::Json { what, source }
    }

    /// Makes any error a failure of another engine.
    #[cfg(feature = "peers")]
    pub(crate) fn of<E: std::fmt::Display>(engine: &'static str) -> impl Fn(E) -> Self {
        move |error| Self::Peer { engine, detail: error.to_string() }
    }
}
