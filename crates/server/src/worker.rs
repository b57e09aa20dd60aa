//! One thread that owns the model. Requests hand it chunks of texts over a bounded channel and wait for the answer.
//!
//! The chunk is the unit of fairness: a long batch is cut, and other requests pass between its chunks. A chunk whose
//! request has gone before its turn is skipped. A panic or an error of the model costs only the text it happened on: a
//! failed chunk is tried again text by text, so one bad document does not take its neighbours with it.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use dateline_text::{Label, Mention};
use tokio::sync::{mpsc, oneshot};

use crate::{Annotate, Observer};

/// Most texts of a chunk.
const CHUNK_TEXTS: usize = 32;
/// Bytes at which a chunk is full (a longer text is a chunk of its own): about one forward pass, some tenths of a
/// second on two cores.
const CHUNK_BYTES: usize = 16 << 10;
/// What the model reads before the first request, so that it pays for first-time work and not a caller.
const WARM_UP: &str = "The envoy left Lisbon on Tuesday and reached Montevideo a week later, her office said.";

/// The model failed on a text; the observer was told why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed;

/// What came of one text.
pub(crate) type Outcome = Result<Vec<Mention>, Failed>;

/// The way to the model. Clones share it; the thread ends when the last one is gone.
#[derive(Clone)]
pub(crate) struct Worker {
    jobs: mpsc::Sender<Job>,
    shared: Arc<Shared>,
}

struct Shared {
    annotator: Arc<dyn Annotate>,
    observer: Arc<dyn Observer>,
    ready: AtomicBool,
}

struct Job {
    texts: Vec<Arc<str>>,
    reply: oneshot::Sender<Vec<Outcome>>,
}

/// A chunk on its way. Dropping it before its turn takes it out of the queue.
pub(crate) struct Pending {
    reply: oneshot::Receiver<Vec<Outcome>>,
    texts: usize,
}

impl Pending {
    /// What came of each text of the chunk, in order.
    pub(crate) async fn outcomes(self) -> Vec<Outcome> {
        self.reply.await.unwrap_or_else(|_| vec![Err(Failed); self.texts])
    }
}

impl Worker {
    /// Starts the thread; at most `queue` chunks wait before it.
    pub(crate) fn start(annotator: Arc<dyn Annotate>, queue: usize, observer: Arc<dyn Observer>) -> io::Result<Self> {
        let (jobs, queued) = mpsc::channel(queue.max(1));
        let shared = Arc::new(Shared { annotator, observer, ready: AtomicBool::new(false) });
        let own = Arc::clone(&shared);
        thread::Builder::new().name("dateline-model".to_owned()).spawn(move || own.run(queued))?;
        Ok(Self { jobs, shared })
    }

    /// Whether the model has answered yet.
    pub(crate) fn is_ready(&self) -> bool {
        self.shared.ready.load(Ordering::Acquire)
    }

    /// The model's name.
    pub(crate) fn model(&self) -> &str {
        self.shared.annotator.model()
    }

    /// The labels that the model knows.
    pub(crate) fn labels(&self) -> &[Label] {
        self.shared.annotator.labels()
    }

    /// Puts one chunk into the queue, waiting for a place in it.
    pub(crate) async fn submit(&self, texts: Vec<Arc<str>>) -> Pending {
        let (sender, reply) = oneshot::channel();
        let pending = Pending { reply, texts: texts.len() };
        // Were the thread gone, the job and its sender would be dropped here and every outcome read as failed.
        let _ = self.jobs.send(Job { texts, reply: sender }).await;
        pending
    }

    /// Annotates any number of texts, chunk by chunk. Two chunks are on their way at a time: the model need not wait
    /// for this request, and the queue holds no more than its share of it.
    pub(crate) async fn annotate_all(&self, texts: &[Arc<str>]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(texts.len());
        let mut ahead: Option<Pending> = None;
        let mut rest = texts;
        while !rest.is_empty() {
            let (chunk, later) = rest.split_at(chunk_length(rest));
            rest = later;
            let pending = self.submit(chunk.to_vec()).await;
            if let Some(earlier) = ahead.replace(pending) {
                outcomes.extend(earlier.outcomes().await);
            }
        }
        if let Some(last) = ahead {
            outcomes.extend(last.outcomes().await);
        }
        outcomes
    }
}

/// How many of the first `texts` make a chunk.
fn chunk_length(texts: &[Arc<str>]) -> usize {
    let mut size = ChunkSize::default();
    texts.iter().position(|text| !size.admits(text)).unwrap_or(texts.len())
}

/// Measures a chunk while it is filled.
#[derive(Debug, Default)]
pub(crate) struct ChunkSize {
    texts: usize,
    bytes: usize,
}

impl ChunkSize {
    /// Counts `text` in and says true if there is room for it in the chunk; there always is for the first.
    pub(crate) fn admits(&mut self, text: &str) -> bool {
        let fits = self.texts == 0 || (self.texts < CHUNK_TEXTS && self.bytes + text.len() <= CHUNK_BYTES);
        if fits {
            self.texts += 1;
            self.bytes += text.len();
        }
        fits
    }
}

impl Shared {
    fn run(&self, mut queued: mpsc::Receiver<Job>) {
        self.annotate(&[Arc::from(WARM_UP)]);
        while let Some(job) = queued.blocking_recv() {
            if job.reply.is_closed() {
                continue;
            }
            let outcomes = self.annotate(&job.texts);
            // A caller that left meanwhile does not miss the answer.
            let _ = job.reply.send(outcomes);
        }
    }

    fn annotate(&self, texts: &[Arc<str>]) -> Vec<Outcome> {
        match self.attempt(texts) {
            Ok(mentions) => {
                if !self.ready.swap(true, Ordering::AcqRel) {
                    self.observer.ready();
                }
                mentions.into_iter().map(Ok).collect()
            }
            Err(detail) if texts.len() == 1 => {
                self.observer.model_failed(&detail);
                vec![Err(Failed)]
            }
            Err(_) => texts.iter().flat_map(|text| self.annotate(std::slice::from_ref(text))).collect(),
        }
    }

    /// One call of the model, with its panics caught.
    fn attempt(&self, texts: &[Arc<str>]) -> Result<Vec<Vec<Mention>>, String> {
        let texts: Vec<&str> = texts.iter().map(AsRef::as_ref).collect();
        let answer = catch_unwind(AssertUnwindSafe(|| self.annotator.annotate_all(&texts)))
            .map_err(|payload| format!("the model panicked: {}", panic_message(&*payload)))?
            .map_err(|error| error.to_string())?;
        if answer.len() == texts.len() {
            Ok(answer)
        } else {
            Err(format!("the model gave {} answers to {} texts", answer.len(), texts.len()))
        }
    }
}

fn panic_message(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests;
