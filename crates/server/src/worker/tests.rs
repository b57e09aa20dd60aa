//! Order, fairness and failures of the model thread, with a model that stops at a gate: no test waits for the clock.

use std::sync::{Mutex, PoisonError, mpsc as sync_mpsc};

use dateline_text::Span;

use super::*;
use crate::{AnnotateError, Silent};

/// Marks nothing, notes what it reads and in which order, and stops before every call until the gate lets it on.
struct Gated {
    calls: mpsc::UnboundedSender<Vec<String>>,
    gate: Mutex<sync_mpsc::Receiver<()>>,
    labels: Vec<Label>,
}

impl Annotate for Gated {
    fn model(&self) -> &str {
        "gated"
    }

    fn labels(&self) -> &[Label] {
        &self.labels
    }

    fn annotate_all(&self, texts: &[&str]) -> Result<Vec<Vec<Mention>>, AnnotateError> {
        let _ = self.calls.send(texts.iter().map(|&text| text.to_owned()).collect());
        let _ = self.gate.lock().unwrap_or_else(PoisonError::into_inner).recv();
        if texts.iter().any(|text| text.contains("PANIC")) {
            panic!("told to");
        }
        if texts.iter().any(|text| text.contains("FAIL")) {
            return Err("told to".into());
        }
        let mention = |text: &str| Mention::new(Span::new(0, text.len()), Label::new("ALL"), 1.0);
        Ok(texts.iter().map(|text| vec![mention(text)]).collect())
    }
}

struct Bench {
    worker: Worker,
    calls: mpsc::UnboundedReceiver<Vec<String>>,
    gate: Option<sync_mpsc::Sender<()>>,
}

impl Bench {
    fn new() -> Self {
        let (calls, seen) = mpsc::unbounded_channel();
        let (gate, stopped) = sync_mpsc::channel();
        let model = Gated { calls, gate: Mutex::new(stopped), labels: Vec::new() };
        let worker = Worker::start(Arc::new(model), 8, Arc::new(Silent)).unwrap();
        Self { worker, calls: seen, gate: Some(gate) }
    }

    /// Lets every call pass from now on.
    fn open(&mut self) {
        self.gate = None;
    }

    /// Ends the thread and returns the calls that nobody has looked at.
    async fn rest(self) -> Vec<Vec<String>> {
        let Self { worker, mut calls, gate } = self;
        drop(gate);
        drop(worker);
        let mut rest = Vec::new();
        while let Some(call) = calls.recv().await {
            rest.push(call);
        }
        rest
    }
}

fn texts(texts: &[&str]) -> Vec<Arc<str>> {
    texts.iter().map(|&text| Arc::from(text)).collect()
}

#[tokio::test]
async fn is_ready_when_the_warm_up_is_answered() {
    let mut bench = Bench::new();
    assert_eq!(bench.calls.recv().await.unwrap(), [WARM_UP]);
    assert!(!bench.worker.is_ready());
    bench.open();
    let outcomes = bench.worker.annotate_all(&texts(&["one"])).await;
    assert_eq!(outcomes[0].as_ref().unwrap().len(), 1);
    assert!(bench.worker.is_ready());
}

#[tokio::test]
async fn who_left_before_his_turn_is_skipped() {
    let mut bench = Bench::new();
    bench.calls.recv().await.unwrap();
    let first = bench.worker.submit(texts(&["first"])).await;
    let left = bench.worker.submit(texts(&["left"])).await;
    let last = bench.worker.submit(texts(&["last"])).await;
    drop(left);
    bench.open();
    assert!(first.outcomes().await[0].is_ok());
    assert!(last.outcomes().await[0].is_ok());
    assert_eq!(bench.rest().await, [["first"], ["last"]]);
}

#[tokio::test]
async fn a_single_text_passes_between_the_chunks_of_a_batch() {
    let mut bench = Bench::new();
    bench.calls.recv().await.unwrap();
    let batch: Vec<Arc<str>> = (0..CHUNK_TEXTS * 10).map(|n| Arc::from(format!("batch {n}"))).collect();
    let worker = bench.worker.clone();
    let batch = tokio::spawn(async move { worker.annotate_all(&batch).await });
    // One step of the gate lets the warm-up pass; that the model then reads the batch says that the batch is queued.
    bench.gate.as_ref().unwrap().send(()).unwrap();
    assert_eq!(bench.calls.recv().await.unwrap()[0], "batch 0");
    let single = bench.worker.submit(texts(&["single"])).await;
    bench.open();
    assert!(single.outcomes().await[0].is_ok());
    let outcomes = batch.await.unwrap();
    assert_eq!(outcomes.len(), CHUNK_TEXTS * 10);
    assert!(outcomes.iter().all(Result::is_ok));
    let rest = bench.rest().await;
    let turn = rest.iter().position(|call| call == &["single"]).unwrap();
    assert!(turn <= 2, "the single text waited for {turn} of {} chunks", rest.len());
}

#[tokio::test]
async fn a_failure_costs_only_its_own_text() {
    let mut bench = Bench::new();
    bench.open();
    for bad in ["FAIL", "PANIC"] {
        let outcomes = bench.worker.annotate_all(&texts(&["a", bad, "b"])).await;
        assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true], "{bad}");
    }
    assert!(bench.worker.annotate_all(&texts(&["after"])).await[0].is_ok(), "the thread goes on");
}

#[test]
fn chunks_are_bounded_in_texts_and_bytes() {
    let short: Vec<Arc<str>> = vec![Arc::from("x"); CHUNK_TEXTS + 1];
    assert_eq!(chunk_length(&short), CHUNK_TEXTS);
    let long: Arc<str> = Arc::from("x".repeat(CHUNK_BYTES + 1));
    assert_eq!(chunk_length(&[Arc::clone(&long), Arc::from("x")]), 1, "a long text is a chunk of its own");
    assert_eq!(chunk_length(&[Arc::from("x"), long]), 1);
}
