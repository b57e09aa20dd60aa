//! A device's owner thread: the only one that runs the encoder there. It packs what is ready, encodes it, hands the
//! logits back to the texts, and lets interactive batches pass in the pauses of a bulk one.
//!
//! A panic of the model ends the thread. What was on it is failed by [`OnDevice`]'s drop, and a supervisor starts a new
//! one, which warms up before it counts as ready; one that keeps panicking is started again less and less often.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use dateline_model::PackedBatch;

use crate::engine::DeviceState;
use crate::item::{Failure, Item, Lane};
use crate::metrics::{BatchSize, Phase};
use crate::model::{Model, ModelFailure};
use crate::queue::Taken;
use crate::shared::Shared;

/// What a model reads before the first request, so that it pays for first-time work and not a caller.
const WARM_UP: &str = "The envoy left Lisbon on Tuesday and reached Montevideo a week later, her office said. ";
/// A device whose start failed so often in a row is not expected to come back soon.
const FAILING: u32 = 3;
/// The longest wait before a thread is started again.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

impl<M: Model> Shared<M> {
    /// The life of the thread that starts a device's threads, one after the other.
    pub(crate) fn supervise(self: &Arc<Self>, device: usize) {
        let name = &self.devices[device];
        let (mut wait, mut failures) = (Duration::ZERO, 0);
        loop {
            let own = Arc::clone(self);
            let thread =
                thread::Builder::new().name(format!("dateline-{name}")).spawn(move || own.serve_device(device));
            match thread.map(thread::JoinHandle::join) {
                Ok(Ok(())) => return,
                // The payload may quote a text; the process's panic hook has said where it was.
                Ok(Err(_)) => tracing::error!(device = %name, "the model's thread panicked and is started again"),
                Err(error) => tracing::error!(device = %name, %error, "the model's thread cannot be started"),
            }
            self.metrics.restarted(name);
            // One that was warm before it ended had met a bad batch: it is the starts that fail which count.
            let was_warm = self.states.borrow()[device] == DeviceState::Ready;
            (wait, failures) = if was_warm { (Duration::ZERO, 0) } else { (wait, failures + 1) };
            self.set_device(device, if failures < FAILING { DeviceState::Restarting } else { DeviceState::Failing });
            // Nobody is left to serve what waits; who waits is told, and not kept until his time is up.
            if self.states.borrow().iter().all(|state| *state == DeviceState::Failing) {
                self.fail_waiting(Failure::Model);
            }
            if !self.rest(wait) {
                return;
            }
            wait = (wait * 2).clamp(Duration::from_millis(100), LONGEST_WAIT);
        }
    }

