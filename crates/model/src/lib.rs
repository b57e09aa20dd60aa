//! From a Hugging Face folder, or a hub id, to an [`Annotator`].
//!
//! ```text
//! text ─► tokenise ─► window ─► encoder (packed batch, device) ─► decode ─► mentions in bytes
//! ```
//!
//! This is the only crate of a running Dateline that names candle. [`Encoder`] is one definition of the forward pass
//! for all families; training runs the same definition over its own differentiable [`Ops`].

mod annotator;
mod batch;
mod casing;
pub mod config;
mod cpu;
pub mod decode;
mod device;
pub mod encoder;
mod error;
mod files;
#[cfg(any(test, feature = "cuda", feature = "metal"))]
mod gpu;
#[cfg(feature = "hub")]
pub mod hub;
pub mod math;
mod names;
pub mod ops;
mod precision;
mod reading;
mod runner;
mod tags;
mod tokenise;
mod weights;
mod window;

pub use annotator::{Annotator, ModelInfo, RunOptions, decode_words};
pub use batch::PackedBatch;
pub use casing::{CLASSES as CASING_CLASSES, casing_class};
pub use config::{DatelineConfig, EncoderConfig, ModelConfig};
pub use cpu::{BALANCE_FILE, Balance};
pub use dateline_kernels as kernels;
pub use device::DeviceSpec;
pub use encoder::{Encoder, Ops, Weights};
pub use error::ModelError;
pub use files::ModelFiles;
pub use ops::RunOps;
pub use precision::Precision;
pub use reading::Reading;
pub use tags::{Tag, TagSet};
pub use tokenise::{Boundary, Tokeniser, Tokens, Word};
pub use weights::SafetensorsWeights;
pub use window::{Window, windows};
