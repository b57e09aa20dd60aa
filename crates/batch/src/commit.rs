//! Puts an output in its place: written aside, then given its name if nothing has that name yet. What a name stands for is
//! the same whoever makes it, so "it is there already" is success.
//!
//! In a folder, an output grows under a name with a dot and is linked to its own when it is whole and on the disk. The
//! writer holds a lock on it, which ends with its process however that ends: a file aside that nobody has locked is
//! rubbish, and the next run removes it. In an object store, an output is sent in one conditional request, from memory:
//! stores have no way to put together a large object and then give it a name only if that is free.

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::Path as FilePath;
use std::sync::atomic::{AtomicBool, Ordering};

use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload};
use tempfile::NamedTempFile;

use crate::error::{broke_off, with_causes};
use crate::{BatchError, Location, Object};

/// What files begin with that are still being written.
const ASIDE: &str = ".dateline-";
/// Bytes of a piece of what is sent to a store.
const PIECE: usize = 1 << 20;
/// How often an output is sent when the connection breaks each time.
const SENDINGS: usize = 10;
/// Bytes that are gathered before they go to a file.
const BUFFER: usize = 1 << 18;

/// The place of all outputs of a plan.
#[derive(Debug)]
pub struct Output {
    location: Location,
    /// Whether the store was found to refuse requests to create a name only if it is free.
    unconditional: AtomicBool,
    /// Whether somebody was told.
    told: AtomicBool,
}

/// An output on its way: written to, then committed. Dropped, it leaves nothing.
#[derive(Debug)]
pub(crate) enum Sink {
    /// A file beside its place.
    Aside(BufWriter<NamedTempFile>),
    /// What will be sent.
    Memory(Vec<u8>),
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Aside(file) => file.write(bytes),
            Self::Memory(memory) => memory.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Aside(file) => file.flush(),
            Self::Memory(_) => Ok(()),
        }
    }
}

/// What came of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Committed {
    /// It is there by us.
    Ours,
    /// Somebody else was faster; ours was the same.
    Already,
}

impl Output {
    /// The outputs at `location`. A folder is made if it is not there.
    ///
    /// # Errors
    /// [`BatchError::Place`] if that cannot be done, or if nothing can be written there.
    pub fn open(location: Location) -> Result<Self, BatchError> {
        if let Some(folder) = &location.local {
            let refused = |error| BatchError::io("cannot write to", &location.name, &error);
            fs::create_dir_all(folder).map_err(refused)?;
            // Better now than when the first shard is done.
            drop(aside(folder).map_err(refused)?);
        }
        Ok(Self::at(location))
    }

    /// The outputs at `location`, to be read; nothing is made there.
    #[must_use]
    pub const fn at(location: Location) -> Self {
        Self { location, unconditional: AtomicBool::new(false), told: AtomicBool::new(false) }
    }

    /// Where they are.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Whether the store refuses to create a name only if it is free, so that two runners may both write an output.
    #[must_use]
    pub fn is_unconditional(&self) -> bool {
        self.unconditional.load(Ordering::Relaxed)
    }

    /// [`Self::is_unconditional`], but true only once: the plan may be what was refused first, before anybody listened.
    pub(crate) fn is_newly_unconditional(&self) -> bool {
        self.is_unconditional() && !self.told.swap(true, Ordering::Relaxed)
    }

