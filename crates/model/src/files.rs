//! The files of a model folder as bytes, from a folder or from inside the binary: what is loaded does not depend
//! on where it came from.

use std::borrow::Cow;
use std::path::Path;

use crate::{BALANCE_FILE, ModelError};

/// The files of a Hugging Face folder that Dateline reads.
#[derive(Clone, Debug)]
pub struct ModelFiles {
    /// The model's name: its folder's, or the hub id.
    pub name: String,
    /// `config.json`.
    pub config: Cow<'static, [u8]>,
    /// `tokenizer.json`.
    pub tokenizer: Cow<'static, [u8]>,
    /// `model.safetensors`.
    pub weights: Cow<'static, [u8]>,
    /// `int8.safetensors`, which models have that were found to lose nothing in int8 (see [`crate::Balance`]).
    pub int8: Option<Cow<'static, [u8]>>,
}

impl ModelFiles {
    /// Reads the folder `path`; the model's name is the folder's.
    ///
    /// # Errors
    /// [`ModelError::NoFolder`], [`ModelError::MissingFile`] with what to do, or [`ModelError::Read`].
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        if !path.is_dir() {
            return Err(ModelError::NoFolder { path: path.to_owned() });
        }
        let name = path.canonicalize().ok().and_then(|full| Some(full.file_name()?.to_string_lossy().into_owned()));
        Ok(Self {
            name: name.unwrap_or_else(|| path.display().to_string()),
            config: read(path, "config.json")?,
            tokenizer: read(path, "tokenizer.json")?,
            weights: read(path, "model.safetensors")?,
            int8: path.join(BALANCE_FILE).exists().then(|| read(path, BALANCE_FILE)).transpose()?,
        })
    }
}

fn read(folder: &Path, file: &'static str) -> Result<Cow<'static, [u8]>, ModelError> {
    let path = folder.join(file);
    if !path.exists() {
        return Err(ModelError::MissingFile { folder: folder.to_owned(), file, hint: hint(folder, file) });
    }
    let bytes = std::fs::read(&path).map_err(|source| ModelError::Read { path, source })?;
    if bytes.starts_with(b"version https://git-lfs") {
        let hint = "there is only its Git LFS pointer; run `git lfs pull` in that folder".to_owned();
        return Err(ModelError::MissingFile { folder: folder.to_owned(), file, hint });
    }
    Ok(Cow::Owned(bytes))
}

/// What to do about a missing file, from what lies there instead.
fn hint(folder: &Path, missing: &str) -> String {
    let has = |file: &str| folder.join(file).exists();
    match missing {
        "model.safetensors" if has("model.safetensors.index.json") => {
            "its weights are sharded; save them as one file (`save_pretrained(…, max_shard_size=\"100GB\")`)".to_owned()
        }
        "model.safetensors" if has("pytorch_model.bin") => "its weights are a pickle, which Dateline does not open; \
             save them with `save_pretrained(…, safe_serialization=True)`"
            .to_owned(),
        "tokenizer.json" => "save the fast tokeniser beside the model (`AutoTokenizer.from_pretrained(…, \
             use_fast=True).save_pretrained(…)`)"
            .to_owned(),
        _ => "it must be a Hugging Face folder with config.json, tokenizer.json and model.safetensors".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named_with_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("nowhere");
        assert!(ModelFiles::read(&missing).unwrap_err().to_string().contains("nowhere"));

        std::fs::write(folder.path().join("config.json"), "{}").unwrap();
        std::fs::write(folder.path().join("tokenizer.json"), "{}").unwrap();
        std::fs::write(folder.path().join("pytorch_model.bin"), "").unwrap();
        let message = ModelFiles::read(folder.path()).unwrap_err().to_string();
        assert!(message.contains("has no model.safetensors") && message.contains("safe_serialization"), "{message}");
    }
}
