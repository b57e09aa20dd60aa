//! Whether a model's files are the ones that were published: their SHA-256 sums against the folder's `SHA256SUMS`, the
//! format of `sha256sum`, so that the check works without dateline too.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use dateline_model::BALANCE_FILE;
use sha2::{Digest, Sha256};

use super::embedded;

/// The name of the list of sums in a model folder.
pub(crate) const NAME: &str = "SHA256SUMS";

/// Why a model cannot be said to be the published one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    /// There is nothing to check against.
    #[error("{0} has no {NAME}: only models that come with one can be verified")]
    NoManifest(PathBuf),
    /// The list cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A line of the list is not a sum and a file's name.
    #[error("{NAME}, line {0}: expected 64 hexadecimal digits, two spaces and the name of a file in this folder")]
    BadLine(usize),
}

/// One file of the list and what was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    /// The file's name.
    pub(crate) file: String,
    /// `Ok`, or what is wrong with it.
    pub(crate) result: Result<(), String>,
}

/// Checks every file that the folder's list names.
pub(crate) fn verify_folder(folder: &Path) -> Result<Vec<Verified>, ManifestError> {
    let path = folder.join(NAME);
    if !path.exists() {
        return Err(ManifestError::NoManifest(folder.to_owned()));
    }
    let list = std::fs::read_to_string(&path).map_err(|source| ManifestError::Read { path, source })?;
    verify(&list, |file| {
        let mut hasher = Sha256::new();
        let mut file = BufReader::with_capacity(1 << 16, File::open(folder.join(file))?);
        loop {
            let bytes = file.fill_buf()?;
            if bytes.is_empty() {
                return Ok(hasher.finalize().into());
            }
            hasher.update(bytes);
            let read = bytes.len();
            file.consume(read);
        }
    })
}

/// Checks the model inside the binary; `None` if there is none.
pub(crate) fn verify_embedded() -> Option<Result<Vec<Verified>, ManifestError>> {
    let (list, files) = embedded::SHA256SUMS.zip(embedded::files())?;
    let carried_bytes = |name: &str| match name {
        "config.json" => Some(&files.config),
        "tokenizer.json" => Some(&files.tokenizer),
        "model.safetensors" => Some(&files.weights),
        BALANCE_FILE => files.int8.as_ref(),
        _ => None,
    };
    let results = verify(list, |file| {
        let bytes = carried_bytes(file).ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(Sha256::digest(bytes).into())
    });
    // The card and the figures are listed, but are not what a model is run from.
    Some(results.map(|files| files.into_iter().filter(|file| carried_bytes(&file.file).is_some()).collect()))
}

fn verify(list: &str, sum_of: impl Fn(&str) -> io::Result<[u8; 32]>) -> Result<Vec<Verified>, ManifestError> {
    let lines = list.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            let (expected, file) = parse(line).ok_or(ManifestError::BadLine(index + 1))?;
            let result = match sum_of(file) {
                Ok(sum) if sum == expected => Ok(()),
                Ok(sum) => Err(format!("has sum {}, not the published one", hex(&sum))),
                Err(error) => Err(format!("cannot be read: {error}")),
            };
            Ok(Verified { file: file.to_owned(), result })
        })
        .collect()
}

fn parse(line: &str) -> Option<([u8; 32], &str)> {
    let (sum, file) = line.split_once("  ").or_else(|| line.split_once(" *"))?;
    // A list could otherwise send the check to any file of the machine.
    if file.is_empty() || file.contains(['/', '\\']) || file.starts_with("..") {
        return None;
    }
    Some((unhex(sum)?, file))
}

fn unhex(digits: &str) -> Option<[u8; 32]> {
    let mut sum = [0; 32];
    let digits = digits.as_bytes();
    if digits.len() != 2 * sum.len() {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    for (byte, pair) in sum.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(sum)
}

fn hex(sum: &[u8; 32]) -> String {
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn good_changed_and_missing_files_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("good"), "").unwrap();
        fs::write(folder.path().join("changed"), "x").unwrap();
        fs::write(folder.path().join(NAME), format!("{EMPTY}  good\n{EMPTY} *changed\n\n{EMPTY}  gone\n")).unwrap();
        let results = verify_folder(folder.path()).unwrap();
        let found: Vec<_> = results.iter().map(|checked| (checked.file.as_str(), checked.result.is_ok())).collect();
        assert_eq!(found, [("good", true), ("changed", false), ("gone", false)]);
        assert!(results[1].result.as_ref().unwrap_err().contains("not the published one"));
    }

    #[test]
    fn a_folder_without_a_list_cannot_be_verified() {
        let folder = tempfile::tempdir().unwrap();
        assert!(verify_folder(folder.path()).unwrap_err().to_string().contains("has no SHA256SUMS"));
    }

    /// A list from elsewhere must not make dateline read, or tell the sum of, files outside the model's folder.
    #[test]
    fn a_list_names_files_of_its_folder_only() {
        for line in [format!("{EMPTY}  ../secret"), format!("{EMPTY}  /etc/passwd"), "abc  file".into(), EMPTY.into()] {
            assert!(matches!(verify(&line, |_| Ok([0; 32])), Err(ManifestError::BadLine(1))), "{line}");
        }
    }
}
