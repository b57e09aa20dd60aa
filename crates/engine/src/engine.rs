//! The handle that callers hold: start, submit, ask how it is.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use dateline_model::Precision;
use dateline_text::Label;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};

use crate::item::{Failure, Job, Lane, Outcome, Overloaded, Request};
use crate::metrics::EngineMetrics;
use crate::model::{Description, Model, ModelFailure, Piece};
use crate::shared::Shared;

/// Bytes of text that one permit of the queue stands for.
const ROOM_UNIT: usize = 1 << 10;
/// How many budgets of tokens one caller of [`Engine::annotate_all`] has on its way, at about four bytes a token.
const BUDGETS_PER_CALLER: usize = 16;

/// A model under the name that callers use, loaded once on each device.
#[derive(Debug)]
pub struct EngineModel<M> {
    /// Its name.
    pub name: String,
    /// One for each device, in the devices' order.
    pub replicas: Vec<M>,
}

/// How the engine works.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// The devices, by the names that operators know them by: `cpu`, `cuda:0`.
    pub devices: Vec<String>,
    /// The most tokens of a batch. A single window always fits.
    pub max_batch_tokens: usize,
    /// Threads that tokenise and decode.
    pub text_threads: usize,
    /// Bytes of text that may wait in each lane. A longer text fits when nothing else waits.
    pub queue_bytes: usize,
}

impl Default for EngineOptions {
    /// One CPU, batches of 1,024 tokens, a text thread for every core (two at least), 64 MiB in each lane.
    fn default() -> Self {
        Self {
            devices: vec!["cpu".to_owned()],
            max_batch_tokens: 1024,
            text_threads: thread::available_parallelism().map_or(2, usize::from).max(2),
            queue_bytes: 64 << 20,
        }
    }
}

/// Why the engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A thread cannot be started.
    #[error("cannot start a thread of the engine: {0}")]
    Thread(#[from] io::Error),
    /// There is no model, or one that is not loaded on every device.
    #[error("{0}")]
    Models(String),
}

/// What callers may know of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: Vec<Label>,
    /// Its architecture.
    pub architecture: String,
    /// Most tokens of a window.
    pub window_tokens: usize,
    /// How exactly it computes, on the first device.
    pub precision: Precision,
}

/// How a device's thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceState {
    /// It has not answered its first text yet.
    Starting,
    /// It takes batches.
    Ready,
    /// It panicked and is started again.
    Restarting,
    /// It was started again several times and did not get ready; it is tried again now and then.
    Failing,
}

/// A device and how its thread is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceStatus {
    /// Its name.
    pub device: String,
    /// How its thread is.
    pub state: DeviceState,
}

/// The way to the models. Clones share it; when the last one is gone, what waits is failed and the threads end.
#[derive(Clone)]
pub struct Engine {
    handle: Arc<Handle>,
}

struct Handle {
    core: Arc<dyn Core>,
    models: Vec<ModelInfo>,
    devices: Vec<String>,
    states: watch::Receiver<Vec<DeviceState>>,
    metrics: EngineMetrics,
    room: [Arc<Semaphore>; 2],
    room_units: usize,
    share_bytes: usize,
}

/// The engine behind its handle, whatever its models are.
trait Core: Send + Sync {
    fn submit(&self, job: Job);
    fn overloaded(&self, lane: Lane) -> Overloaded;
    fn pieces(&self, model: usize, text: &str) -> Result<Vec<Piece>, ModelFailure>;
    fn stop(&self);
}

impl<M: Model> Core for Shared<M> {
    fn submit(&self, job: Job) {
        let mut state = self.state();
        let lane = job.request.lane as usize;
        state.waiting_bytes[lane] += job.request.text.len();
        state.waiting[lane].push_back(job);
        self.show(&state);
        drop(state);
        self.text_work.notify_one();
    }

    fn overloaded(&self, lane: Lane) -> Overloaded {
        let state = self.state();
        // English has about four bytes a token.
        let tokens = state.waiting_bytes[lane as usize] / 4 + state.ready.tokens(lane);
        Overloaded { retry_after: state.speed.time_for(tokens) }
    }

