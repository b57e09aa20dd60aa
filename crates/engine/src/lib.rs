//! Many callers, few devices: what stands between the requests of a service and a model.
//!
//! ```text
//! submit ─► waiting texts ─► text threads: tokenise, window ─► ready windows ─► one owner thread per device
//!           (bounded)        (never the model's own thread)    (two lanes)      packs a batch, encodes it
//!                                                                                      │
//! Pending ◄─ mentions ◄──────── text threads: decode ◄──────── all windows placed ◄────┘
//! ```
//!
//! - A batch is filled up to a budget of tokens with windows of any texts; there is no padding, and what is found in a
//!   text does not depend on what shared its batch. A text longer than the budget is read window by window, and others
//!   pass between.
//! - There are two lanes. Interactive texts go before bulk ones, even in the middle of a bulk batch, between two
//!   operations of the encoder; bulk texts keep at least a fifth of the work, so neither lane starves.
//! - What nobody waits for any more (its caller has left, its deadline has passed) is skipped wherever it stands.
//! - A panic of the model ends its thread and costs the batch that was on it; a new thread starts, warms up, and
//!   [`Engine::is_ready`] is false meanwhile.
//!
//! What this trades away: a batch is never held back to wait for more texts, so at low load batches are small.

mod device;
mod engine;
mod item;
mod metrics;
mod model;
mod queue;
mod readers;
mod shared;

pub use engine::{DeviceState, DeviceStatus, Engine, EngineError, EngineModel, EngineOptions, ModelInfo, Pending};
pub use item::{Failure, Lane, Outcome, Overloaded, Request};
pub use metrics::EngineMetrics;
pub use model::{Description, Model, ModelFailure, Piece};

/// A text that holds these words panics the model's thread, so that this case can be tried on a real service.
#[cfg(feature = "fault-injection")]
pub const PLANTED_PANIC: &str = "plant a panic in the model's thread";
