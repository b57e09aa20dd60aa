//! What can go wrong in training and evaluation, each with where and what to do.

use std::path::PathBuf;

use dateline_model::ModelError;

/// Why training or evaluation stopped.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A file could not be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {path}: {source}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A labelled text is not usable.
    #[error("{0}")]
    Corpus(#[from] crate::LineFault),
    /// There is nothing to train or evaluate on.
    #[error("{0}")]
    Empty(String),
    /// The recipe asks for something impossible.
    #[error("the recipe's \"{field}\" is {value}, but {must}")]
    Recipe {
        /// The recipe's field.
        field: &'static str,
        /// Its value.
        value: String,
        /// What it must be.
        must: &'static str,
    },
    /// The base folder cannot be trained.
    #[error("the base {path} cannot be trained: {detail}", path = path.display())]
    Base {
        /// The base folder.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The state of an interrupted run does not fit this run.
    #[error("the interrupted run in {path} cannot be resumed: {detail}; start over without --resume", path = path.display())]
    Resume {
        /// The state file.
        path: PathBuf,
        /// What does not fit.
        detail: String,
    },
    /// A model's report cannot take further figures.
    #[error("{path} is no JSON object: {detail}; mend it or move it away", path = path.display())]
    Report {
        /// The report.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The loss is no longer a number.
    #[error("the loss became {loss} at step {step}: lower the learning rate")]
    Diverged {
        /// The loss.
        loss: f64,
        /// The step.
        step: usize,
    },
    /// The observer asked to stop; the state on disk can be resumed.
    #[error("training was stopped; run the same command with --resume to go on")]
    Stopped,
    /// The model's files, tokeniser or encoder failed.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The arithmetic failed.
    #[error("the computation failed: {0}")]
    Compute(#[from] candle_core::Error),
}

impl TrainError {
    /// For `map_err` after a file was read.
    pub(crate) fn read(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Read { path: path.to_owned(), source }
    }

    /// For `map_err` after a file was written.
    pub(crate) fn write(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Write { path: path.to_owned(), source }
    }
}
