//! The cache on disk, in the layout that the Python library and the `hf-hub` crate share, so that a model fetched by
//! one is there for all:
//!
//! ```text
//! models--owner--name/
//!   blobs/<etag>                        the bytes; <etag>.part while they arrive, <etag>.lock against a second writer
//!   snapshots/<commit>/config.json      a link to a blob
//!   refs/<revision>                     the commit that a branch or tag stood at when it was last fetched
//!   .no_exist/<commit>/int8.safetensors an empty note that the commit has no such file
//! ```
//!
//! A file enters `blobs` by a rename, after its length and (for large files, whose etag is their SHA-256) its digest
//! were checked and its bytes synced: what is there under its own name is whole. Other tools are less careful, so a
//! blob that is named by a SHA-256 is checked each time it is used, at about a second for 1 to 2 GB.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};

use super::error::HubError;

/// The part of the cache that belongs to one model.
pub(super) struct RepoCache {
    folder: PathBuf,
}

/// What the cache says about a file of a snapshot.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cached {
    /// It is there, and whole as far as its name tells.
    Whole,
    /// It is not there.
    Missing,
    /// It is there, but its bytes (in this file) are not those of its name.
    Damaged(PathBuf),
}

impl RepoCache {
    /// The cache of the model `id` (`owner/name`, already checked) in the cache folder `cache`.
    pub(super) fn new(cache: &Path, id: &str) -> Self {
        Self { folder: cache.join(format!("models--{}", id.replace('/', "--"))) }
    }

    /// The folder of a commit's files.
    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.folder.join("snapshots").join(commit)
    }

    /// Where all snapshots are.
    pub(super) fn snapshots(&self) -> PathBuf {
        self.folder.join("snapshots")
    }

    /// The bytes under an etag.
    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        self.folder.join("blobs").join(etag)
    }

    /// The commit that `revision` stands for, as far as the cache knows.
    pub(super) fn commit(&self, revision: &str) -> Option<String> {
        if is_commit(revision) {
            return Some(revision.to_owned());
        }
        let commit = fs::read_to_string(self.folder.join("refs").join(revision)).ok()?;
        Some(commit.trim().to_owned()).filter(|commit| is_plain_name(commit))
    }

    /// Notes that `revision` stands at `commit`.
    pub(super) fn set_commit(&self, revision: &str, commit: &str) -> Result<(), HubError> {
        if self.commit(revision).as_deref() == Some(commit) {
            return Ok(());
        }
        let path = self.folder.join("refs").join(revision);
        let parent = path.parent().expect("a reference lies in the refs folder");
        make_folder(parent)?;
        let new = beside(&path);
        fs::write(&new, commit).and_then(|()| fs::rename(&new, &path)).map_err(|error| trouble(&path, &error))
    }

    /// Whether the hub once said that a commit has no such file.
    pub(super) fn is_absent(&self, commit: &str, file: &str) -> bool {
        self.absence(commit, file).is_file()
    }

    /// Notes that a commit, which never changes, has no such file.
    pub(super) fn set_absent(&self, commit: &str, file: &str) -> Result<(), HubError> {
        let path = self.absence(commit, file);
        make_folder(path.parent().expect("the note lies in its commit's folder"))?;
        File::create(&path).map(drop).map_err(|error| trouble(&path, &error))
    }

    fn absence(&self, commit: &str, file: &str) -> PathBuf {
        self.folder.join(".no_exist").join(commit).join(file)
    }

    /// Looks for a file of a snapshot and checks it against its name.
    pub(super) fn look(&self, commit: &str, file: &str) -> Result<Cached, HubError> {
        let pointer = self.snapshot(commit).join(file);
        let Ok(blob) = pointer.canonicalize() else { return Ok(Cached::Missing) };
        if !blob.is_file() {
            return Ok(Cached::Missing);
        }
        Ok(if self.is_whole(&blob, None)? { Cached::Whole } else { Cached::Damaged(blob) })
    }

    /// Whether a blob has the length and, if it is named by its SHA-256, the bytes that it should have.
    pub(super) fn is_whole(&self, blob: &Path, length: Option<u64>) -> Result<bool, HubError> {
        let found = fs::metadata(blob).map_err(|error| trouble(blob, &error))?.len();
        if length.is_some_and(|length| length != found) {
            return Ok(false);
        }
        match blob.file_name().and_then(|name| name.to_str()).filter(|name| is_sha256(name)) {
            Some(expected) => Ok(sha256(blob)? == expected.to_ascii_lowercase()),
            None => Ok(true),
        }
    }

    /// Makes `file` of the snapshot point at the blob of `etag`.
    pub(super) fn link(&self, commit: &str, file: &str, etag: &str) -> Result<(), HubError> {
        let snapshot = self.snapshot(commit);
        make_folder(&snapshot)?;
        let pointer = snapshot.join(file);
        // Made under another name and moved there: another process never sees the file missing, nor half copied.
        let new = beside(&pointer);
        let _ = fs::remove_file(&new);
        symlink(&Path::new("../../blobs").join(etag), &new)
            .or_else(|_| fs::copy(self.blob(etag), &new).map(drop))
            .and_then(|()| fs::rename(&new, &pointer))
            .map_err(|error| trouble(&pointer, &error))
    }
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(windows)]
fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(target, link)
}

