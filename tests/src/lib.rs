//! The harness of the end-to-end scenarios: runs the real `dateline` binary and its server, and makes the texts and
//! models that the scenarios need. The scenarios themselves are in `end_to_end/`, as tests of the package that builds
//! the binary.
//!
//! Nothing here waits by the clock: a process is waited for by its end, a server by the line that says that it listens.

mod models;
mod process;
mod server;
mod texts;

pub use models::{copy_model, default_model, tiny_model};
pub use process::{Dateline, Finished};
pub use server::{Answer, Server};
pub use texts::{Planted, planted_text};
