//! A store's bytes for code that reads in plain loops: decoders and parsers run on a thread that may block, and the
//! runtime fetches for them.
//!
//! A thread of its own for each part keeps decompression and parsing off the runtime's few threads, and lets gzip,
//! Zstandard, CSV and Parquet be read by the ordinary synchronous decoders.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf, Bytes};
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use object_store::{GetOptions, ObjectStore};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use super::ReadError;
use crate::Object;

/// Fetches for a thread that blocks. Gives up as soon as nobody waits for the thread's results.
#[derive(Clone)]
pub(crate) struct Bridge {
    runtime: Handle,
    abandoned: CancellationToken,
    /// Bytes that came from the store.
    fetched: Arc<AtomicU64>,
}

/// Runs `work` on a thread that may block; what it sends is the stream. Work begins when the stream is first polled,
/// stays at most one item ahead, and ends early when the stream is dropped.
pub(crate) fn stream<T: Send + 'static>(
    name: String,
    work: impl FnOnce(&Bridge, &Outlet<T>) -> Result<(), ReadError> + Send + 'static,
) -> BoxStream<'static, Result<T, ReadError>> {
    counted(name, Arc::default(), work)
}

fn counted<T: Send + 'static>(
    name: String,
    fetched: Arc<AtomicU64>,
    work: impl FnOnce(&Bridge, &Outlet<T>) -> Result<(), ReadError> + Send + 'static,
) -> BoxStream<'static, Result<T, ReadError>> {
    let start = async move {
        let abandoned = CancellationToken::new();
        let bridge = Bridge { runtime: Handle::current(), abandoned: abandoned.clone(), fetched };
        let (sender, receiver) = mpsc::channel(1);
        let outlet = Outlet { sender, name: name.clone() };
        let task = tokio::task::spawn_blocking(move || work(&bridge, &outlet));
        let guard = abandoned.drop_guard();
        // The thread's last word is awaited: a panic must not pass for the end of the rows.
        let end = stream::once(async move {
            let _until_here = guard;
            match task.await {
                Ok(result) => result.err().map(Err),
                Err(error) => Some(Err(ReadError::Broken { name, reason: error.to_string() })),
            }
        });
        ReceiverStream::new(receiver).map(Ok).chain(end.filter_map(std::future::ready))
    };
    stream::once(start).flatten().boxed()
}

/// Runs `work` on a thread that may block and waits for its result.
pub(crate) async fn run<T: Send + 'static>(
    name: String,
    work: impl FnOnce(&Bridge) -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    run_counted(name, Arc::default(), work).await
}

/// As [`run`]; the bytes that are fetched of files that are read through are added to `fetched`.
pub(crate) async fn run_counted<T: Send + 'static>(
    name: String,
    fetched: Arc<AtomicU64>,
    work: impl FnOnce(&Bridge) -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    let mut results = counted(name.clone(), fetched, move |bridge, outlet| outlet.send(work(bridge)?));
    results.next().await.unwrap_or_else(|| Err(ReadError::Broken { name, reason: "no result".to_owned() }))
}

/// Where a working thread puts its results.
pub(crate) struct Outlet<T> {
    sender: mpsc::Sender<T>,
    name: String,
}

impl<T> Outlet<T> {
    /// Hands `item` on, as soon as there is room for it; an error if nobody waits for it any more.
    pub(crate) fn send(&self, item: T) -> Result<(), ReadError> {
        self.sender.blocking_send(item).map_err(|_| abandoned(&self.name))
    }
}

fn abandoned(name: &str) -> ReadError {
    ReadError::Broken { name: name.to_owned(), reason: "nobody waits for it any more".to_owned() }
}

impl Bridge {
    /// The bytes of `range`, all of them.
    pub(crate) fn get(&self, object: &Object, range: Range<u64>) -> Result<Bytes, ReadError> {
        self.wait(object, get(object.clone(), range))
    }

    fn wait<T>(&self, object: &Object, what: impl Future<Output = Result<T, ReadError>>) -> Result<T, ReadError> {
        self.runtime.block_on(async {
            self.abandoned.run_until_cancelled(what).await.unwrap_or_else(|| Err(abandoned(&object.name)))
        })
    }
}

/// The bytes of `range` of exactly the version of the file that was listed.
async fn get(object: Object, range: Range<u64>) -> Result<Bytes, ReadError> {
    if range.is_empty() {
        return Ok(Bytes::new());
    }
    let expected = range.end - range.start;
    let options = GetOptions { if_match: object.etag.clone(), range: Some(range.into()), ..GetOptions::default() };
    let answer = async { object.store.get_opts(&object.path, options).await?.bytes().await };
    match answer.await {
        Ok(bytes) if bytes.len() as u64 == expected => Ok(bytes),
        Ok(_) | Err(object_store::Error::Precondition { .. }) => Err(ReadError::Changed { name: object.name }),
        Err(source) => Err(ReadError::Store { name: object.name, source }),
    }
}

/// How much is asked of a store at once. Large enough that a request's latency is small beside it, small enough that
/// a flaky connection loses little. The first requests are smaller: often only a header is wanted.
const BLOCK: u64 = 4 << 20;
const FIRST_BLOCK: u64 = 256 << 10;

/// A file from some byte on, as a plain reader that is one block ahead.
pub(crate) struct Blocks {
    bridge: Bridge,
    object: Object,
    next: u64,
    block: u64,
    current: Bytes,
    ahead: VecDeque<JoinHandle<Result<Bytes, ReadError>>>,
}

impl Blocks {
    /// The file's bytes from `start` on.
    pub(crate) fn new(bridge: &Bridge, object: &Object, start: u64) -> Self {
        Self {
            bridge: bridge.clone(),
            object: object.clone(),
            next: start,
            block: FIRST_BLOCK,
            current: Bytes::new(),
            ahead: VecDeque::new(),
        }
    }

    fn request(&mut self) {
        let end = (self.next + self.block).min(self.object.size);
        self.block = (self.block * 2).min(BLOCK);
        if self.next < end {
            self.ahead.push_back(self.bridge.runtime.spawn(get(self.object.clone(), self.next..end)));
            self.next = end;
        }
    }

    fn advance(&mut self) -> Result<(), ReadError> {
        if self.ahead.is_empty() {
            self.request();
        }
        let Some(waiting) = self.ahead.pop_front() else { return Ok(()) };
        self.request();
        let name = &self.object.name;
        self.current = self.bridge.wait(&self.object, async {
            let broken =
                |error: tokio::task::JoinError| ReadError::Broken { name: name.clone(), reason: error.to_string() };
            waiting.await.map_err(broken)?
        })?;
        self.bridge.fetched.fetch_add(self.current.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

impl Read for Blocks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = io::BufRead::fill_buf(self)?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.current.advance(count);
        Ok(count)
    }
}

impl io::BufRead for Blocks {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.current.is_empty() {
            self.advance().map_err(io::Error::other)?;
        }
        Ok(&self.current)
    }

    fn consume(&mut self, count: usize) {
        self.current.advance(count);
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        for waiting in &self.ahead {
            waiting.abort();
        }
    }
}

/// The error of a store that went through a decoder as an input/output error.
pub(super) fn from_io(error: io::Error) -> Result<ReadError, io::Error> {
    error.downcast::<ReadError>()
}
