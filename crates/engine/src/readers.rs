//! The text threads: they cut texts into windows before the model, and decode logits after it, so that a device's
//! thread does neither.
//!
//! What is nearest to a caller's answer goes first: decoding before reading, interactive before bulk. Bulk texts are
//! read only so far ahead as the devices need, which bounds the memory of what was read; and one thread always stays
//! free of them, because a single text may keep a thread for seconds.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use crate::item::{Failure, Item, Job, Lane, Moot};
use crate::metrics::{Left, Phase};
use crate::model::Model;
use crate::shared::{Shared, State};

/// How many budgets of tokens of bulk texts are read ahead of each device.
const READ_AHEAD: usize = 4;

/// A text that was read takes some hundred bytes a token. Beyond so many tokens of a lane only short texts are read: a
/// few of the longest texts there are may wait, a queue of them may not.
const MOST_READ_TOKENS: usize = 2 << 20;

/// What a text thread does next.
enum Work<R> {
    Decode(Arc<Item<R>>),
    Read(Job),
}

impl<R> Work<R> {
    fn lane(&self) -> Lane {
        match self {
            Self::Decode(item) => item.lane,
            Self::Read(job) => job.request.lane,
        }
    }
}

impl<M: Model> Shared<M> {
    /// A text thread's life.
    pub(crate) fn read_texts(&self) {
        while let Some(work) = self.next_work() {
            let lane = work.lane();
            match work {
                Work::Decode(item) => self.decode(&item),
                Work::Read(job) => self.read(job),
            }
            if lane == Lane::Bulk {
                self.state().bulk_readers -= 1;
                self.text_work.notify_one();
            }
        }
    }

    /// Waits for work; `None` when the engine stops.
    fn next_work(&self) -> Option<Work<M::Reading>> {
        let mut state = self.state();
        loop {
            if let Some(work) = self.pick(&mut state) {
                if work.lane() == Lane::Bulk {
                    state.bulk_readers += 1;
                }
                self.show(&state);
                return Some(work);
            }
            if state.stopping {
                return None;
            }
            state = self.text_work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn pick(&self, state: &mut State<M::Reading>) -> Option<Work<M::Reading>> {
        for lane in Lane::ALL {
            if lane == Lane::Bulk && state.bulk_readers + 1 >= self.text_threads {
                return None;
            }
            if let Some(item) = state.placed[lane as usize].pop_front() {
                return Some(Work::Decode(item));
            }
            let enough = READ_AHEAD * self.budget * self.devices.len();
            if lane == Lane::Bulk && state.ready.ahead(lane, self.budget) >= enough {
                continue;
            }
            let only_short = state.ready.tokens(lane) >= MOST_READ_TOKENS;
            if let Some(job) = state.next_job(lane, only_short) {
                return Some(Work::Read(job));
            }
        }
        None
    }

    fn read(&self, job: Job) {
        let begun = Instant::now();
        if let Some(moot) = job.moot(begun) {
            return self.skip_unread(job, moot);
        }
        let model = &self.models[job.request.model].replicas[0];
        let lane = job.request.lane;
        self.metrics.phase(Phase::Queue, lane, begun.saturating_duration_since(job.submitted));
        let read = catch_unwind(AssertUnwindSafe(|| {
            let reading = model.read(&job.request.text)?;
            let windows = model.windows(&reading);
            Ok::<_, crate::ModelFailure>((reading, windows))
        }));
        self.metrics.phase(Phase::Read, lane, begun.elapsed());
        match read {
            Ok(Ok((reading, windows))) => {
                let item = Arc::new(Item::new(job, reading, windows));
                if item.windows.is_empty() {
                    return self.decode(&item);
                }
                let mut state = self.state();
                state.ready.push(item);
                self.show(&state);
                drop(state);
                self.device_work.notify_all();
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "a text could not be read");
                self.refuse(job, Failure::Model);
            }
            // The payload may quote the text; the process's panic hook has said where it was.
            Err(_) => {
                tracing::error!("reading a text panicked");
                self.refuse(job, Failure::Model);
            }
        }
    }

    fn skip_unread(&self, job: Job, moot: Moot) {
        match moot {
            Moot::Expired => self.refuse(job, Failure::Deadline),
            Moot::Abandoned | Moot::Answered => {
                let name = &self.models[job.request.model].name;
                self.metrics.text(name, job.request.lane, Left::Abandoned);
            }
        }
    }

    fn decode(&self, item: &Item<M::Reading>) {
        let begun = Instant::now();
        if let Some(moot) = item.moot(begun) {
            return self.skip(item, moot);
        }
        let model = &self.models[item.model].replicas[0];
        let mentions = catch_unwind(AssertUnwindSafe(|| model.mentions(&item.reading(), &item.text)));
        self.metrics.phase(Phase::Decode, item.lane, begun.elapsed());
        if mentions.is_err() {
            tracing::error!("decoding a text panicked");
        }
        self.answer(item, mentions.map_err(|_| Failure::Model));
    }
}