    /// Removes what runs that were killed have left aside, and says how many files that were. Never what a living run
    /// writes.
    ///
    /// # Errors
    /// [`BatchError::Place`] if the folder cannot be read.
    pub fn sweep(&self) -> Result<usize, BatchError> {
        let Some(folder) = &self.location.local else { return Ok(0) };
        let mut removed = 0;
        let entries =
            fs::read_dir(folder).map_err(|error| BatchError::io("cannot list", &self.location.name, &error))?;
        for entry in entries.flatten() {
            let is_aside = entry.file_name().to_str().is_some_and(|name| name.starts_with(ASIDE));
            // A file that cannot be opened or locked may be somebody's; a file system without locks keeps its rubbish.
            if is_aside
                && let Ok(file) = File::open(entry.path())
                && file.try_lock().is_ok()
                && fs::remove_file(entry.path()).is_ok()
            {
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// The names and sizes of the files that are there, folders below left out. Of a place that cannot be listed, none.
    ///
    /// # Errors
    /// [`BatchError::Place`] if the output cannot be listed.
    pub async fn files(&self) -> Result<HashMap<String, u64>, BatchError> {
        if !self.location.listable {
            return Ok(HashMap::new());
        }
        let listed = self.location.list_here().await;
        let listed = listed.map_err(|error| BatchError::place("cannot list", &self.location.name, &error))?;
        let files = listed.iter().filter_map(|meta| Some((meta.location.filename()?.to_owned(), meta.size)));
        Ok(files.collect())
    }

    /// Whether the output called `name` is there.
    pub(crate) async fn has(&self, name: &str) -> Result<bool, BatchError> {
        Ok(self.object(name).await?.is_some())
    }

    /// The output called `name`, to be read, if it is there.
    pub(crate) async fn object(&self, name: &str) -> Result<Option<Object>, BatchError> {
        let place = self.location.join(name);
        match place.store.head(&place.path).await {
            Ok(meta) => Ok(Some(Object {
                store: place.store,
                path: place.path,
                name: place.name,
                size: meta.size,
                etag: meta.e_tag,
            })),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(BatchError::place("cannot look for", &place.name, &error)),
        }
    }

    /// The bytes of a small file, if it is there.
    pub(crate) async fn read(&self, name: &str) -> Result<Option<Vec<u8>>, BatchError> {
        let place = self.location.join(name);
        let refused = |error| BatchError::place("cannot read", &place.name, &error);
        match place.store.get(&place.path).await {
            Ok(got) => Ok(Some(got.bytes().await.map_err(refused)?.to_vec())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(refused(error)),
        }
    }

    /// The names of the files in the folder `name`.
    pub(crate) async fn names_in(&self, name: &str) -> Result<Vec<String>, BatchError> {
        let place = self.location.join(name);
        let listed = place.list().await.map_err(|error| BatchError::place("cannot list", &place.name, &error))?;
        let mut names: Vec<_> = listed.iter().filter_map(|meta| Some(meta.location.filename()?.to_owned())).collect();
        names.sort();
        Ok(names)
    }

    /// Removes a marker.
    pub(crate) async fn remove(&self, name: &str) -> Result<(), BatchError> {
        let place = self.location.join(name);
        match place.store.delete(&place.path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(BatchError::place("cannot remove", &place.name, &error)),
        }
    }

    /// Begins an output. Blocks.
    pub(crate) fn begin(&self) -> Result<Sink, BatchError> {
        match &self.location.local {
            Some(folder) => {
                let file = aside(folder);
                let file = file.map_err(|error| BatchError::io("cannot write to", &self.location.name, &error))?;
                Ok(Sink::Aside(BufWriter::with_capacity(BUFFER, file)))
            }
            None => Ok(Sink::Memory(Vec::new())),
        }
    }

    /// Gives an output its name.
    pub(crate) async fn commit(&self, name: &str, sink: Sink) -> Result<Committed, BatchError> {
        let place = self.location.join(name);
        match sink {
            Sink::Aside(file) => {
                let path = place.local.expect("what was begun in a folder ends there");
                let committed = tokio::task::spawn_blocking(move || link(file, &path)).await;
                let committed = committed.map_err(|error| BatchError::Internal(error.to_string()))?;
                committed.map_err(|error| BatchError::io("cannot write", place.name, &error))
            }
            Sink::Memory(bytes) => self.send(&place, payload(bytes)).await,
        }
    }

    /// Writes a small file if there is none of its name.
    pub(crate) async fn create(&self, name: &str, bytes: Vec<u8>) -> Result<Committed, BatchError> {
        let mut sink = self.begin_in(name)?;
        sink.write_all(&bytes).map_err(|error| BatchError::io("cannot write", &self.location.name, &error))?;
        self.commit(name, sink).await
    }

    /// Writes a small file in the place of any that has its name.
    pub(crate) async fn replace(&self, name: &str, bytes: Vec<u8>) -> Result<(), BatchError> {
        let place = self.location.join(name);
        let put = place.store.put(&place.path, payload(bytes)).await;
        put.map(drop).map_err(|error| BatchError::place("cannot write", place.name, &error))
    }

    /// As [`Self::begin`], in the folder of `name`, which may be one below.
    fn begin_in(&self, name: &str) -> Result<Sink, BatchError> {
        if let (Some(folder), Some((below, _))) = (&self.location.local, name.rsplit_once('/')) {
            let refused = |error| BatchError::io("cannot write to", self.location.join(below).name, &error);
            fs::create_dir_all(folder.join(below)).map_err(refused)?;
        }
        self.begin()
    }

    async fn send(&self, place: &Location, payload: PutPayload) -> Result<Committed, BatchError> {
        let refused = |error| BatchError::place("cannot write", &place.name, &error);
        let create = || PutOptions::from(PutMode::Create);
        if !self.is_unconditional() {
            match place.hasty.put_opts(&place.path, payload.clone(), create()).await {
                Ok(_) => return Ok(Committed::Ours),
                Err(object_store::Error::AlreadyExists { .. }) => {
                    // S3 also says so while somebody else's request is under way, which may yet fail.
                    if place.store.head(&place.path).await.is_ok() {
                        return Ok(Committed::Already);
                    }
                }
                Err(error) if is_refusal_of_conditions(&error) => self.unconditional.store(true, Ordering::Relaxed),
                Err(object_store::Error::Generic { .. }) => {}
                Err(error) => return Err(refused(error)),
            }
        }
        let mut left = SENDINGS;
        loop {
            // The answer may have been lost on the way, or the store was busy; asking what is there waits for it to be well.
            match place.store.head(&place.path).await {
                Ok(_) => return Ok(Committed::Already),
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(refused(error)),
            }
            left -= 1;
            let mode = if self.is_unconditional() { PutOptions::default() } else { create() };
            match place.store.put_opts(&place.path, payload.clone(), mode).await {
                Ok(_) => return Ok(Committed::Ours),
                Err(object_store::Error::AlreadyExists { .. }) => return Ok(Committed::Already),
                // The client does not repeat such a request by itself: it might find what it had sent, and call it an error.
                Err(error) if left > 0 && broke_off(&error) => {}
                Err(error) => return Err(refused(error)),
            }
        }
    }
}

/// A file in `folder` that nobody sees as an output yet, locked.
fn aside(folder: &FilePath) -> io::Result<NamedTempFile> {
    loop {
        let mut builder = tempfile::Builder::new();
        // As any other file that is made here: outputs are for others to read.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.prefix(ASIDE).suffix(".tmp").tempfile_in(folder)?;
        match file.as_file().try_lock() {
            // A sweeper may have taken it for rubbish between its making and its locking.
            Ok(()) if !file.path().exists() => {}
            // A file system without locks: nobody sweeps there.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(file),
            // The sweeper is about to remove it.
            Err(TryLockError::WouldBlock) => {}
        }
    }
}

/// Puts a whole file on the disk and gives it its name, if that is free.
fn link(file: BufWriter<NamedTempFile>, path: &FilePath) -> io::Result<Committed> {
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => {
            // Until the folder is on the disk, too, a power cut takes the name back.
            #[cfg(unix)]
            if let Some(folder) = path.parent() {
                File::open(folder)?.sync_all()?;
            }
            Ok(Committed::Ours)
        }
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(Committed::Already),
        Err(error) => Err(error.error),
    }
}

/// The bytes in pieces, so that a client need not copy them to send them.
fn payload(bytes: Vec<u8>) -> PutPayload {
    let bytes = bytes::Bytes::from(bytes);
    (0..bytes.len()).step_by(PIECE).map(|start| bytes.slice(start..bytes.len().min(start + PIECE))).collect()
}

/// Whether the store says that it does not know conditions, and not that something is wrong with this one.
fn is_refusal_of_conditions(error: &object_store::Error) -> bool {
    match error {
        object_store::Error::NotImplemented { .. } | object_store::Error::NotSupported { .. } => true,
        // The client has no kind of error for this status and says it in words.
        object_store::Error::Generic { .. } => {
            let said = with_causes(error);
            said.contains("501 Not Implemented")
                || said.contains("405 Method Not Allowed")
                || said.contains("NotImplemented")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;

    use super::*;
    use crate::Stores;
    use crate::fake_store::{self, FOUND, NONSENSE, NOT_FOUND};

    fn output(folder: &FilePath) -> Output {
        Output::open(Stores::new([]).locate(folder.to_str().unwrap()).unwrap()).unwrap()
    }

    fn remote() -> Output {
        let mut location = Stores::new([]).locate("/out").unwrap();
        location.local = None;
        location.store = Arc::new(InMemory::new());
        location.hasty = Arc::clone(&location.store);
        Output::at(location)
    }

    async fn commit(output: &Output, name: &str, bytes: &[u8]) -> Committed {
        let mut sink = output.begin().unwrap();
        sink.write_all(bytes).unwrap();
        output.commit(name, sink).await.unwrap()
    }

    #[tokio::test]
    async fn the_first_one_wins_and_the_second_is_told() {
        let folder = tempfile::tempdir().unwrap();
        for output in [output(&folder.path().join("new/out")), remote()] {
            assert!(!output.has("a").await.unwrap());
            assert_eq!(commit(&output, "a", b"one").await, Committed::Ours);
            assert_eq!(commit(&output, "a", b"two").await, Committed::Already);
            assert_eq!(output.read("a").await.unwrap().unwrap(), b"one");
            assert_eq!(output.create("_plan/x", b"plan".to_vec()).await.unwrap(), Committed::Ours);
            assert_eq!(output.create("_plan/x", b"other".to_vec()).await.unwrap(), Committed::Already);
            assert_eq!(output.names_in("_plan").await.unwrap(), ["x"]);
            assert_eq!(output.files().await.unwrap(), [("a".to_owned(), 3)].into());
            output.replace("a", b"three".to_vec()).await.unwrap();
            assert_eq!(output.read("a").await.unwrap().unwrap(), b"three");
            output.remove("a").await.unwrap();
            output.remove("a").await.unwrap();
            assert_eq!(output.read("a").await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn a_store_without_conditions_is_asked_first() {
        let output = remote();
        output.unconditional.store(true, Ordering::Relaxed);
        assert_eq!(commit(&output, "a", b"one").await, Committed::Ours);
        assert_eq!(commit(&output, "a", b"two").await, Committed::Already);
        assert_eq!(output.read("a").await.unwrap().unwrap(), b"one");
        assert_eq!([output.is_newly_unconditional(), output.is_newly_unconditional()], [true, false]);
    }

    /// The client repeats no conditional request by itself when the connection breaks.
    #[tokio::test]
    async fn an_output_is_sent_until_an_answer_arrives() {
        let deaf = |method: &str, times| match (method, times) {
            ("PUT", 4) => FOUND.to_owned(),
            ("PUT", _) => NONSENSE.to_owned(),
            _ => NOT_FOUND.to_owned(),
        };
        let output = Output::at(fake_store::s3(deaf).locate("s3://news/out").unwrap());
        assert_eq!(commit(&output, "a", b"one").await, Committed::Ours);
        let forgetful = |method: &str, times| match (method, times) {
            ("PUT", _) => NONSENSE.to_owned(),
            (_, 1) => NOT_FOUND.to_owned(),
            _ => FOUND.to_owned(),
        };
        let output = Output::at(fake_store::s3(forgetful).locate("s3://news/out").unwrap());
        assert_eq!(commit(&output, "a", b"one").await, Committed::Already, "it had arrived");
        assert!(!output.is_unconditional());
    }

    #[tokio::test]
    async fn only_what_nobody_writes_is_swept() {
        let folder = tempfile::tempdir().unwrap();
        let output = output(folder.path());
        let living = output.begin().unwrap();
        fs::write(folder.path().join(".dateline-dead.tmp"), "half").unwrap();
        fs::write(folder.path().join(".gitignore"), "*").unwrap();
        assert_eq!(output.sweep().unwrap(), 1);
        assert_eq!(output.commit("a", living).await.unwrap(), Committed::Ours);
        drop(output.begin().unwrap());
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".gitignore", "a"]);
    }

    #[test]
    fn a_large_output_goes_in_pieces() {
        let bytes: Vec<u8> = (0..PIECE * 2 + 5).map(|n| (n % 251) as u8).collect();
        let pieces = payload(bytes.clone());
        assert_eq!(pieces.iter().count(), 3);
        assert_eq!(bytes::Bytes::from(pieces), bytes);
        assert_eq!(payload(vec![]).content_length(), 0);
    }

    #[test]
    fn refusals_of_conditions_are_known_by_what_stores_say() {
        let generic = |said: &str| object_store::Error::Generic { store: "S3", source: said.into() };
        assert!(is_refusal_of_conditions(&generic("Server returned non-2xx status code: 501 Not Implemented: …")));
        assert!(is_refusal_of_conditions(&object_store::Error::NotImplemented {
            operation: "put".into(),
            implementer: "x".into()
        }));
        assert!(!is_refusal_of_conditions(&generic("Server returned non-2xx status code: 503 Slow Down")));
    }
}
