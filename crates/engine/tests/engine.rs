//! The engine with threads, and a model that stops at a gate: no test waits for the clock.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap like the tests themselves")]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use dateline_engine::{
    Description, DeviceState, Engine, EngineModel, EngineOptions, Failure, Lane, Model, ModelFailure, Outcome, Piece,
    Request,
};
use dateline_model::{Annotator, ModelFiles, PackedBatch, Precision, RunOptions};
use dateline_text::{Label, Mention, Span};
use tokio::sync::mpsc::UnboundedReceiver;

/// What happens inside the model: a batch of texts, known by their first letters, begins or ends.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Begin(String),
    End(String),
}

/// A token for every letter; windows of ten. Its mentions are the whole text. `!` in a text panics in the encoder, `?`
/// fails there, `#` panics while the text is read, `%` while it is decoded.
struct Letters {
    seen: tokio::sync::mpsc::UnboundedSender<Seen>,
    /// How many pauses a batch has.
    pauses: usize,
    /// Waited at before every pause; open if the sender is gone.
    gate: Mutex<mpsc::Receiver<()>>,
    /// Every batch is an error.
    broken: Arc<AtomicBool>,
    labels: Vec<Label>,
}

const WINDOW: usize = 10;

impl Model for Letters {
    type Reading = Vec<char>;

    fn labels(&self) -> &[Label] {
        &self.labels
    }

    fn describe(&self) -> Description<'_> {
        Description { architecture: "Letters", window_tokens: WINDOW, precision: Precision::F32 }
    }

    fn read(&self, text: &str) -> Result<Vec<char>, ModelFailure> {
        assert!(!text.contains('#'), "told to");
        Ok(text.chars().collect())
    }

    fn windows(&self, reading: &Vec<char>) -> Vec<usize> {
        reading.chunks(WINDOW).map(<[char]>::len).collect()
    }

    fn pack(&self, reading: &Vec<char>, window: usize, batch: &mut PackedBatch) {
        // The engine's own warm-up text is let through.
        let warm_up = reading.iter().take(9).collect::<String>().eq_ignore_ascii_case("the envoy");
        let id = |c: &char| u32::from(if warm_up { 'T' } else { *c });
        let ids: Vec<u32> = reading.chunks(WINDOW).nth(window).unwrap().iter().map(id).collect();
        batch.push(&ids, &vec![0; ids.len()]);
    }

    fn encode(&self, batch: &PackedBatch, pause: &(dyn Fn() + Sync)) -> Result<Vec<f32>, ModelFailure> {
        let letters: String = batch.windows().map(|w| char::from_u32(batch.token_ids[w.start]).unwrap()).collect();
        if !letters.starts_with('T') {
            let _ = self.seen.send(Seen::Begin(letters.clone()));
            for _ in 0..self.pauses {
                let _ = self.gate.lock().unwrap_or_else(PoisonError::into_inner).recv();
                pause();
            }
        }
        assert!(!batch.token_ids.contains(&u32::from('!')), "told to");
        if self.broken.load(Ordering::SeqCst) || batch.token_ids.contains(&u32::from('?')) {
            return Err("told to".into());
        }
        if !letters.starts_with('T') {
            let _ = self.seen.send(Seen::End(letters));
        }
        Ok(vec![1.0; batch.tokens()])
    }

    fn place(&self, reading: &mut Vec<char>, window: usize, _: &[f32], _: usize) {
        let all = window * WINDOW..reading.len().min((window + 1) * WINDOW);
        reading[all].iter_mut().for_each(|c| *c = c.to_ascii_uppercase());
    }

    fn mentions(&self, reading: &Vec<char>, text: &str) -> Vec<Mention> {
        assert!(!text.contains('%'), "told to");
        assert_eq!(reading.iter().collect::<String>(), text.to_ascii_uppercase(), "every window was placed");
        vec![Mention::new(Span::new(0, text.len()), self.labels[0].clone(), 1.0)]
    }

    fn pieces(&self, text: &str) -> Result<Vec<Piece>, ModelFailure> {
        Ok(vec![Piece { token: text.to_owned(), span: Span::new(0, text.len()) }])
    }
}