    /// Waits before the next start; false if the engine was stopped meanwhile.
    fn rest(&self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        let mut state = self.state();
        while !state.stopping {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            state = self.device_work.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }

    /// A device thread's life.
    fn serve_device(&self, device: usize) {
        for model in 0..self.models.len() {
            self.must_work(device, model);
        }
        self.set_device(device, DeviceState::Ready);
        while let Some(taken) = self.next_batch() {
            self.run(device, taken);
        }
    }

    /// Ends the thread if the model does not work on its device, even on a text of ours.
    fn must_work(&self, device: usize, model: usize) {
        if let Err(error) = self.warm_up(device, model) {
            let (device, model) = (&self.devices[device], &self.models[model].name);
            tracing::error!(%device, %model, %error, "the model does not work on the device");
            panic!("the model does not work on the device");
        }
    }

    fn warm_up(&self, device: usize, model: usize) -> Result<(), ModelFailure> {
        let model = &self.models[model].replicas[device];
        let text = WARM_UP.repeat(8);
        let mut reading = model.read(&text)?;
        for window in 0..model.windows(&reading).len() {
            let mut batch = PackedBatch::new();
            model.pack(&reading, window, &mut batch);
            let logits = model.encode(&batch, &|| {})?;
            model.place(&mut reading, window, &logits, 0);
        }
        drop(model.mentions(&reading, &text));
        Ok(())
    }

    /// Waits for a batch; `None` when the engine stops.
    fn next_batch(&self) -> Option<Taken<M::Reading>> {
        let mut state = self.state();
        loop {
            if state.stopping {
                return None;
            }
            if let Some(taken) = state.ready.take(self.budget, false, Instant::now()) {
                self.show(&state);
                drop(state);
                // There is room to read more ahead.
                self.text_work.notify_one();
                return Some(taken);
            }
            state = self.device_work.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// An interactive batch that may pass while a bulk one is in its pause.
    fn passing_batch(&self) -> Option<Taken<M::Reading>> {
        self.state().ready.take(self.budget, true, Instant::now())
    }

    /// Encodes a batch and hands its texts on. An error costs only the texts that it comes back on when each is encoded
    /// alone.
    fn run(&self, device: usize, taken: Taken<M::Reading>) {
        for (item, moot) in &taken.moot {
            self.skip(item, *moot);
        }
        if taken.windows.is_empty() {
            return;
        }
        let mut on_device = OnDevice { shared: self, windows: taken.windows };
        let Err(error) = self.encode(device, &on_device.windows) else {
            return on_device.hand_on();
        };
        tracing::error!(device = %self.devices[device], %error, "the model failed on a batch");
        let windows = std::mem::take(&mut on_device.windows);
        let model = windows.first().map(|(item, _)| item.model);
        // All of them first: should one of them panic, the others are failed, too, and not forgotten.
        let parts = windows.chunk_by(|a, b| Arc::ptr_eq(&a.0, &b.0));
        let parts: Vec<_> = parts.map(|part| OnDevice { shared: self, windows: part.to_vec() }).collect();
        let mut any = false;
        // A text alone in its batch has just failed alone.
        if parts.len() > 1 {
            for part in parts {
                if self.encode(device, &part.windows).is_ok() {
                    part.hand_on();
                    any = true;
                }
            }
        }
        // A device that does not even read our own text is broken, and must not go on failing what others could do.
        if let Some(model) = model.filter(|_| !any) {
            self.must_work(device, model);
        }
    }

    fn encode(&self, device: usize, windows: &[(Arc<Item<M::Reading>>, usize)]) -> Result<(), ModelFailure> {
        let Some((first, _)) = windows.first() else { return Ok(()) };
        let (lane, model) = (first.lane, &self.models[first.model]);
        #[cfg(feature = "fault-injection")]
        assert!(!windows.iter().any(|(item, _)| item.text.contains(crate::PLANTED_PANIC)), "planted");
        let begun = Instant::now();
        let mut batch = PackedBatch::new();
        for (item, window) in windows {
            if *window == 0 {
                self.metrics.phase(Phase::Wait, lane, begun.saturating_duration_since(item.read));
            }
            model.replicas[device].pack(&item.reading(), *window, &mut batch);
        }
        self.metrics.phase(Phase::Pack, lane, begun.elapsed());
        let passed = AtomicU64::new(0);
        let pause = || {
            while lane == Lane::Bulk
                && let Some(taken) = self.passing_batch()
            {
                let begun = Instant::now();
                self.run(device, taken);
                let nanos = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
                passed.fetch_add(nanos, Ordering::Relaxed);
            }
        };
        let begun = Instant::now();
        let logits = model.replicas[device].encode(&batch, &pause)?;
        let passed = Duration::from_nanos(passed.into_inner());
        let time = begun.elapsed().saturating_sub(passed);
        self.metrics.phase(Phase::Encode, lane, time);
        let size = BatchSize { tokens: batch.tokens(), windows: windows.len() };
        self.metrics.batch(&self.devices[device], &model.name, lane, size);
        self.state().speed.add(batch.tokens(), time);
        for ((item, window), rows) in windows.iter().zip(batch.windows()) {
            model.replicas[device].place(&mut item.reading(), *window, &logits, rows.start);
        }
        Ok(())
    }
}

/// Windows on a device. Should they not come back, their texts fail.
struct OnDevice<'s, M: Model> {
    shared: &'s Shared<M>,
    windows: Vec<(Arc<Item<M::Reading>>, usize)>,
}

impl<M: Model> OnDevice<'_, M> {
    /// Their logits are placed: texts that have all of theirs go on to be decoded.
    fn hand_on(mut self) {
        let windows = std::mem::take(&mut self.windows);
        let whole = windows.into_iter().filter(|(item, _)| item.placed_last()).map(|(item, _)| item);
        let mut state = self.shared.state();
        let mut any = false;
        for item in whole {
            state.placed[item.lane as usize].push_back(item);
            any = true;
        }
        drop(state);
        if any {
            self.shared.text_work.notify_all();
        }
    }
}

impl<M: Model> Drop for OnDevice<'_, M> {
    fn drop(&mut self) {
        for (item, _) in self.windows.drain(..) {
            self.shared.answer(&item, Err(Failure::Model));
        }
    }
}