    fn pieces(&self, model: usize, text: &str) -> Result<Vec<Piece>, ModelFailure> {
        self.models[model].replicas[0].pieces(text)
    }

    fn stop(&self) {
        Self::stop(self);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.core.stop();
    }
}

/// A text on its way. Dropping it takes the text out of the engine, wherever it is.
#[derive(Debug)]
pub struct Pending {
    reply: oneshot::Receiver<Outcome>,
    deadline: Option<Instant>,
}

impl Pending {
    /// What came of the text; at the latest when its deadline has passed.
    ///
    /// # Errors
    /// [`Failure`]: the model's, the deadline's or the engine's.
    pub async fn outcome(self) -> Outcome {
        let reply = async { self.reply.await.unwrap_or(Err(Failure::Stopped)) };
        match self.deadline {
            Some(deadline) => tokio::time::timeout_at(deadline.into(), reply).await.unwrap_or(Err(Failure::Deadline)),
            None => reply.await,
        }
    }
}

impl Engine {
    /// Starts the threads; they warm the models up and are ready when [`Engine::is_ready`] says so.
    ///
    /// # Errors
    /// [`EngineError`] if a thread cannot be started, or if models and devices do not fit each other.
    pub fn start<M: Model>(models: Vec<EngineModel<M>>, options: EngineOptions) -> Result<Self, EngineError> {
        let EngineOptions { devices, max_batch_tokens, text_threads, queue_bytes } = options;
        if models.is_empty() || devices.is_empty() {
            return Err(EngineError::Models("the engine needs a model and a device".to_owned()));
        }
        if let Some(model) = models.iter().find(|model| model.replicas.len() != devices.len()) {
            let (name, replicas, devices) = (&model.name, model.replicas.len(), devices.len());
            return Err(EngineError::Models(format!(
                "the model {name} is loaded {replicas} times for {devices} devices"
            )));
        }
        let infos = models.iter().map(|model| {
            let Description { architecture, window_tokens, precision } = model.replicas[0].describe();
            let labels = model.replicas[0].labels().to_vec();
            let (name, architecture) = (model.name.clone(), architecture.to_owned());
            ModelInfo { name, labels, architecture, window_tokens, precision }
        });
        let infos = infos.collect();
        let text_threads = text_threads.max(2);
        let shared = Arc::new(Shared::new(models, devices.clone(), max_batch_tokens.max(1), text_threads));
        let room_units = (queue_bytes / ROOM_UNIT).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        let handle = Handle {
            core: Arc::clone(&shared) as Arc<dyn Core>,
            models: infos,
            states: shared.states.subscribe(),
            metrics: shared.metrics.clone(),
            room: [(); 2].map(|()| Arc::new(Semaphore::new(room_units))),
            room_units,
            share_bytes: (BUDGETS_PER_CALLER * max_batch_tokens * 4).max(64 << 10),
            devices,
        };
        // From here on the handle stops the threads that were started, should a later one fail.
        for device in 0..handle.devices.len() {
            let own = Arc::clone(&shared);
            let name = format!("dateline-sup-{device}");
            thread::Builder::new().name(name).spawn(move || own.supervise(device))?;
        }
        for index in 0..text_threads {
            let own = Arc::clone(&shared);
            thread::Builder::new().name(format!("dateline-text-{index}")).spawn(move || own.read_texts())?;
        }
        Ok(Self { handle: Arc::new(handle) })
    }

    /// The models, the default one first.
    #[must_use]
    pub fn models(&self) -> &[ModelInfo] {
        &self.handle.models
    }

    /// The devices and how they are.
    #[must_use]
    pub fn devices(&self) -> Vec<DeviceStatus> {
        let states = self.handle.states.borrow();
        let status = |(device, state): (&String, &DeviceState)| DeviceStatus { device: device.clone(), state: *state };
        self.handle.devices.iter().zip(states.iter()).map(status).collect()
    }