struct Bench {
    engine: Engine,
    seen: UnboundedReceiver<Seen>,
    gate: Option<mpsc::Sender<()>>,
    broken: Arc<AtomicBool>,
}

impl Bench {
    async fn new(pauses: usize, max_batch_tokens: usize) -> Self {
        let (sender, seen) = tokio::sync::mpsc::unbounded_channel();
        let (gate, stop) = mpsc::channel();
        let labels = vec![Label::new("ALL")];
        let broken = Arc::new(AtomicBool::new(false));
        let model = Letters { seen: sender, pauses, gate: Mutex::new(stop), broken: Arc::clone(&broken), labels };
        let options = EngineOptions { max_batch_tokens, queue_bytes: 4 << 10, ..EngineOptions::default() };
        let models = vec![EngineModel { name: "letters".to_owned(), replicas: vec![model] }];
        let engine = Engine::start(models, options).unwrap();
        engine.ready().await;
        Self { engine, seen, gate: Some(gate), broken }
    }

    fn step(&self) {
        self.gate.as_ref().unwrap().send(()).unwrap();
    }

    async fn begins(&mut self) -> String {
        match self.seen.recv().await.unwrap() {
            Seen::Begin(letters) => letters,
            Seen::End(letters) => panic!("{letters} has come to its end"),
        }
    }

    async fn ask(&self, text: &str, lane: Lane) -> Outcome {
        self.engine.submit(request(text, lane)).await.outcome().await
    }
}

fn request(text: &str, lane: Lane) -> Request {
    Request { text: Arc::from(text), model: 0, lane, deadline: None }
}

fn all(text: &str) -> Outcome {
    Ok(vec![Mention::new(Span::new(0, text.len()), Label::new("ALL"), 1.0)])
}

#[tokio::test]
async fn texts_of_any_length_come_back_whole() {
    let bench = Bench::new(0, 25).await;
    for length in [0, 1, 9, 10, 11, 1000, 12345] {
        let text = "a".repeat(length);
        let expected =
            if length == 0 { Ok(vec![Mention::new(Span::new(0, 0), Label::new("ALL"), 1.0)]) } else { all(&text) };
        for lane in Lane::ALL {
            assert_eq!(bench.ask(&text, lane).await, expected, "{length}");
        }
    }
}

