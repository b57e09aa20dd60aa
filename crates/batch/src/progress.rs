//! How far a run is: counters that anybody may look at while it works, and events that are told as they happen. The
//! library prints nothing.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Tally;

/// Something that happened in a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A shard's output is in its place.
    Committed {
        /// The shard.
        shard: usize,
        /// The name of its output.
        output: String,
        /// What is in it.
        tally: Tally,
        /// Whether another runner was faster, so that the work was done twice.
        already: bool,
    },
    /// A shard that was there before anything was done for it.
    Skipped {
        /// The shard.
        shard: usize,
    },
    /// A shard that cannot be read. The others go on.
    Broken {
        /// The shard.
        shard: usize,
        /// What is wrong, with the file's name.
        error: String,
    },
    /// A document that has an error instead of mentions; its row says so, too.
    Failed {
        /// Its file and where it is there.
        place: String,
        /// What is wrong.
        error: String,
    },
    /// The output's store refuses requests to create a name only if it is free: it is asked first whether it is.
    Unconditional,
}

/// How far planning is. Compressed files and CSV are read whole for a plan, others only where they begin or end.
#[derive(Debug, Default)]
pub struct Survey {
    pub(crate) files: AtomicU64,
    pub(crate) bytes: Arc<AtomicU64>,
}

impl Survey {
    /// Files of more than one document that are cut into shards.
    #[must_use]
    pub fn files(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }

    /// Bytes that were read of the inputs, compressed as they are.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

/// Counters of a run, and who is told of events.
pub struct Progress {
    counters: [AtomicU64; Count::ALL],
    listener: Box<dyn Fn(Event) + Send + Sync>,
}

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Count {
    Shards,
    Committed,
    Skipped,
    Broken,
    Already,
    Documents,
    Failed,
    TextBytes,
    PlannedBytes,
    PlannedDone,
    TextDone,
}

impl Count {
    const ALL: usize = Self::TextDone as usize + 1;
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Shards of this worker.
    pub shards: u64,
    /// Shards whose outputs this run put in their places.
    pub committed: u64,
    /// Shards that were there already.
    pub skipped: u64,
    /// Shards that cannot be read.
    pub broken: u64,
    /// Shards that this run computed and another put there first.
    pub already: u64,
    /// Documents that went through the model or failed.
    pub documents: u64,
    /// Documents that failed.
    pub failed: u64,
    /// Bytes of the documents' texts.
    pub text_bytes: u64,
    /// How much of the work is done, 0 to 1; that of shards which were there already is no work.
    pub fraction: f64,
}

impl Progress {
    /// Nothing is done yet; `listener` is told what happens, from any thread, and must not wait.
    pub fn new(listener: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self { counters: [const { AtomicU64::new(0) }; Count::ALL], listener: Box::new(listener) }
    }

    /// The counters now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let get = |count: Count| self.counters[count as usize].load(Ordering::Relaxed);
        let (planned, done) = (get(Count::PlannedBytes), get(Count::PlannedDone));
        let (text, text_done) = (get(Count::TextBytes), get(Count::TextDone));
        // Planning knows the bytes of files, of which text is a part; how large a part is seen in what is done.
        let ratio = if text_done > 0 { done as f64 / text_done as f64 } else { 1.0 };
        let under_way = text.saturating_sub(text_done) as f64 * ratio;
        let fraction = if planned == 0 { 1.0 } else { ((done as f64 + under_way) / planned as f64).min(1.0) };
        Snapshot {
            shards: get(Count::Shards),
            committed: get(Count::Committed),
            skipped: get(Count::Skipped),
            broken: get(Count::Broken),
            already: get(Count::Already),
            documents: get(Count::Documents),
            failed: get(Count::Failed),
            text_bytes: text,
            fraction,
        }
    }

    pub(crate) fn add(&self, count: Count, more: u64) {
        self.counters[count as usize].fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn take(&self, count: Count, less: u64) {
        self.counters[count as usize].fetch_sub(less, Ordering::Relaxed);
    }

    pub(crate) fn tell(&self, event: Event) {
        (self.listener)(event);
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_by_what_was_done() {
        let progress = Progress::new(|_| {});
        assert!((progress.snapshot().fraction - 1.0).abs() < 1e-9, "no work is done work");
        progress.add(Count::PlannedBytes, 1000);
        progress.add(Count::TextBytes, 100);
        assert!((progress.snapshot().fraction - 0.1).abs() < 1e-9);
        // A shard of 500 bytes in its file had 100 of text: half is done, and 50 more of text are a quarter more.
        progress.add(Count::PlannedDone, 500);
        progress.add(Count::TextDone, 100);
        assert!((progress.snapshot().fraction - 0.5).abs() < 1e-9);
        progress.add(Count::TextBytes, 50);
        assert!((progress.snapshot().fraction - 0.75).abs() < 1e-9);
    }
}
