//! The files of a model folder as bytes, from a folder or from inside the binary: what is loaded does not depend
//! on where it came from.

use std::borrow::Cow;
use std::fmt::Write;
use std::path::Path;

use sha2::{Digest, Sha256};

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

    /// What tells this model from all others, whatever it is called: the SHA-256 over its files, in hexadecimal digits.
    #[must_use]
    pub fn sha256(&self) -> String {
        let mut hasher = Sha256::new();
        let parts = [Some(&self.config), Some(&self.tokenizer), Some(&self.weights), self.int8.as_ref()];
        for part in parts.into_iter().flatten() {
            // The lengths, so that no byte can pass from one file to the next unseen.
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize().iter().fold(String::new(), |mut digits, byte| {
            let _ = write!(digits, "{byte:02x}");
            digits
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

    #[test]
    fn no_byte_passes_from_file_to_file() {
        let files = |config: &'static [u8], tokenizer: &'static [u8], int8: Option<&'static [u8]>| {
            let int8 = int8.map(Cow::Borrowed);
            let (config, tokenizer, weights) =
                (Cow::Borrowed(config), Cow::Borrowed(tokenizer), Cow::Borrowed(&b"w"[..]));
            ModelFiles { name: String::new(), config, tokenizer, weights, int8 }.sha256()
        };
        let all = [files(b"ab", b"c", None), files(b"a", b"bc", None), files(b"ab", b"c", Some(b""))];
        assert!(all.iter().all(|sum| sum.len() == 64));
        assert!(all[0] != all[1] && all[0] != all[2] && all[1] != all[2], "{all:?}");
        assert_eq!(all[0], files(b"ab", b"c", None));
    }
}
