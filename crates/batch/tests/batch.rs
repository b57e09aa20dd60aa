//! Batches from end to end with a model of a few lines: stopped, run by two at once, poisoned, changed and verified.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap like the tests themselves")]

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use dateline_batch::{
    BatchError, Done, Event, Manifest, ModelIdentity, Options, Output, OutputFormat, Plan, Planned, Progress, Run,
    Shard, Stores, Survey, Verified, Worker, find_input, list_inputs, missing, plan, stored, verify,
};
use dateline_engine::{Description, Engine, EngineModel, EngineOptions, Model, ModelFailure, Piece};
use dateline_model::{PackedBatch, Precision};
use dateline_text::{Label, Mention, Span};
use serde_json::Value;
use tempfile::TempDir;

/// A token for every byte, in windows of 50. Each capital letter is a NAME. `!` panics in the encoder.
struct Capitals {
    labels: Vec<Label>,
    read: Arc<AtomicUsize>,
    broken: Arc<AtomicBool>,
}

const WINDOW: usize = 50;

impl Model for Capitals {
    type Reading = Vec<u8>;

    fn labels(&self) -> &[Label] {
        &self.labels
    }

    fn describe(&self) -> Description<'_> {
        Description { architecture: "Capitals", window_tokens: WINDOW, precision: Precision::F32 }
    }

    fn read(&self, text: &str) -> Result<Vec<u8>, ModelFailure> {
        self.read.fetch_add(1, Ordering::SeqCst);
        Ok(text.as_bytes().to_vec())
    }

    fn windows(&self, reading: &Vec<u8>) -> Vec<usize> {
        reading.chunks(WINDOW).map(<[u8]>::len).collect()
    }

    fn pack(&self, reading: &Vec<u8>, window: usize, batch: &mut PackedBatch) {
        let ids: Vec<u32> = reading.chunks(WINDOW).nth(window).unwrap().iter().map(|byte| u32::from(*byte)).collect();
        batch.push(&ids, &vec![0; ids.len()]);
    }

    fn encode(&self, batch: &PackedBatch, _: &(dyn Fn() + Sync)) -> Result<Vec<f32>, ModelFailure> {
        assert!(!batch.token_ids.contains(&u32::from('!')), "told to");
        if self.broken.load(Ordering::SeqCst) {
            return Err("told to".into());
        }
        Ok(vec![1.0; batch.tokens()])
    }

    fn place(&self, _: &mut Vec<u8>, _: usize, _: &[f32], _: usize) {}

    fn mentions(&self, _: &Vec<u8>, text: &str) -> Vec<Mention> {
        let capitals = text.char_indices().filter(|(_, c)| c.is_ascii_uppercase());
        capitals.map(|(at, _)| Mention::new(Span::new(at, at + 1), self.labels[0].clone(), 0.5)).collect()
    }

    fn pieces(&self, text: &str) -> Result<Vec<Piece>, ModelFailure> {
        Ok(vec![Piece { token: text.to_owned(), span: Span::new(0, text.len()) }])
    }
}

/// A folder of inputs, a model, and a place for outputs.
struct Bench {
    folder: TempDir,
    engine: Engine,
    read: Arc<AtomicUsize>,
    broken: Arc<AtomicBool>,
    options: Options,
    model: ModelIdentity,
}

