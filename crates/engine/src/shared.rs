//! What the engine's threads share: the queues under one lock, and what never changes.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use crate::engine::{DeviceState, EngineModel};
use crate::item::{Failure, Item, Job, Lane, Moot, Outcome, locked};
use crate::metrics::{EngineMetrics, Left, Phase};
use crate::model::Model;
use crate::queue::Ready;

/// A text of no more bytes takes little memory when it is read.
const SHORT_BYTES: usize = 64 << 10;

/// The engine without its handles.
pub(crate) struct Shared<M: Model> {
    pub(crate) models: Vec<EngineModel<M>>,
    pub(crate) devices: Vec<String>,
    pub(crate) budget: usize,
    pub(crate) text_threads: usize,
    pub(crate) metrics: EngineMetrics,
    pub(crate) states: watch::Sender<Vec<DeviceState>>,
    state: Mutex<State<M::Reading>>,
    /// Wakes text threads.
    pub(crate) text_work: Condvar,
    /// Wakes device threads.
    pub(crate) device_work: Condvar,
}

/// What changes.
pub(crate) struct State<R> {
    /// Texts that wait to be read, by lane.
    pub(crate) waiting: [VecDeque<Job>; 2],
    /// Their bytes.
    pub(crate) waiting_bytes: [usize; 2],
    /// Windows that wait for a device.
    pub(crate) ready: Ready<R>,
    /// Texts that wait to be decoded, by lane.
    pub(crate) placed: [VecDeque<Arc<Item<R>>>; 2],
    /// Text threads that are at work on a bulk text.
    pub(crate) bulk_readers: usize,
    /// No handle is left: finish what there is and end.
    pub(crate) stopping: bool,
    /// How fast tokens went through the devices of late.
    pub(crate) speed: Speed,
}

impl<R> State<R> {
    /// Takes the next text of a lane that may be read: with `only_short`, the first that is short.
    pub(crate) fn next_job(&mut self, lane: Lane, only_short: bool) -> Option<Job> {
        let queue = &mut self.waiting[lane as usize];
        let at = if only_short { queue.iter().position(|job| job.request.text.len() <= SHORT_BYTES)? } else { 0 };
        let job = queue.remove(at)?;
        self.waiting_bytes[lane as usize] -= job.request.text.len();
        Some(job)
    }
}

impl<M: Model> Shared<M> {
    pub(crate) fn new(models: Vec<EngineModel<M>>, devices: Vec<String>, budget: usize, text_threads: usize) -> Self {
        let state = State {
            waiting: [VecDeque::new(), VecDeque::new()],
            waiting_bytes: [0; 2],
            ready: Ready::new(models.len()),
            placed: [VecDeque::new(), VecDeque::new()],
            bulk_readers: 0,
            stopping: false,
            speed: Speed::default(),
        };
        let metrics = EngineMetrics::new();
        devices.iter().for_each(|device| metrics.device(device, false));
        Self {
            states: watch::Sender::new(vec![DeviceState::Starting; devices.len()]),
            models,
            devices,
            budget,
            text_threads,
            metrics,
            state: Mutex::new(state),
            text_work: Condvar::new(),
            device_work: Condvar::new(),
        }
    }

    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, State<M::Reading>> {
        locked(&self.state)
    }

    /// Notes what became of a device's thread.
    pub(crate) fn set_device(&self, device: usize, state: DeviceState) {
        self.metrics.device(&self.devices[device], state == DeviceState::Ready);
        self.states.send_modify(|states| states[device] = state);
    }

    /// Gives a text its outcome and counts it.
    pub(crate) fn answer(&self, item: &Item<M::Reading>, outcome: Outcome) {
        let left = match &outcome {
            Ok(_) => Left::Answered,
            Err(Failure::Deadline) => Left::Expired,
            Err(Failure::Model | Failure::Stopped) => Left::Failed,
        };
        let left = match item.answer(outcome) {
            Some(true) => {
                self.metrics.phase(Phase::Total, item.lane, item.submitted.elapsed());
                left
            }
            Some(false) if matches!(left, Left::Answered) => Left::Abandoned,
            Some(false) => left,
            None => return,
        };
        self.metrics.text(&self.models[item.model].name, item.lane, left);
    }

    /// Counts a text that nobody waits for, and says so to who might still listen.
    pub(crate) fn skip(&self, item: &Item<M::Reading>, moot: Moot) {
        match moot {
            Moot::Expired => self.answer(item, Err(Failure::Deadline)),
            Moot::Abandoned => self.metrics.text(&self.models[item.model].name, item.lane, Left::Abandoned),
            Moot::Answered => {}
        }
    }

    /// As [`Shared::answer`], for a text that was never read.
    pub(crate) fn refuse(&self, job: Job, failure: Failure) {
        let left = if failure == Failure::Deadline { Left::Expired } else { Left::Failed };
        self.metrics.text(&self.models[job.request.model].name, job.request.lane, left);
        // A caller that left meanwhile does not miss the answer.
        let _ = job.reply.send(Err(failure));
    }

    /// Fails all that waits and lets the threads end; what is on a device is finished and then forgotten.
    pub(crate) fn stop(&self) {
        self.state().stopping = true;
        self.fail_waiting(Failure::Stopped);
        self.text_work.notify_all();
        self.device_work.notify_all();
    }

    /// Fails all that waits for a device.
    pub(crate) fn fail_waiting(&self, failure: Failure) {
        let mut state = self.state();
        let waiting: Vec<Job> = state.waiting.iter_mut().flat_map(|queue| queue.drain(..)).collect();
        state.waiting_bytes = [0; 2];
        let ready = state.ready.drain();
        self.show(&state);
        drop(state);
        waiting.into_iter().for_each(|job| self.refuse(job, failure));
        ready.iter().for_each(|item| self.answer(item, Err(failure)));
    }

    /// Shows how much waits. To be called with the state after it changed.
    pub(crate) fn show(&self, state: &State<M::Reading>) {
        for lane in Lane::ALL {
            self.metrics.waiting(lane, state.waiting[lane as usize].len(), state.ready.tokens(lane));
        }
    }
}

/// Tokens a second over the last batches, with older ones counting less and less.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Speed {
    tokens: f64,
    seconds: f64,
}

impl Speed {
    /// What is left of the past after each batch.
    const MEMORY: f64 = 0.95;

    pub(crate) fn add(&mut self, tokens: usize, time: Duration) {
        self.tokens = self.tokens * Self::MEMORY + tokens as f64;
        self.seconds = self.seconds * Self::MEMORY + time.as_secs_f64();
    }

    /// How long so many tokens may take, by the speed so far.
    pub(crate) fn time_for(&self, tokens: usize) -> Duration {
        if self.tokens == 0.0 {
            return Duration::from_secs(1);
        }
        let seconds = tokens as f64 * self.seconds / self.tokens;
        Duration::from_secs_f64(seconds.clamp(1.0, 60.0).ceil())
    }
}
