//! How a command can end, and which exit code that is: 0 done, 1 the work broke off or is not whole, 2 nothing was begun.

use std::error::Error;
use std::process::ExitCode;

use ballista_core::error::BallistaError;
use datafusion::error::DataFusionError;
use dateline_batch::BatchError;
use dateline_model::ModelError;

use crate::logging;

/// Why a command did not end well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The arguments contradict each other or name something that is not there.
    #[error("{0}")]
    Usage(String),
    /// The model cannot be loaded.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The work broke off.
    #[error(transparent)]
    Work(Box<dyn Error + Send + Sync>),
}

impl Failure {
    /// The work broke off with `error`.
    pub(crate) fn work(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Work(error.into())
    }
}

impl From<BatchError> for Failure {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Usage(why) => Self::Usage(why),
            _ => Self::work(error),
        }
    }
}

impl From<BallistaError> for Failure {
    fn from(error: BallistaError) -> Self {
        Self::work(error)
    }
}

impl From<DataFusionError> for Failure {
    fn from(error: DataFusionError) -> Self {
        Self::work(error)
    }
}

/// Says on standard error what went wrong, if anything did, and gives the process's exit code.
pub(crate) fn exit_code(end: Result<(), Failure>) -> ExitCode {
    let Err(failure) = end else { return ExitCode::SUCCESS };
    logging::say(format_args!("error: {failure}"));
    match failure {
        Failure::Usage(_) | Failure::Model(_) => ExitCode::from(2),
        Failure::Work(_) => ExitCode::FAILURE,
    }
}