impl Bench {
    fn new() -> Self {
        let (read, broken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let labels = vec![Label::new("NAME")];
        let model = Capitals { labels: labels.clone(), read: Arc::clone(&read), broken: Arc::clone(&broken) };
        let options = EngineOptions { max_batch_tokens: 200, text_threads: 2, ..EngineOptions::default() };
        let engine =
            Engine::start(vec![EngineModel { name: "capitals".to_owned(), replicas: vec![model] }], options).unwrap();
        let model = ModelIdentity { name: "capitals".into(), sha256: "00".into(), precision: "f32".into(), labels };
        let options =
            Options { output: OutputFormat::Jsonl, shard_bytes: NonZeroU64::new(1000).unwrap(), ..Options::default() };
        Self { folder: tempfile::tempdir().unwrap(), engine, read, broken, options, model }
    }

    /// With a file of `rows` stories.
    fn with(self, name: &str, rows: usize) -> Self {
        self.write(name, (0..rows).map(|row| format!("Story {row} of {name}")));
        self
    }

    fn write(&self, name: &str, texts: impl IntoIterator<Item = String>) {
        let lines = texts.into_iter().enumerate().map(|(id, text)| serde_json::json!({"id": id, "text": text}));
        let lines: Vec<String> = lines.map(|line| format!("{line}\n")).collect();
        fs::create_dir_all(self.path("in")).unwrap();
        fs::write(self.path("in").join(name), lines.concat()).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn output(&self) -> Arc<Output> {
        Arc::new(Output::open(Stores::new([]).locate(self.path("out").to_str().unwrap()).unwrap()).unwrap())
    }

    async fn plan(&self, inputs: &[&str]) -> Planned {
        let (stores, output) = (Stores::new([]), self.output());
        let inputs: Vec<String> = inputs.iter().map(|name| self.path(name).to_str().unwrap().to_owned()).collect();
        let inputs = list_inputs(&stores, &inputs, None, output.location()).await.unwrap();
        plan(self.model.clone(), self.options.clone(), inputs, &output, &Survey::default()).await.unwrap()
    }

    async fn run(&self) -> Run {
        let (planned, output) = (self.plan(&["in"]).await, self.output());
        planned.keep(&output).await.unwrap();
        Run {
            engine: self.engine.clone(),
            plan: Arc::new(planned.plan),
            objects: planned.objects.into(),
            output,
            worker: Worker::ALONE,
            chunk_bytes: 200,
        }
    }

    async fn verify(&self) -> Verified {
        verify(&Stores::new([]), &self.output(), None, |_, _| {}).await.unwrap()
    }

    fn outputs(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("out")).unwrap().map(|entry| entry.unwrap().path());
        let mut outputs: Vec<_> =
            entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("part-")).collect();
        outputs.sort();
        outputs
    }

