//! Checksums of a model folder, in the format of `sha256sum`: what was exported is what is loaded.

use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::TrainError;
use crate::parameters::write_atomically;

/// The manifest's file name in a model folder.
pub const MANIFEST: &str = "SHA256SUMS";

/// A file that is not what the manifest says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestFault {
    /// A line is not `<64 hex digits>  <file name>`.
    #[error("line {line} of SHA256SUMS is not a checksum and a file name")]
    Line {
        /// The line, counted from 1.
        line: usize,
    },
    /// The file is not there or cannot be read.
    #[error("{file}: cannot be read ({reason})")]
    Unreadable {
        /// The file's name.
        file: String,
        /// What the system said.
        reason: String,
    },
    /// The file is there, but its content is another.
    #[error("{file}: its content is not what was exported; copy or fetch it again")]
    Changed {
        /// The file's name.
        file: String,
    },
}

/// The SHA-256 of a file, in hexadecimal.
fn digest(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => hasher.update(&buffer[..count]),
        }
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The manifest's line of a file of `folder`.
fn line(folder: &Path, file: &str) -> Result<String, TrainError> {
    let path = folder.join(file);
    Ok(format!("{}  {file}\n", digest(&path).map_err(TrainError::read(&path))?))
}

/// Writes the manifest of `files` in `folder`.
///
/// # Errors
/// [`TrainError::Read`] or [`TrainError::Write`].
pub fn write_manifest(folder: &Path, files: &[&str]) -> Result<(), TrainError> {
    let mut lines = String::new();
    for file in files {
        lines += &line(folder, file)?;
    }
    write_atomically(&folder.join(MANIFEST), lines.as_bytes())
}

/// Brings the manifest of `folder`, if there is one, up to date after `added` was written and after those of `changed`
/// that it lists were: all other lines stay, so that what does not fit them is still found.
///
/// # Errors
/// [`TrainError::Read`] or [`TrainError::Write`].
pub(crate) fn update_manifest(folder: &Path, added: &str, changed: &[&str]) -> Result<(), TrainError> {
    let Some(manifest) = manifest_of(folder)? else { return Ok(()) };
    let mut lines = String::new();
    let mut listed = false;
    for old in manifest.lines() {
        match split(old) {
            Some((_, file)) if file == added || changed.contains(&file) => lines += &line(folder, file)?,
            _ => lines += &format!("{old}\n"),
        }
        listed |= split(old).is_some_and(|(_, file)| file == added);
    }
    if !listed {
        lines += &line(folder, added)?;
    }
    write_atomically(&folder.join(MANIFEST), lines.as_bytes())
}

/// Takes the line of a file that is gone out of the manifest of `folder`, if there is one.
///
/// # Errors
/// What reading and writing it say.
pub(crate) fn drop_from_manifest(folder: &Path, gone: &str) -> Result<(), TrainError> {
    let Some(manifest) = manifest_of(folder)? else { return Ok(()) };
    let stays = |line: &&str| split(line).is_none_or(|(_, file)| file != gone);
    let lines: String = manifest.lines().filter(stays).map(|line| format!("{line}\n")).collect();
    write_atomically(&folder.join(MANIFEST), lines.as_bytes())
}

/// The manifest of `folder`, if it has one.
fn manifest_of(folder: &Path) -> Result<Option<String>, TrainError> {
    let path = folder.join(MANIFEST);
    match std::fs::read_to_string(&path) {
        Ok(manifest) => Ok(Some(manifest)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(TrainError::read(&path)(error)),
    }
}

/// The sum and the file of a manifest's line.
fn split(line: &str) -> Option<(&str, &str)> {
    line.split_once("  ").or_else(|| line.split_once(" *"))
}

/// Checks the files of `folder` against its manifest; an empty list means that all are as exported.
///
/// # Errors
/// [`TrainError::Read`] if there is no manifest.
pub fn verify_manifest(folder: &Path) -> Result<Vec<ManifestFault>, TrainError> {
    let path = folder.join(MANIFEST);
    let manifest = std::fs::read_to_string(&path).map_err(TrainError::read(&path))?;
    let mut faults = Vec::new();
    for (index, line) in manifest.lines().enumerate() {
        // A manifest speaks of its own folder only.
        let Some((sum, file)) = split(line).filter(|(sum, file)| sum.len() == 64 && !file.contains(['/', '\\'])) else {
            faults.push(ManifestFault::Line { line: index + 1 });
            continue;
        };
        let file = file.to_owned();
        match digest(&folder.join(&file)) {
            Ok(found) if found.eq_ignore_ascii_case(sum) => {}
            Ok(_) => faults.push(ManifestFault::Changed { file }),
            Err(error) => faults.push(ManifestFault::Unreadable { file, reason: error.to_string() }),
        }
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_or_missing_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for file in ["a", "b"] {
            std::fs::write(folder.path().join(file), file).unwrap();
        }
        write_manifest(folder.path(), &["a", "b"]).unwrap();
        assert_eq!(verify_manifest(folder.path()).unwrap(), []);
        let manifest = std::fs::read_to_string(folder.path().join(MANIFEST)).unwrap();
        assert!(manifest.starts_with("ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  a\n"));

        std::fs::write(folder.path().join("a"), "other").unwrap();
        std::fs::remove_file(folder.path().join("b")).unwrap();
        let faults = verify_manifest(folder.path()).unwrap();
        assert_eq!(faults[0], ManifestFault::Changed { file: "a".to_owned() });
        assert!(matches!(&faults[1], ManifestFault::Unreadable { file, .. } if file == "b"));

        std::fs::write(folder.path().join(MANIFEST), manifest + "0  ../../etc/passwd\n").unwrap();
        assert!(verify_manifest(folder.path()).unwrap().contains(&ManifestFault::Line { line: 3 }));
    }

    #[test]
    fn what_was_written_later_is_listed_and_nothing_else_is_excused() {
        let folder = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
        write("new", "1");
        update_manifest(folder.path(), "new", &["b"]).unwrap();
        assert!(!folder.path().join(MANIFEST).exists(), "a folder without a manifest gets none");
        for file in ["a", "b"] {
            write(file, file);
        }
        write_manifest(folder.path(), &["a", "b"]).unwrap();
        write("a", "damaged");
        write("b", "with figures");
        for new in ["1", "2"] {
            write("new", new);
            update_manifest(folder.path(), "new", &["b", "c"]).unwrap();
            let faults = verify_manifest(folder.path()).unwrap();
            assert_eq!(faults, [ManifestFault::Changed { file: "a".to_owned() }]);
        }
        let manifest = std::fs::read_to_string(folder.path().join(MANIFEST)).unwrap();
        assert_eq!(manifest.lines().count(), 3, "{manifest}");
    }
}
