//! The file of API keys: TOML that a person can read and an editor can edit, with hashes in place of keys.
//!
//! ```toml
//! [[keys]]
//! name = "cms"
//! sha256 = "… 64 hex digits …"
//! created = "2026-11-22"
//! ```
//!
//! It is written to a file beside it that then takes its place, so that a service that reads it never sees half of it.
//! Comments that a person wrote are lost when the program writes it, and of two programs that write at once, the later
//! wins; both are rare enough to be traded for no lock and no second parser.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process;

use serde::{Deserialize, Serialize};

use super::{NewKey, hash};

const HEADER: &str = "\
# The API keys of a Dateline service: who may call it. Only hashes are kept here, no keys.
# Written by `dateline keys add` and `dateline keys remove`; comments of your own would be lost.
";

/// Longer names do not fit a log line or a metric's label.
const LONGEST_NAME: usize = 64;

/// What is wrong with the keys.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read the keys in {}: {source} (`dateline keys add NAME --file FILE` makes a file of keys)", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write the keys to {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is not a file of keys.
    #[error("{} is not a file of keys: {source}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        source: Box<KeyError>,
    },
    /// Not TOML, or a field that is missing, unknown or of the wrong type; the message names the line.
    #[error("{0}")]
    Format(String),
    /// A name that cannot be logged.
    #[error("{0:?} cannot be the name of a key: use 1 to 64 letters, digits, dots, hyphens and underscores")]
    Name(String),
    /// Two keys of one name.
    #[error("there are two keys called {0:?}: remove one, or rename it")]
    DuplicateName(String),
    /// A hash that is none.
    #[error("the sha256 of the key {0:?} is not 64 hexadecimal digits: make the key with `dateline keys add`")]
    Hash(String),
    /// One key under two names: whose request would it be?
    #[error("{0:?} and {1:?} are the same key: make a key for each with `dateline keys add`")]
    DuplicateKey(String, String),
    /// A new key's name is taken.
    #[error("there is a key called {0:?} already: remove it first, or choose another name")]
    Taken(String),
    /// There is no key of that name.
    #[error("there is no key called {0:?}; {1}")]
    Unknown(String, String),
    /// The system gives no randomness.
    #[error("the system gives no random bytes to make a key of: {0}")]
    Random(String),
}

/// One key: whose it is, and its hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    name: String,
    hash: [u8; 32],
    created: Option<String>,
}

impl KeyEntry {
    /// The name of its holder.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The day on which it was made, if the file says it.
    #[must_use]
    pub fn created(&self) -> Option<&str> {
        self.created.as_deref()
    }

    /// The SHA-256 of the key.
    pub(super) fn hash(&self) -> &[u8; 32] {
        &self.hash
    }
}

/// The keys of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyFile {
    entries: Vec<KeyEntry>,
}

/// The file as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    keys: Vec<Row>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    sha256: String,
    created: Option<String>,
}

impl KeyFile {
    /// Reads the file `path`.
    ///
    /// # Errors
    /// [`KeyError::Read`] if it cannot be read, [`KeyError::InFile`] with what is wrong in it.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let text = fs::read_to_string(path).map_err(|source| KeyError::Read { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|error| KeyError::InFile { path: path.to_owned(), source: Box::new(error) })
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// [`KeyError`] with what is wrong in it.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let document: Document = toml::from_str(text).map_err(|error| KeyError::Format(error.to_string()))?;
        let mut file = Self::default();
        for row in document.keys {
            let name = checked_name(row.name)?;
            let hash = from_hex(&row.sha256).ok_or_else(|| KeyError::Hash(name.clone()))?;
            if file.position(&name).is_some() {
                return Err(KeyError::DuplicateName(name));
            }
            if let Some(other) = file.entries.iter().find(|other| other.hash == hash) {
                return Err(KeyError::DuplicateKey(other.name.clone(), name));
            }
            file.entries.push(KeyEntry { name, hash, created: row.created });
        }
        Ok(file)
    }

    /// The keys in the order of the file.
    #[must_use]
    pub fn entries(&self) -> &[KeyEntry] {
        &self.entries
    }

    /// Makes a key for `name`, made on the day `created`.
    ///
    /// # Errors
    /// [`KeyError`] if the name is taken or cannot be one, or if there is no randomness.
    pub fn add(&mut self, name: &str, created: Option<String>) -> Result<NewKey, KeyError> {
        let name = checked_name(name.to_owned())?;
        if self.position(&name).is_some() {
            return Err(KeyError::Taken(name));
        }
        let key = NewKey::random()?;
        self.entries.push(KeyEntry { name, hash: hash(key.reveal()), created });
        Ok(key)
    }

    /// Forgets the key of `name`.
    ///
    /// # Errors
    /// [`KeyError::Unknown`] if there is none.
    pub fn remove(&mut self, name: &str) -> Result<(), KeyError> {
        let Some(position) = self.position(name) else {
            let names: Vec<_> = self.entries.iter().map(KeyEntry::name).collect();
            let there = if names.is_empty() { "there are none".to_owned() } else { names.join(", ") };
            return Err(KeyError::Unknown(name.to_owned(), format!("those that there are: {there}")));
        };
        self.entries.remove(position);
        Ok(())
    }

    /// Writes the keys to the file `path`, whole or not at all. On Unix a new file is its owner's alone; one that was
    /// there keeps its permissions, which may let the service's own user read it.
    ///
    /// # Errors
    /// [`KeyError::Write`].
    pub fn write(&self, path: &Path) -> Result<(), KeyError> {
        replace(path, &self.to_text()).map_err(|source| KeyError::Write { path: path.to_owned(), source })
    }

    fn to_text(&self) -> String {
        let row = |entry: &KeyEntry| Row {
            name: entry.name.clone(),
            sha256: entry.hash.iter().map(|byte| format!("{byte:02x}")).collect(),
            created: entry.created.clone(),
        };
        if self.entries.is_empty() {
            return HEADER.to_owned();
        }
        let document = Document { keys: self.entries.iter().map(row).collect() };
        format!("{HEADER}\n{}", toml::to_string(&document).expect("strings are valid TOML"))
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.name == name)
    }
}

