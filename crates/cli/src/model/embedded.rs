//! The default model inside the binary: an installed `dateline` works without a file beside it.

use dateline_model::ModelFiles;

/// Whether this build carries the default model.
pub(super) const PRESENT: bool = cfg!(feature = "embed-model");

/// The carried model's files.
#[cfg(feature = "embed-model")]
pub(super) fn files() -> Option<ModelFiles> {
    use std::borrow::Cow;
    Some(ModelFiles {
        name: super::DEFAULT_MODEL.to_owned(),
        config: Cow::Borrowed(include_bytes!("../../../../models/dateline-en-small/config.json")),
        tokenizer: Cow::Borrowed(include_bytes!("../../../../models/dateline-en-small/tokenizer.json")),
        weights: Cow::Borrowed(include_bytes!("../../../../models/dateline-en-small/model.safetensors")),
        int8: INT8.map(Cow::Borrowed),
    })
}

/// What the carried model needs in int8, if it loses nothing by it.
#[cfg(embed_int8)]
const INT8: Option<&[u8]> = Some(include_bytes!("../../../../models/dateline-en-small/int8.safetensors"));

/// The carried model is to be run in f32.
#[cfg(all(feature = "embed-model", not(embed_int8)))]
const INT8: Option<&[u8]> = None;

/// The carried model's list of hashes.
#[cfg(feature = "embed-model")]
pub(super) const SHA256SUMS: Option<&str> = Some(include_str!("../../../../models/dateline-en-small/SHA256SUMS"));

/// This build carries no model.
#[cfg(not(feature = "embed-model"))]
pub(super) const fn files() -> Option<ModelFiles> {
    None
}

/// This build carries no model.
#[cfg(not(feature = "embed-model"))]
pub(super) const SHA256SUMS: Option<&str> = None;