#[tokio::test]
async fn a_caller_of_many_gets_its_outcomes_in_order() {
    let bench = Bench::new(0, 64).await;
    let texts: Vec<String> = (0..500).map(|n| format!("text {n}").repeat(1 + n % 40)).collect();
    let requests = texts.iter().map(|text| request(text, Lane::Bulk)).collect();
    let outcomes = bench.engine.annotate_all(requests).await;
    assert_eq!(outcomes, texts.iter().map(|text| all(text)).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_interactive_text_passes_in_the_middle_of_a_bulk_batch() {
    let mut bench = Bench::new(2, 40).await;
    let bulk = bench.engine.submit(request("bulk", Lane::Bulk)).await;
    assert_eq!(bench.begins().await, "b");
    let quick = bench.engine.submit(request("quick", Lane::Interactive)).await;
    // The bulk batch stops at its first gate until the interactive text is ready for the device.
    while !shown(&bench.engine, "ready_tokens{lane=\"interactive\"} 5") {
        tokio::task::yield_now().await;
    }
    bench.step();
    assert_eq!(bench.begins().await, "q");
    drop(bench.gate.take());
    assert_eq!(bench.seen.recv().await.unwrap(), Seen::End("q".to_owned()));
    assert_eq!(bench.seen.recv().await.unwrap(), Seen::End("b".to_owned()));
    assert_eq!(quick.outcome().await, all("quick"));
    assert_eq!(bulk.outcome().await, all("bulk"));
}

#[tokio::test]
async fn who_left_costs_nothing() {
    let mut bench = Bench::new(1, 4).await;
    let first = bench.engine.submit(request("aaaa", Lane::Bulk)).await;
    assert_eq!(bench.begins().await, "a");
    let left = bench.engine.submit(request("bbbb", Lane::Bulk)).await;
    let late = Request { deadline: Some(Instant::now()), ..request("cccc", Lane::Bulk) };
    let late = bench.engine.submit(late).await;
    let last = bench.engine.submit(request("dddd", Lane::Bulk)).await;
    drop(left);
    assert_eq!(late.outcome().await, Err(Failure::Deadline));
    drop(bench.gate.take());
    assert_eq!(first.outcome().await, all("aaaa"));
    assert_eq!(last.outcome().await, all("dddd"));
    assert_eq!(bench.seen.recv().await.unwrap(), Seen::End("a".to_owned()));
    assert_eq!(bench.begins().await, "d");
    assert!(shown(&bench.engine, "outcome=\"abandoned\"} 1"));
}

#[tokio::test]
async fn a_failure_costs_only_its_own_text() {
    let bench = Bench::new(0, 100).await;
    let texts = ["a", "?", "b", "#", "c", "%", "d"];
    for lane in Lane::ALL {
        let requests = texts.iter().map(|text| request(text, lane)).collect();
        let outcomes = bench.engine.annotate_all(requests).await;
        for (text, outcome) in texts.iter().zip(outcomes) {
            let good = text.chars().all(char::is_alphabetic);
            assert_eq!(outcome, if good { all(text) } else { Err(Failure::Model) }, "{text}");
        }
    }
    assert!(shown(&bench.engine, "device_restarts_total{device=\"cpu\"} 0"));
}

#[tokio::test]
async fn a_thread_that_panics_is_started_again() {
    let mut bench = Bench::new(1, 100).await;
    let front = bench.engine.submit(request("front", Lane::Bulk)).await;
    assert_eq!(bench.begins().await, "f");
    let (bad, beside) =
        (bench.engine.submit(request("b!", Lane::Bulk)).await, bench.engine.submit(request("x", Lane::Bulk)).await);
    while !shown(&bench.engine, "ready_tokens{lane=\"bulk\"} 3") {
        tokio::task::yield_now().await;
    }
    drop(bench.gate.take());
    assert_eq!(front.outcome().await, all("front"));
    assert_eq!(bad.outcome().await, Err(Failure::Model), "its batch is failed");
    assert_eq!(beside.outcome().await, Err(Failure::Model));
    assert_eq!(bench.ask("next", Lane::Interactive).await, all("next"), "the next one is answered");
    for _ in 0..5 {
        assert_eq!(bench.ask("!", Lane::Bulk).await, Err(Failure::Model));
    }
    assert_eq!(bench.ask("last", Lane::Bulk).await, all("last"), "bad texts, however many, do not make a bad device");
    assert!(bench.engine.is_ready());
    assert!(shown(&bench.engine, "device_restarts_total{device=\"cpu\"} 6"));
}

/// Once one text of millions of tokens filled the read-ahead, and no other bulk text was read until it was done.
#[tokio::test]
async fn a_very_long_text_keeps_no_other_from_being_read() {
    let mut bench = Bench::new(1, 20).await;
    let long = bench.engine.submit(request(&"l".repeat(WINDOW * 50), Lane::Bulk)).await;
    assert_eq!(bench.begins().await, "ll");
    let short = bench.engine.submit(request("short", Lane::Bulk)).await;
    while !shown(&bench.engine, "waiting_texts{lane=\"bulk\"} 0") {
        tokio::task::yield_now().await;
    }
    drop(bench.gate.take());
    assert_eq!(short.outcome().await, all("short"));
    let mut batches = 0;
    while !matches!(bench.seen.recv().await.unwrap(), Seen::Begin(letters) if letters.contains('s')) {
        batches += 1;
    }
    assert!(batches < 10, "the short text waited for {batches}");
    assert_eq!(long.outcome().await, all(&"l".repeat(WINDOW * 50)));
}

/// A device whose every batch is an error, and no panic, must not go on answering errors as if it were well.
#[tokio::test]
async fn a_device_that_always_fails_is_given_up_and_who_waits_is_told() {
    let bench = Bench::new(0, 100).await;
    bench.broken.store(true, Ordering::SeqCst);
    assert_eq!(bench.ask("one", Lane::Interactive).await, Err(Failure::Model));
    assert_eq!(bench.ask("two", Lane::Bulk).await, Err(Failure::Model), "while it is tried again, then given up");
    bench.engine.watch().wait_for(|states| *states == [DeviceState::Failing]).await.unwrap();
    assert!(bench.engine.is_failing() && !bench.engine.is_ready());
    bench.broken.store(false, Ordering::SeqCst);
    bench.engine.ready().await;
    assert_eq!(bench.ask("three", Lane::Interactive).await, all("three"), "it came back");
}

#[tokio::test]
async fn a_full_queue_is_said_at_once() {
    let mut bench = Bench::new(1, 10).await;
    let first = bench.engine.try_submit(request("first", Lane::Bulk)).unwrap();
    assert_eq!(bench.begins().await, "f");
    let waiting: Vec<_> = (0..3).map(|_| bench.engine.try_submit(request("w", Lane::Bulk)).unwrap()).collect();
    let overloaded = bench.engine.try_submit(request("w", Lane::Bulk)).unwrap_err();
    assert!(overloaded.retry_after >= Duration::from_secs(1), "{overloaded}");
    assert!(bench.engine.try_submit(request("x", Lane::Interactive)).is_ok(), "the other lane has room of its own");
    drop(waiting);
    drop(bench.gate.take());
    assert!(first.outcome().await.is_ok());
    assert_eq!(bench.ask("again", Lane::Bulk).await, all("again"));
}

#[tokio::test]
async fn when_the_handles_are_gone_what_waits_is_told() {
    let mut bench = Bench::new(1, 10).await;
    let first = bench.engine.submit(request("first", Lane::Bulk)).await;
    assert_eq!(bench.begins().await, "f");
    let waiting = bench.engine.submit(request("waiting", Lane::Bulk)).await;
    drop(bench.engine);
    assert_eq!(waiting.outcome().await, Err(Failure::Stopped));
    drop(bench.gate);
    let _ = first.outcome().await;
}

/// Bit for bit what the model alone gives, whatever shares the batches.
#[tokio::test]
async fn the_engine_changes_nothing_in_what_is_found() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/tests/fixtures/parity/bert-casing");
    let load = || Annotator::load(&ModelFiles::read(&folder).unwrap(), &RunOptions::default()).unwrap();
    let alone = load();
    let models = vec![EngineModel { name: "tiny".to_owned(), replicas: vec![load(), load()] }];
    let options = EngineOptions {
        devices: vec!["cpu".to_owned(), "cpu again".to_owned()],
        max_batch_tokens: 300,
        ..EngineOptions::default()
    };
    let engine = Engine::start(models, options).unwrap();
    let texts: Vec<String> =
        (0..60_usize).map(|n| format!("🚀 Dorvan Port {n} fell, said Ilse Brandt. ").repeat(n % 11 * n % 17)).collect();
    let bulk = texts.iter().map(|text| request(text, Lane::Bulk)).collect();
    let bulk = tokio::spawn({
        let engine = engine.clone();
        async move { engine.annotate_all(bulk).await }
    });
    let bits = |mentions: &[Mention]| -> Vec<_> {
        mentions.iter().map(|m| (m.span, m.label.clone(), m.score.to_bits())).collect()
    };
    for text in &texts {
        let quick = engine.submit(request(text, Lane::Interactive)).await.outcome().await.unwrap();
        assert_eq!(bits(&quick), bits(&alone.annotate(text).unwrap()));
    }
    for (text, outcome) in texts.iter().zip(bulk.await.unwrap()) {
        assert_eq!(bits(&outcome.unwrap()), bits(&alone.annotate(text).unwrap()));
    }
}

/// Whether the metrics hold a line that contains `part`.
fn shown(engine: &Engine, part: &str) -> bool {
    let mut registry = prometheus_client::registry::Registry::default();
    engine.metrics().register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    text.contains(part)
}