/// `name`, if it can stand in a log line and in a metric's label as it is.
fn checked_name(name: String) -> Result<String, KeyError> {
    let fits = (1..=LONGEST_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if fits { Ok(name) } else { Err(KeyError::Name(name)) }
}

fn from_hex(digits: &str) -> Option<[u8; 32]> {
    if digits.len() != 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut hash = [0; 32];
    for (index, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&digits[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(hash)
}

/// Puts `text` in the place of the file `path` in one step.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    // Through a link to the file itself: it is the file that is replaced, not the link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    let beside = path.with_file_name(format!(".{}.{}.new", name.to_string_lossy(), process::id()));
    let written = write_new(&beside, text).and_then(|()| {
        if let Ok(there) = fs::metadata(&path) {
            keep_owner(&beside, &there)?;
            fs::set_permissions(&beside, there.permissions())?;
        }
        fs::rename(&beside, &path)
    });
    if written.is_err() {
        // What went wrong is said already; a file that cannot be removed either adds nothing to it.
        let _ = fs::remove_file(&beside);
    }
    written
}

/// Gives a new file the owner and group of the old one: a service that may read the one must be able to read the other.
#[cfg(unix)]
fn keep_owner(path: &Path, old: &fs::Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, chown};
    let new = fs::metadata(path)?;
    if (new.uid(), new.gid()) == (old.uid(), old.gid()) {
        return Ok(());
    }
    chown(path, Some(old.uid()), Some(old.gid())).map_err(|error| {
        io::Error::new(
            error.kind(),
            format!("it belongs to somebody else, and {error}: do this as its owner or as root"),
        )
    })
}

#[cfg(not(unix))]
fn keep_owner(_: &Path, _: &fs::Metadata) -> io::Result<()> {
    Ok(())
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As root a new file is root's, and a service that runs as another user could not read it any more.
    #[cfg(unix)]
    #[test]
    fn a_file_keeps_its_owner_and_group() {
        use std::os::unix::fs::{MetadataExt, chown};
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let file = KeyFile::default();
        file.write(&path).unwrap();
        // Only root can give a file away; others have nothing to lose here.
        if chown(&path, Some(12), Some(34)).is_ok() {
            file.write(&path).unwrap();
            let there = fs::metadata(&path).unwrap();
            assert_eq!((there.uid(), there.gid()), (12, 34));
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let mut file = KeyFile::default();
        file.write(&path).unwrap();
        assert_eq!(KeyFile::read(&path).unwrap(), file);
        let key = file.add("cms", Some("2026-11-22".to_owned())).unwrap();
        let _ = file.add("archive", None).unwrap();
        file.write(&path).unwrap();
        assert_eq!(KeyFile::read(&path).unwrap(), file);
        assert!(!fs::read_to_string(&path).unwrap().contains(&key.reveal()[3..]));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside the file");
    }

    #[cfg(unix)]
    #[test]
    fn a_new_file_is_its_owners_and_an_old_one_stays_as_it_was() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        KeyFile::default().write(&path).unwrap();
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        KeyFile::default().write(&path).unwrap();
        assert_eq!(mode(), 0o640);
    }

    #[test]
    fn mistakes_are_named() {
        let (a, b) = ("a".repeat(64), "B".repeat(64));
        let key = |name: &str, sha256: &str| format!("[[keys]]\nname = \"{name}\"\nsha256 = \"{sha256}\"\n");
        let cases = [
            (key("cms", &a) + &key("cms", &b), "two keys called \"cms\""),
            (key("cms", &a) + &key("web", &a), "\"cms\" and \"web\" are the same key"),
            (key("cms", &a[1..]), "64 hexadecimal digits"),
            (key("cms", &("é".repeat(32))), "64 hexadecimal digits"),
            (key("the cms", &a), "letters, digits"),
            (key("", &a), "letters, digits"),
            (key("cms", &a) + "scope = \"all\"\n", "line 4"),
            ("[[key]]\n".to_owned(), "unknown field `key`"),
            ("[[keys]]\nname = \"cms\"\n".to_owned(), "sha256"),
        ];
        for (text, says) in cases {
            let error = KeyFile::parse(&text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
        assert_eq!(KeyFile::parse(&key("cms", &b)).unwrap().entries()[0].hash(), &[0xbb; 32]);
    }

    #[test]
    fn a_name_is_taken_once() {
        let mut file = KeyFile::default();
        let _ = file.add("cms", None).unwrap();
        assert!(matches!(file.add("cms", None), Err(KeyError::Taken(_))));
        assert!(file.remove("web").unwrap_err().to_string().contains("those that there are: cms"));
        file.remove("cms").unwrap();
        assert!(file.entries().is_empty());
    }
}
