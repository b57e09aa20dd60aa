//! The models that scenarios run.

use std::fs;
use std::path::{Path, PathBuf};

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A model of a few thousand random weights: it finds plenty in any text, all of it nonsense. For scenarios about what
/// happens around the model.
///
/// # Panics
/// If the fixtures are not there.
#[must_use]
pub fn tiny_model() -> PathBuf {
    existing(repository().join("crates/model/tests/fixtures/parity/bert-casing"), "tests/parity/generate.py writes it")
}

/// The default model: for scenarios about what is found.
///
/// # Panics
/// If it is not there.
#[must_use]
pub fn default_model() -> PathBuf {
    existing(repository().join("models/dateline-en-small"), "a whole checkout holds it")
}

fn existing(folder: PathBuf, origin: &str) -> PathBuf {
    assert!(folder.join("model.safetensors").is_file(), "there is no model at {}: {origin}", folder.display());
    folder
}

/// A copy of the model folder `model` in `into`, to be broken.
///
/// # Panics
/// If a file cannot be copied.
pub fn copy_model(model: &Path, into: &Path) {
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::copy(model.join(file), into.join(file)).expect("the model's files can be copied");
    }
}