#[cfg(not(any(unix, windows)))]
fn symlink(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A path with something appended to its last part (not replacing what follows a dot, as `with_extension` would).
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// A name beside `path` that no other thread or process uses, for what is to be moved there when it is whole.
fn beside(path: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    with_suffix(path, &format!(".{}-{}.new", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// Makes a folder of the cache.
pub(super) fn make_folder(path: &Path) -> Result<(), HubError> {
    fs::create_dir_all(path).map_err(|error| trouble(path, &error))
}

/// What the system says about a path of the cache.
pub(super) fn trouble(path: &Path, error: &io::Error) -> HubError {
    HubError::Cache { path: path.to_owned(), detail: error.to_string() }
}

/// SHA-256 of a file in lower-case hexadecimal.
pub(super) fn sha256(path: &Path) -> Result<String, HubError> {
    let digest = || -> io::Result<_> {
        let mut file = File::open(path)?;
        let mut digest = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(digest.finalize()),
                read => digest.update(&buffer[..read]),
            }
        }
    };
    let digest = digest().map_err(|error| trouble(path, &error))?;
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether an etag is a SHA-256: the hub's for all large (LFS) files.
pub(super) fn is_sha256(etag: &str) -> bool {
    etag.len() == 64 && etag.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a revision is a full commit, which never moves.
pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a name from outside (an etag, a commit) may become a file name in the cache.
pub(super) fn is_plain_name(name: &str) -> bool {
    (1..=128).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_outside_stay_in_the_cache() {
        for name in ["45a2321a7ecfdaaf60a6c1fd7f5463994cc8907d", "5f3-61c", "a.b_c"] {
            assert!(is_plain_name(name), "{name}");
        }
        for name in ["", "..", ".hidden", "a/b", "a\\b", "a b", "ä", &"a".repeat(129)] {
            assert!(!is_plain_name(name), "{name}");
        }
        assert!(is_commit(&"0af".repeat(14)[..40]) && !is_commit("main") && !is_commit(&"A".repeat(40)));
    }

    #[test]
    fn a_blob_is_whole_only_under_its_own_digest() {
        let folder = tempfile::tempdir().unwrap();
        let cache = RepoCache::new(folder.path(), "a/b");
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let blob = cache.blob(digest);
        make_folder(blob.parent().unwrap()).unwrap();
        fs::write(&blob, "abc").unwrap();
        assert!(cache.is_whole(&blob, Some(3)).unwrap() && cache.is_whole(&blob, None).unwrap());
        assert!(!cache.is_whole(&blob, Some(4)).unwrap());
        cache.link("c0", "model.safetensors", digest).unwrap();
        cache.link("c0", "model.safetensors", digest).unwrap();
        assert_eq!(cache.look("c0", "model.safetensors").unwrap(), Cached::Whole);
        fs::write(&blob, "abd").unwrap();
        assert_eq!(cache.look("c0", "model.safetensors").unwrap(), Cached::Damaged(blob.canonicalize().unwrap()));
        fs::remove_file(&blob).unwrap();
        assert_eq!(cache.look("c0", "model.safetensors").unwrap(), Cached::Missing);
    }

    #[test]
    fn what_a_commit_lacks_is_remembered_for_that_commit() {
        let folder = tempfile::tempdir().unwrap();
        let cache = RepoCache::new(folder.path(), "a/b");
        assert!(!cache.is_absent("c0", "int8.safetensors"));
        cache.set_absent("c0", "int8.safetensors").unwrap();
        cache.set_absent("c0", "int8.safetensors").unwrap();
        assert!(cache.is_absent("c0", "int8.safetensors") && !cache.is_absent("c1", "int8.safetensors"));
    }

    #[test]
    fn a_reference_is_remembered_and_moved() {
        let folder = tempfile::tempdir().unwrap();
        let cache = RepoCache::new(folder.path(), "a/b");
        assert_eq!(cache.commit("refs/pr/1"), None);
        for commit in ["c0", "c1"] {
            cache.set_commit("refs/pr/1", commit).unwrap();
            assert_eq!(cache.commit("refs/pr/1").as_deref(), Some(commit));
        }
        let commit = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(cache.commit(commit).as_deref(), Some(commit));
    }
}
