//! End-to-end scenarios: each starts the real binary and looks only at what a user sees. One test a scenario; its
//! comment says what would be lost without it.

#![expect(clippy::unwrap_used, reason = "what helps a test may fail it, too")]

mod annotate;
mod bad_input;
mod batch;
mod batch_killed;
mod bench;
mod command_line;
mod configuration;
mod determinism;
mod formats;
mod long_text;
#[cfg(target_os = "linux")]
mod memory;
mod models;
mod same_everywhere;
mod serve;
mod training;

use dateline_tests::{Dateline, default_model, tiny_model};
use serde_json::Value;

/// The binary with the model of random weights.
fn tiny() -> Dateline {
    bare().with_model(tiny_model())
}

/// The binary with the default model.
fn real() -> Dateline {
    bare().with_model(default_model())
}

/// The binary with no model named.
fn bare() -> Dateline {
    Dateline::new(env!("CARGO_BIN_EXE_dateline"))
}

/// A document's mentions.
fn mentions(document: &Value) -> &[Value] {
    document["mentions"].as_array().unwrap_or_else(|| panic!("no mentions in {document}"))
}

/// A number of a mention.
fn number(mention: &Value, field: &str) -> usize {
    mention[field]
        .as_u64()
        .and_then(|number| usize::try_from(number).ok())
        .unwrap_or_else(|| panic!("{field}: {mention}"))
}
