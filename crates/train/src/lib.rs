//! Fine-tune, evaluate, calibrate and quantise token classifiers.
//!
//! ```text
//! JSONL ─► examples ─► variants ─► windows ─► batches ─► encoder over variables ─► loss ─► gradients ─► AdamW
//!                                                             │ after every epoch
//!                                                             └► held-out texts ─► best weights ─► temperature ─► folder
//! ```
//!
//! The forward pass is `dateline-model`'s own [`Encoder`](dateline_model::Encoder); this crate brings operations that
//! can be differentiated (the `tape` on the CPU, candle's own graph elsewhere), so training and running cannot drift apart.
//! [`train`] goes from a base folder to a model folder; [`evaluate`] reads labelled texts with any model; [`quantise`]
//! gives a model its `int8.safetensors` if it loses nothing by it.

mod augment;
mod base;
mod batches;
mod calibrate;
mod checkpoint;
mod corpus;
mod encode;
mod error;
mod eval;
mod graph;
mod kernels;
mod loss;
mod manifest;
mod optimiser;
mod options;
mod parameters;
mod predict;
mod quantise;
mod recipe;
mod report;
mod tape;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tiny;
mod trainer;

pub use augment::{Case, NamePools, augment, recase, swap_names};
pub use corpus::{Corpus, Example, LineFault, read_corpus};
pub use error::TrainError;
pub use eval::evaluate;
pub use manifest::{MANIFEST, ManifestFault, verify_manifest, write_manifest};
pub use options::{Evaluation, SeedResult, TrainEvent, TrainObserver, TrainOptions, TrainSummary};
pub use parameters::Precision;
pub use quantise::{Miss, PrecisionFigures, Quantisation, QuantiseLimits, QuantiseOptions, quantise};
pub use recipe::Recipe;
pub use report::{Calibration, ErrorCase, ErrorKind, EvalReport, NamedSpan, Recall, ReliabilityBin, Scores, SeenNames};
pub use trainer::train;
