//! One text on its way through the engine, from the request to the outcome.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use dateline_text::Mention;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// Who goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Somebody looks at the screen and waits.
    Interactive,
    /// Archives and streams: throughput counts.
    Bulk,
}

impl Lane {
    /// Both, the first to be served first.
    pub const ALL: [Self; 2] = [Self::Interactive, Self::Bulk];

    /// Its name in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Bulk => "bulk",
        }
    }
}

/// A text to annotate.
#[derive(Clone, Debug)]
pub struct Request {
    /// The text.
    pub text: Arc<str>,
    /// The index of the model, as in [`crate::Engine::models`].
    pub model: usize,
    /// Who goes first.
    pub lane: Lane,
    /// When its outcome is of no use any more.
    pub deadline: Option<Instant>,
}

/// Why there are no mentions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The model failed, or its thread panicked; the log says why.
    #[error("the model failed on this text")]
    Model,
    /// The deadline passed.
    #[error("the deadline passed before the text was annotated")]
    Deadline,
    /// The engine was stopped.
    #[error("the engine was stopped")]
    Stopped,
}

/// What came of a text.
pub type Outcome = Result<Vec<Mention>, Failure>;

/// There is no room for another text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many texts are waiting; try again in {} s", retry_after.as_secs())]
pub struct Overloaded {
    /// When there may be room again, by what is waiting and how fast it went of late.
    pub retry_after: Duration,
}

/// A text that waits to be read, with its way back.
pub(crate) struct Job {
    pub(crate) request: Request,
    pub(crate) submitted: Instant,
    /// Room in the queue, given back when the job is dropped.
    pub(crate) room: OwnedSemaphorePermit,
    pub(crate) reply: oneshot::Sender<Outcome>,
}

impl Job {
    /// Whether nobody waits for it any more, and why.
    pub(crate) fn moot(&self, now: Instant) -> Option<Moot> {
        // The deadline first: a caller whose time is up leaves by it.
        if self.request.deadline.is_some_and(|deadline| deadline <= now) {
            return Some(Moot::Expired);
        }
        self.reply.is_closed().then_some(Moot::Abandoned)
    }
}

/// Why a text need not be worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moot {
    /// Its caller has left.
    Abandoned,
    /// Its deadline has passed.
    Expired,
    /// It has its outcome already: another of its windows failed.
    Answered,
}

/// A text that was read; its windows go through the devices one by one or together.
pub(crate) struct Item<R> {
    pub(crate) model: usize,
    pub(crate) lane: Lane,
    pub(crate) text: Arc<str>,
    pub(crate) submitted: Instant,
    pub(crate) read: Instant,
    /// Tokens of each window.
    pub(crate) windows: Vec<usize>,
    deadline: Option<Instant>,
    reading: Mutex<R>,
    unplaced: AtomicUsize,
    failed: AtomicBool,
    way_back: Mutex<Option<WayBack>>,
}

struct WayBack {
    reply: oneshot::Sender<Outcome>,
    _room: OwnedSemaphorePermit,
}

impl<R> Item<R> {
    pub(crate) fn new(job: Job, reading: R, windows: Vec<usize>) -> Self {
        let Job { request, submitted, room, reply } = job;
        Self {
            model: request.model,
            lane: request.lane,
            text: request.text,
            submitted,
            read: Instant::now(),
            unplaced: AtomicUsize::new(windows.len()),
            windows,
            deadline: request.deadline,
            reading: Mutex::new(reading),
            failed: AtomicBool::new(false),
            way_back: Mutex::new(Some(WayBack { reply, _room: room })),
        }
    }

    /// As [`Job::moot`].
    pub(crate) fn moot(&self, now: Instant) -> Option<Moot> {
        if self.failed.load(Ordering::Acquire) {
            return Some(Moot::Answered);
        }
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            return Some(Moot::Expired);
        }
        let left = locked(&self.way_back).as_ref().is_none_or(|way_back| way_back.reply.is_closed());
        left.then_some(Moot::Abandoned)
    }

    /// What was read. A thread that panicked while it held it has failed the text, so nobody sees what it left.
    pub(crate) fn reading(&self) -> MutexGuard<'_, R> {
        locked(&self.reading)
    }

    /// Notes that a window was placed, and says whether it was the last.
    pub(crate) fn placed_last(&self) -> bool {
        self.unplaced.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Gives the outcome to who waits for it. Only the first counts; it says whether somebody still waited.
    pub(crate) fn answer(&self, outcome: Outcome) -> Option<bool> {
        if outcome.is_err() {
            self.failed.store(true, Ordering::Release);
        }
        let way_back = locked(&self.way_back).take();
        way_back.map(|way_back| way_back.reply.send(outcome).is_ok())
    }
}

impl<R> fmt::Debug for Item<R> {
    /// Without the text: this may end in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Item").field("lane", &self.lane).field("windows", &self.windows.len()).finish_non_exhaustive()
    }
}

/// Locks, even if a thread panicked while it held the lock: each value behind such a lock is valid between any two of
/// its changes.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