    fn rows(&self) -> Vec<Value> {
        let read = |path: &PathBuf| fs::read_to_string(path).unwrap();
        self.outputs()
            .iter()
            .map(read)
            .collect::<String>()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// Runs to the end, writes the manifest if all is there, and gives the events.
async fn all(run: &Run) -> (Result<(Done, Option<Manifest>), BatchError>, Vec<Event>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&events);
    let progress = Arc::new(Progress::new(move |event| heard.lock().unwrap().push(event)));
    let work = async {
        run.reopen().await?;
        let done = run.all(&progress).await?;
        let manifest = run.conclude(&done).await?;
        Ok((done, manifest))
    };
    let ended = work.await;
    let events = events.lock().unwrap().clone();
    (ended, events)
}

fn committed(events: &[Event]) -> BTreeSet<String> {
    let output = |event: &Event| match event {
        Event::Committed { output, already: false, .. } => Some(output.clone()),
        _ => None,
    };
    events.iter().filter_map(output).collect()
}

#[tokio::test]
async fn every_document_is_annotated_once_and_a_second_run_does_nothing() {
    let bench = Bench::new().with("a.jsonl", 150).with("b.jsonl", 70);
    let run = bench.run().await;
    let (ended, events) = all(&run).await;
    let (done, manifest) = ended.unwrap();
    let manifest = manifest.unwrap();
    assert!(run.plan.shards.len() > 5, "{} shards", run.plan.shards.len());
    assert_eq!(committed(&events).len(), run.plan.shards.len());
    assert_eq!((done.tally().rows, manifest.rows, manifest.mentions["NAME"]), (220, 220, 220));
    assert_eq!(bench.rows().len(), 220);
    assert_eq!(bench.rows()[0]["mentions"][0]["text"], "S");
    let verified = bench.verify().await;
    assert_eq!((verified.rows, verified.problems, verified.notes), (220, vec![], vec![]));
    let success = fs::read_to_string(bench.path("out/_SUCCESS")).unwrap();
    assert_eq!(success.trim(), run.plan.id);

    let read = bench.read.load(Ordering::SeqCst);
    let (again, events) = all(&bench.run().await).await;
    assert!(events.iter().all(|event| matches!(event, Event::Skipped { .. })), "{events:?}");
    assert_eq!(again.unwrap().1, Some(manifest));
    assert_eq!(bench.read.load(Ordering::SeqCst), read, "no text was read again");
}

/// As tasks of a cluster do it: by plans of one shard each.
#[tokio::test]
async fn one_shard_is_the_same_output_whoever_does_it() {
    let bench = Bench::new().with("a.jsonl", 150);
    let run = bench.run().await;
    let shard = run.plan.shards[2].clone();
    let plan = stored(&run.output, &run.plan.id).await.unwrap().unwrap();
    assert_eq!(plan, *run.plan);
    let object = find_input(&Stores::new([]), &plan.inputs[shard.input]).await.unwrap();
    let only = Shard { number: 0, input: 0, ..shard.clone() };
    let alone = Run { plan: Arc::new(Plan { shards: vec![only], ..plan }), objects: [object].into(), ..run.clone() };
    let progress = Arc::new(Progress::new(|_| {}));
    let done = alone.one(0, &progress).await.unwrap();
    assert_eq!((done.tallies.len(), progress.snapshot().committed), (1, 1));
    assert_eq!(bench.outputs(), [bench.path("out").join(&shard.output)]);

    let progress = Arc::new(Progress::new(|_| {}));
    let again = run.one(2, &progress).await.unwrap();
    assert_eq!((again.tallies.len(), progress.snapshot().skipped), (0, 1));
    let left = missing(&run.plan, &run.output).await.unwrap();
    assert_eq!(left, (0..run.plan.shards.len()).filter(|number| *number != 2).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_run_that_is_dropped_goes_on_where_it_was() {
    let bench = Bench::new().with("a.jsonl", 400);
    let stop = Arc::new(tokio::sync::Notify::new());
    let (events, told) = (Arc::new(Mutex::new(Vec::new())), Arc::clone(&stop));
    let heard = Arc::clone(&events);
    let progress = Arc::new(Progress::new(move |event| {
        let mut events = heard.lock().unwrap();
        events.push(event);
        if committed(&events).len() == 3 {
            told.notify_one();
        }
    }));
    let run = bench.run().await;
    tokio::select! {
        biased;
        () = stop.notified() => {}
        _ = run.all(&progress) => {}
    }
    let before = committed(&events.lock().unwrap());
    assert!(before.len() >= 3 && before.len() < run.plan.shards.len(), "{} of {}", before.len(), run.plan.shards.len());
    assert!(bench.verify().await.problems.iter().all(|problem| problem.contains("is missing")));

    let (ended, events) = all(&bench.run().await).await;
    let after = committed(&events);
    assert!(after.is_disjoint(&before), "a committed shard was computed again");
    // One more may have been on its way to its place when the run was dropped, and got there untold.
    let skipped = events.iter().filter(|event| matches!(event, Event::Skipped { .. })).count();
    assert_eq!(after.len() + skipped, run.plan.shards.len());
    assert!(skipped >= before.len(), "{skipped} of {}", before.len());
    assert_eq!(ended.unwrap().1.unwrap().rows, 400);
    assert_eq!(bench.verify().await.problems, Vec::<String>::new());
    bench.output().sweep().unwrap();
    let left = fs::read_dir(bench.path("out")).unwrap().count();
    assert_eq!(left, run.plan.shards.len() + 3, "outputs, the plan's folder, the manifest, _SUCCESS and nothing else");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_runners_of_one_plan_do_not_clash() {
    let bench = Bench::new().with("a.jsonl", 300);
    let (a, b) = (bench.run().await, bench.run().await);
    let ((first, a_events), (second, b_events)) = tokio::join!(all(&a), all(&b));
    let (first, second) = (first.unwrap(), second.unwrap());
    let (a_did, b_did) = (committed(&a_events), committed(&b_events));
    assert!(a_did.is_disjoint(&b_did), "both say that they were first");
    assert_eq!(a_did.len() + b_did.len(), a.plan.shards.len());
    assert_eq!(first.1, second.1);
    assert_eq!(bench.rows().len(), 300);
    assert_eq!(bench.verify().await.problems, Vec::<String>::new());
}

#[tokio::test]
async fn workers_share_a_plan_and_the_last_one_concludes() {
    let bench = Bench::new().with("a.jsonl", 200);
    let mut did = BTreeSet::new();
    for index in 0..3 {
        let run = Run { worker: Worker::new(index, 3).unwrap(), ..bench.run().await };
        let (ended, events) = all(&run).await;
        let (done, manifest) = ended.unwrap();
        assert_eq!(manifest.is_some(), index == 2);
        assert_eq!(done.missing > 0, index < 2);
        let own = committed(&events);
        assert!(did.is_disjoint(&own));
        did.extend(own);
    }
    assert_eq!(bench.verify().await.rows, 200);
}

#[tokio::test]
async fn a_document_on_which_the_model_panics_costs_its_own_row() {
    let bench = Bench::new();
    bench.write("a.jsonl", (0..60).map(|row| if row % 20 == 7 { "Poison!".to_owned() } else { format!("Good {row}") }));
    let (ended, events) = all(&bench.run().await).await;
    assert_eq!(ended.unwrap().1.unwrap().failed, 3);
    for (row, line) in bench.rows().iter().enumerate() {
        assert_eq!(line["id"], row);
        if row % 20 == 7 {
            assert!(line["error"].as_str().unwrap().contains("the model failed on this text"), "{line}");
        } else {
            assert_eq!(line["mentions"].as_array().unwrap().len(), 1, "{line}");
        }
    }
    let failed = events.iter().filter(|event| matches!(event, Event::Failed { .. })).count();
    assert_eq!(failed, 3);
    assert_eq!(bench.verify().await.tally.failed, 3);
}

#[tokio::test]
async fn broken_lines_cost_their_own_rows() {
    let bench = Bench::new();
    fs::create_dir_all(bench.path("in")).unwrap();
    let lines = "{\"id\":1,\"text\":\"One\"}\n{\"id\":2,\"text\":\n\n{\"id\":3}\n{\"id\":4,\"text\":\"Four\"}\n";
    fs::write(bench.path("in/a.jsonl"), lines).unwrap();
    let (ended, events) = all(&bench.run().await).await;
    let manifest = ended.unwrap().1.unwrap();
    assert_eq!(manifest.failed, manifest.rows - 2);
    let place = |event: &Event| match event {
        Event::Failed { place, .. } => Some(place.rsplit('/').next().unwrap().to_owned()),
        _ => None,
    };
    assert_eq!(events.iter().find_map(place).as_deref(), Some("a.jsonl, byte 22"));
    assert_eq!(bench.verify().await.problems, Vec::<String>::new());
}

#[tokio::test]
async fn a_device_that_fails_breaks_the_run_off_and_no_document_is_blamed() {
    let bench = Bench::new().with("a.jsonl", 100);
    bench.engine.ready().await;
    bench.broken.store(true, Ordering::SeqCst);
    let (ended, events) = all(&bench.run().await).await;
    assert!(matches!(ended, Err(BatchError::Device)), "{ended:?}");
    assert!(committed(&events).is_empty());
    bench.broken.store(false, Ordering::SeqCst);
    bench.engine.ready().await;
    assert_eq!(all(&bench.run().await).await.0.unwrap().1.unwrap().failed, 0);
}

#[tokio::test]
async fn other_options_and_other_models_make_other_outputs() {
    let mut bench = Bench::new().with("a.jsonl", 50);
    let first = bench.run().await;
    all(&first).await.0.unwrap();
    let outputs = bench.outputs().len();
    bench.options.min_score = 0.9;
    let second = bench.run().await;
    assert_eq!(all(&second).await.0.unwrap().1.unwrap().mentions.len(), 0);
    bench.model.sha256 = "01".to_owned();
    let third = bench.run().await;
    all(&third).await.0.unwrap();
    assert_eq!(bench.outputs().len(), 3 * outputs);
    let ids = [&first, &second, &third].map(|run| run.plan.id.clone());
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 3);
    let verified = bench.verify().await;
    assert_eq!((&verified.plan, &verified.problems), (&ids[2], &vec![]), "the manifest is of the last one");
    assert!(verified.notes[0].contains("outputs of other plans"), "{:?}", verified.notes);
    let stores = Stores::new([]);
    let old = verify(&stores, &bench.output(), Some(&ids[0]), |_, _| {}).await.unwrap();
    assert_eq!(old.problems, Vec::<String>::new(), "the first ones are still whole");
}

#[tokio::test]
async fn a_new_file_changes_no_output_of_the_others() {
    let bench = Bench::new().with("b.jsonl", 80);
    all(&bench.run().await).await.0.unwrap();
    let bench = bench.with("a.jsonl", 30);
    let (ended, events) = all(&bench.run().await).await;
    assert_eq!(ended.unwrap().1.unwrap().rows, 110);
    assert!(events.iter().any(|event| matches!(event, Event::Skipped { .. })));
    assert_eq!(bench.rows().len(), 110);
    let verified = bench.verify().await;
    assert_eq!((verified.rows, verified.problems, verified.notes), (110, vec![], vec![]));
}

#[tokio::test]
async fn the_plan_is_the_same_whoever_makes_it() {
    let bench = Bench::new().with("a.jsonl", 50).with("b.jsonl", 50);
    for n in 0..5 {
        fs::write(bench.path("in").join(format!("{n}.txt")), "A text.").unwrap();
    }
    let one = bench.plan(&["in"]).await;
    let other = bench.plan(&["in/*.txt", "in/b.jsonl", "in/a.jsonl", "in"]).await;
    assert_eq!(one.plan.to_json(), other.plan.to_json());
    let json = one.plan.to_json();
    assert_eq!(Plan::from_json(json.as_bytes(), "here").unwrap(), one.plan);
    let mut large = bench.run().await.plan.options.clone();
    large.shard_bytes = NonZeroU64::new(1 << 20).unwrap();
    let large = Bench { options: large, ..bench };
    let files: Vec<_> = large.plan(&["in"]).await.plan.shards.iter().map(|shard| shard.files).collect();
    assert_eq!(files, [1, 1, 5], "small texts share a shard");
    let bench = Bench { options: one.plan.options.clone(), ..large };
    assert!(json.lines().count() > one.plan.shards.len(), "a shard a line");
    one.keep(&bench.output()).await.unwrap();
    let found = bench.plan(&["in"]).await;
    assert!(found.found && !other.found);
    let changed = json.replacen("\"a.jsonl", "\"c.jsonl", 1).replacen("/a.jsonl", "/c.jsonl", 1);
    let error = Plan::from_json(changed.as_bytes(), "here").unwrap_err().to_string();
    assert!(error.contains("changed by hand"), "{error}");
}

#[tokio::test]
async fn a_file_that_changed_after_planning_costs_only_its_own_shards() {
    let bench = Bench::new().with("a.jsonl", 40).with("b.jsonl", 40);
    let run = bench.run().await;
    bench.write("a.jsonl", ["other".to_owned()]);
    let (ended, events) = all(&run).await;
    let (done, manifest) = ended.unwrap();
    assert!(manifest.is_none() && done.missing > 0);
    assert_eq!(done.broken.len(), done.missing);
    assert!(done.broken[0].contains("a.jsonl"), "{:?}", done.broken);
    assert_eq!(committed(&events).len(), run.plan.shards.len() - done.missing);
    assert!(!Path::new(&bench.path("out/_SUCCESS")).exists());
}

#[tokio::test]
async fn verify_finds_what_is_missing_twice_and_foreign() {
    let bench = Bench::new().with("a.jsonl", 100);
    all(&bench.run().await).await.0.unwrap();
    let output = &bench.outputs()[1];
    let whole = fs::read_to_string(output).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    for (tampered, says) in [
        (lines[1..].join("\n"), "1 rows of the input are missing"),
        ([&lines[..], &lines[lines.len() - 1..]].concat().join("\n"), "1 rows are there more than once"),
        (whole.replacen("\"row\":", "\"row\":1", 1), "rows"),
        ("{}\n".to_owned(), "part-"),
    ] {
        fs::write(output, tampered + "\n").unwrap();
        let problems = bench.verify().await.problems;
        assert!(problems.iter().any(|problem| problem.contains(says)), "{says}: {problems:?}");
    }
    fs::write(output, &whole).unwrap();
    assert_eq!(bench.verify().await.problems, Vec::<String>::new());
    fs::copy(output, bench.path("out/part-00000-copy.jsonl")).unwrap();
    assert!(bench.verify().await.problems[0].contains("of no plan here"));
    fs::remove_file(bench.path("out/part-00000-copy.jsonl")).unwrap();
    fs::remove_file(output).unwrap();
    assert!(bench.verify().await.problems[0].contains("it is missing"));
    let (ended, events) = all(&bench.run().await).await;
    assert_eq!((ended.unwrap().1.unwrap().rows, committed(&events).len()), (100, 1), "a run mends it");
}

#[tokio::test]
async fn a_sample_tells_the_time_of_the_plan() {
    let bench = Bench::new().with("a.jsonl", 100);
    let run = bench.run().await;
    let sample = run.sample().await.unwrap();
    assert!(sample.documents > 0 && sample.text_bytes > 0 && sample.tokens > 0);
    assert!(sample.time_for(&run.plan).unwrap() >= sample.time);
    assert!(bench.outputs().is_empty());
}