    /// Whether every device is warm.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.handle.states.borrow().iter().all(|state| *state == DeviceState::Ready)
    }

    /// Whether no device can be brought to work. What is submitted is failed.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.handle.states.borrow().iter().all(|state| *state == DeviceState::Failing)
    }

    /// Changes of the devices' states, in the devices' order.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Vec<DeviceState>> {
        self.handle.states.clone()
    }

    /// Completes when every device is warm.
    pub async fn ready(&self) {
        let mut states = self.watch();
        // The sender lives as long as this handle.
        let _ = states.wait_for(|states| states.iter().all(|state| *state == DeviceState::Ready)).await;
    }

    /// What the engine counts.
    #[must_use]
    pub fn metrics(&self) -> &EngineMetrics {
        &self.handle.metrics
    }

    /// Tokens of all models that went through the devices in a lane so far, special tokens included.
    #[must_use]
    pub fn tokens(&self, lane: Lane) -> u64 {
        let Handle { devices, models, metrics, .. } = &*self.handle;
        let pairs = devices.iter().flat_map(|device| models.iter().map(move |model| (device, model)));
        pairs.map(|(device, model)| metrics.tokens(device, &model.name, lane)).sum()
    }

    /// The tokens of a text. Blocks for as long as tokenising takes.
    ///
    /// # Errors
    /// [`ModelFailure`] if the tokeniser fails.
    pub fn pieces(&self, model: usize, text: &str) -> Result<Vec<Piece>, ModelFailure> {
        self.handle.core.pieces(model, text)
    }

    /// Whether a lane has room for at least a short text.
    ///
    /// # Errors
    /// [`Overloaded`] if it has none.
    pub fn has_room(&self, lane: Lane) -> Result<(), Overloaded> {
        if self.room(lane).available_permits() > 0 { Ok(()) } else { Err(self.handle.core.overloaded(lane)) }
    }

    /// Hands a text over if there is room for it now.
    ///
    /// # Errors
    /// [`Overloaded`] if there is none.
    pub fn try_submit(&self, request: Request) -> Result<Pending, Overloaded> {
        let room = self.room(request.lane);
        match Arc::clone(room).try_acquire_many_owned(self.units(&request)) {
            Ok(room) => Ok(self.enter(request, room)),
            Err(_) => Err(self.handle.core.overloaded(request.lane)),
        }
    }

    /// Hands a text over as soon as there is room for it.
    pub async fn submit(&self, request: Request) -> Pending {
        let room = Arc::clone(self.room(request.lane)).acquire_many_owned(self.units(&request)).await;
        self.enter(request, room.expect("the queue's room is never closed"))
    }

    /// Annotates any number of texts of one caller, of which only its share is on the way at a time; the outcomes are
    /// in the texts' order.
    pub async fn annotate_all(&self, requests: Vec<Request>) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(requests.len());
        let mut ahead: VecDeque<(usize, Pending)> = VecDeque::new();
        let mut bytes = 0;
        for request in requests {
            let length = request.text.len();
            while bytes + length > self.share_bytes()
                && let Some((length, pending)) = ahead.pop_front()
            {
                outcomes.push(pending.outcome().await);
                bytes -= length;
            }
            bytes += length;
            let pending = self.submit(request).await;
            ahead.push_back((length, pending));
        }
        for (_, pending) in ahead {
            outcomes.push(pending.outcome().await);
        }
        outcomes
    }

    /// Bytes of text that one bulk caller should have on the way at a time: enough to keep the devices busy, not so
    /// much that another caller waits long behind it.
    #[must_use]
    pub fn share_bytes(&self) -> usize {
        self.handle.share_bytes
    }

    fn room(&self, lane: Lane) -> &Arc<Semaphore> {
        &self.handle.room[lane as usize]
    }

    fn units(&self, request: &Request) -> u32 {
        let units = request.text.len().div_ceil(ROOM_UNIT).clamp(1, self.handle.room_units);
        u32::try_from(units).expect("the room was made to fit")
    }

    fn enter(&self, request: Request, room: OwnedSemaphorePermit) -> Pending {
        let (reply, receiver) = oneshot::channel();
        let deadline = request.deadline;
        self.handle.core.submit(Job { request, submitted: Instant::now(), room, reply });
        Pending { reply: receiver, deadline }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("models", &self.models()).field("devices", &self.devices()).finish()
    }
}
