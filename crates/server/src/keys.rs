//! Who may call the service: API keys, each with the name of its holder.
//!
//! The file holds no key, only names and SHA-256 hashes ([`KeyFile`]); a key is shown once, when it is made ([`NewKey`]).
//! The service holds the hashes of the file as it last read well ([`KeyStore`]): a file that is broken while it is
//! edited locks nobody out, and says so. What plain SHA-256 trades: it would be far too fast for passwords. These keys
//! are 258 random bits, which no speed helps to guess, and a slow hash would cost every request its time.

mod file;
mod new_key;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

pub use file::{KeyEntry, KeyError, KeyFile};
pub use new_key::NewKey;

/// The hash of a key.
pub(crate) fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// The keys that are let in at one moment.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    entries: Vec<(Arc<str>, [u8; 32])>,
}

impl Keys {
    /// The name of the holder of `presented`; `None` lets nobody in.
    ///
    /// Every entry is compared whole, whether or not one fitted before it, so that the time tells a caller nothing about
    /// which keys there are.
    #[must_use]
    pub fn check(&self, presented: &str) -> Option<Arc<str>> {
        let presented = hash(presented);
        let mut known = Choice::from(0);
        let mut index = 0_u64;
        for (at, (_, hash)) in (0_u64..).zip(&self.entries) {
            let same = hash.ct_eq(&presented);
            index.conditional_assign(&at, same);
            known |= same;
        }
        let (name, _) = self.entries.get(usize::try_from(index).ok()?)?;
        bool::from(known).then(|| Arc::clone(name))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none, so that nobody is let in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl From<&KeyFile> for Keys {
    fn from(file: &KeyFile) -> Self {
        Self { entries: file.entries().iter().map(|entry| (Arc::from(entry.name()), *entry.hash())).collect() }
    }
}

/// The keys of a file, which can be read again while the service runs.
#[derive(Debug)]
pub struct KeyStore {
    path: PathBuf,
    keys: RwLock<Arc<Keys>>,
}

impl KeyStore {
    /// Reads the keys in the file `path`.
    ///
    /// # Errors
    /// [`KeyError`] if the file cannot be read or is not a file of keys.
    pub fn load(path: impl Into<PathBuf>) -> Result<Self, KeyError> {
        let path = path.into();
        let keys = Keys::from(&KeyFile::read(&path)?);
        Ok(Self { path, keys: RwLock::new(Arc::new(keys)) })
    }

    /// Reads the file again and says how many keys there are now.
    ///
    /// # Errors
    /// [`KeyError`] as for [`KeyStore::load`]; the keys stay as they were.
    pub fn reload(&self) -> Result<usize, KeyError> {
        let keys = Keys::from(&KeyFile::read(&self.path)?);
        let count = keys.len();
        // Only a whole `Arc` is ever put in the lock, so one that a panic poisoned still holds good keys.
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
        Ok(count)
    }

    /// The name of the holder of `presented`, if it is one of the keys.
    #[must_use]
    pub fn check(&self, presented: &str) -> Option<Arc<str>> {
        self.keys().check(presented)
    }

    /// The keys as they are now.
    #[must_use]
    pub fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The file that they come from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn two() -> (KeyFile, NewKey, NewKey) {
        let mut file = KeyFile::default();
        let cms = file.add("cms", None).unwrap();
        let archive = file.add("archive", None).unwrap();
        (file, cms, archive)
    }

    #[test]
    fn a_key_names_its_holder() {
        let (file, cms, archive) = two();
        let keys = Keys::from(&file);
        assert_eq!(keys.check(cms.reveal()).as_deref(), Some("cms"));
        assert_eq!(keys.check(archive.reveal()).as_deref(), Some("archive"));
    }

    #[test]
    fn anything_else_is_nobody() {
        let (file, cms, _) = two();
        let keys = Keys::from(&file);
        let cut = &cms.reveal()[..45];
        let stored: String = hash(cms.reveal()).iter().map(|byte| format!("{byte:02x}")).collect();
        for presented in ["", "dl_", "cms", cut, stored.as_str(), &format!("{} ", cms.reveal())] {
            assert_eq!(keys.check(presented), None, "{presented:?}");
        }
        assert_eq!(Keys::default().check(cms.reveal()), None);
    }

    /// An operator who breaks the file while editing it must not lock every caller out.
    #[test]
    fn a_broken_file_leaves_the_old_keys() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let (mut file, cms, archive) = two();
        file.write(&path).unwrap();
        let store = KeyStore::load(&path).unwrap();

        fs::write(&path, "[[keys]]\nname = ").unwrap();
        assert!(store.reload().unwrap_err().to_string().contains("keys.toml"));
        assert_eq!(store.check(cms.reveal()).as_deref(), Some("cms"));

        file.remove("cms").unwrap();
        file.write(&path).unwrap();
        assert_eq!(store.reload().unwrap(), 1);
        assert_eq!(store.check(cms.reveal()), None);
        assert_eq!(store.check(archive.reveal()).as_deref(), Some("archive"));

        fs::write(&path, "").unwrap();
        assert_eq!(store.reload().unwrap(), 0);
        assert_eq!(store.check(archive.reveal()), None);
    }
}
