//! Everything that can go wrong between a model's folder and its mentions. Messages name the file, what is wrong with
//! it and what to do, because the reader is often an engineer who did not make the model.

use std::path::PathBuf;

/// An error of loading or running a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The model folder does not exist or is no folder.
    #[error("there is no model folder at {path}: give a folder with config.json, tokenizer.json and model.safetensors")]
    NoFolder {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file that a model folder must hold is not there.
    #[error("the model folder {folder} has no {file}: {hint}")]
    MissingFile {
        /// The model folder.
        folder: PathBuf,
        /// The file's name.
        file: &'static str,
        /// What to do about it.
        hint: String,
    },
    /// A file of the model could not be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// `config.json` is not what a token classifier's configuration looks like.
    #[error("config.json of model {model:?}: {detail}")]
    Config {
        /// The model's name.
        model: String,
        /// What is wrong, and what to do.
        detail: String,
    },
    /// The model is of a kind that Dateline does not run.
    #[error(
        "config.json of model {model:?} says that it is a {found}: give a model that is a BertForTokenClassification, \
         DistilBertForTokenClassification, RobertaForTokenClassification or XLMRobertaForTokenClassification"
    )]
    Architecture {
        /// The model's name.
        model: String,
        /// What `config.json` says it is.
        found: String,
    },
    /// The label map is no BIO or BIOES scheme.
    #[error(
        "the label map (id2label in config.json) is not BIO or BIOES: {0}; give a named-entity model, or the map that \
         it was trained with"
    )]
    Labels(String),
    /// The weights are damaged or do not fit the configuration.
    #[error("model.safetensors of model {model:?}: {detail}")]
    Weights {
        /// The model's name.
        model: String,
        /// What is wrong, and what to do.
        detail: String,
    },
    /// `int8.safetensors` is damaged or does not fit the model.
    #[error(
        "int8.safetensors of model {model:?}: {detail}: make it anew with `dateline quantise`, or run with --precision f32"
    )]
    Balance {
        /// The model's name.
        model: String,
        /// What is wrong.
        detail: String,
    },
    /// The precision is unknown, or none of the device's.
    #[error("precision {precision:?}: {detail}")]
    Precision {
        /// The precision as asked for.
        precision: String,
        /// What is wrong, and what to do.
        detail: String,
    },
    /// The environment asks for an instruction set that cannot be had.
    #[error("{0}")]
    Cpu(String),
    /// A batch holds a token that the model does not know. A tokeniser that fits the model makes none.
    #[error(
        "the model has no token {word} of type {kind} at position {position}: its tokenizer.json does not fit its weights, \
         or a window is too long"
    )]
    Batch {
        /// The token's id.
        word: usize,
        /// Its position's row.
        position: usize,
        /// Its type.
        kind: usize,
    },
    /// The tokeniser could not be loaded, or failed on a text.
    #[error("tokenizer.json: {0}")]
    Tokeniser(String),
    /// The device is unknown, not in this build, or not in this machine.
    #[error("device {device:?}: {detail}")]
    Device {
        /// The device as asked for.
        device: String,
        /// What is wrong, and what to do.
        detail: String,
    },
    /// A computation failed on the device.
    #[error("the encoder failed: {0}")]
    Compute(#[from] candle_core::Error),
    /// The thread pool could not be made.
    #[error("cannot start the model's threads: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// The model could not be had from a hub.
    #[cfg(feature = "hub")]
    #[error("model {id:?} from the hub: {problem}")]
    Hub {
        /// The model's id as asked for.
        id: String,
        /// What is wrong, and what to do.
        problem: crate::hub::HubError,
    },
}
