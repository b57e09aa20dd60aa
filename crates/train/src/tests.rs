//! The training step as a whole, on a tiny encoder: both ways to differentiate agree with each other, with finite
//! differences and with the running model; a run learns, and one that was interrupted ends like one that was not.

use std::ops::ControlFlow;
use std::path::Path;

use candle_core::{Device, Tensor, Var};
use dateline_model::{
    Annotator, BALANCE_FILE, DatelineConfig, Encoder, ModelFiles, Ops, PackedBatch, RunOps, RunOptions,
};
use dateline_text::{Label, OffsetUnit};

use crate::base::Base;
use crate::graph::GraphOps;
use crate::parameters::trainable;
use crate::tape::{Gradient, Tape};
use crate::{
    Example, Precision, QuantiseLimits, QuantiseOptions, Recipe, TrainError, TrainEvent, TrainObserver, TrainOptions,
    TrainSummary, quantise, read_corpus, tiny, train,
};

fn no_dropout() -> Recipe {
    Recipe { dropout: 0.0, attention_dropout: 0.0, ..short() }
}

/// Everything on, for a few short epochs.
fn short() -> Recipe {
    Recipe {
        epochs: 3,
        batch_tokens: 60,
        encoder_lr: 5e-3,
        head_lr: 2e-2,
        attention_dropout: 0.1,
        ema_decay: 0.9,
        swap_rate: 0.2,
        join_rate: 0.2,
        join_bytes: 200,
        ..Recipe::default()
    }
}

/// A batch of windows of several lengths over the tiny vocabulary.
fn batch() -> PackedBatch {
    let mut batch = PackedBatch::new();
    for (start, len) in [(0, 5), (3, 1), (7, 19)] {
        let ids: Vec<u32> = (0..len).map(|i| (start + i * 5) % 16).collect();
        let types: Vec<u32> = (0..len).map(|i| (start + i * 3) % 8).collect();
        batch.push(&ids, &types);
    }
    batch
}

struct Twin {
    encoder: Encoder,
    vars: Vec<(String, Var)>,
    /// The slope of the loss at every logit.
    slope: Vec<f32>,
}

impl Twin {
    /// An encoder over variables; the loss is a fixed weighting of its logits.
    fn new(recipe: &Recipe) -> Self {
        let folder = tempfile::tempdir().unwrap();
        tiny::write_base(folder.path());
        let labels = [Label::new("PERSON"), Label::new("PLACE")];
        let base = Base::read(folder.path(), &labels, &DatelineConfig::default()).unwrap();
        let (encoder, vars) = trainable(&base.config, recipe, &base.weights(1).unwrap(), &Device::Cpu).unwrap();
        // A classifier of 0.02 would leave nothing to differentiate in f32.
        for (name, var) in &vars {
            if name == "classifier.weight" {
                var.set(&(var.as_tensor() * 50.0).unwrap().detach()).unwrap();
            }
        }
        let slope = (0..25 * 5).map(|i| ((i * 29 % 17) as f32 - 8.0) / 80.0).collect();
        Self { encoder, vars, slope }
    }

    fn logits(&self, ops: &dyn Ops) -> Tensor {
        self.encoder.forward(ops, &batch(), &Device::Cpu).unwrap()
    }

    fn loss(&self) -> f64 {
        let logits = self.logits(&Tape::new(1)).flatten_all().unwrap().to_vec1::<f32>().unwrap();
        logits.iter().zip(&self.slope).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    }

    /// The gradient of every variable from the tape, rows spread out over their tables.
    fn tape_gradients(&self) -> Vec<Vec<f32>> {
        let tape = Tape::new(1);
        let logits = self.logits(&tape);
        let mut gradients = tape.backward(&logits, self.slope.clone()).unwrap();
        let spread = |(name, var): &(String, Var)| match gradients.take(var) {
            Some(Gradient::Dense(values)) => values,
            Some(Gradient::Rows(ids, rows)) => {
                let width = var.dim(1).unwrap();
                let mut all = vec![0.0; var.elem_count()];
                for (id, row) in ids.iter().zip(rows.chunks_exact(width)) {
                    all[*id as usize * width..][..width].copy_from_slice(row);
                }
                all
            }
            None => panic!("{name} has no gradient"),
        };
        self.vars.iter().map(spread).collect()
    }

    fn graph_gradients(&self) -> Vec<Vec<f32>> {
        let logits = self.logits(&GraphOps);
        let slope = Tensor::from_slice(&self.slope, logits.shape(), &Device::Cpu).unwrap();
        let store = (logits * slope).unwrap().sum_all().unwrap().backward().unwrap();
        let flat = |(name, var): &(String, Var)| {
            let gradient = store.get(var).unwrap_or_else(|| panic!("{name} has no gradient"));
            gradient.flatten_all().unwrap().to_vec1().unwrap()
        };
        self.vars.iter().map(flat).collect()
    }
}

fn largest_gap(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn training_and_running_compute_the_same() {
    let twin = Twin::new(&no_dropout());
    let flat = |logits: Tensor| logits.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let running = flat(twin.logits(&RunOps));
    assert!(largest_gap(&running, &flat(twin.logits(&Tape::new(1)))) < 1e-5);
    assert!(largest_gap(&running, &flat(twin.logits(&GraphOps))) < 1e-5);
}

#[test]
fn every_variable_gets_the_same_gradient_either_way() {
    let twin = Twin::new(&no_dropout());
    for ((name, _), (tape, graph)) in twin.vars.iter().zip(twin.tape_gradients().iter().zip(&twin.graph_gradients())) {
        let size = graph.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        // The key's bias shifts all scores of a row alike: its true gradient is 0.
        assert!(size > 1e-6 || name.ends_with("key.bias"), "{name} gets nothing");
        assert!(largest_gap(tape, graph) < 1e-4 * size.max(0.1), "{name}: {}", largest_gap(tape, graph));
    }
}

#[test]
fn gradients_equal_finite_differences() {
    let recipe = Recipe { dropout: 0.2, attention_dropout: 0.2, ..short() };
    let twin = Twin::new(&recipe);
    let gradients = twin.tape_gradients();
    for ((name, var), gradient) in twin.vars.iter().zip(&gradients) {
        // The element that matters most, in each variable.
        let at = (0..gradient.len()).max_by(|&a, &b| gradient[a].abs().total_cmp(&gradient[b].abs())).unwrap();
        let before = var.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let shifted = |by: f32| {
            let mut values = before.clone();
            values[at] += by;
            var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu).unwrap()).unwrap();
            twin.loss()
        };
        let slope = (shifted(4e-3) - shifted(-4e-3)) / 8e-3;
        shifted(0.0);
        let got = f64::from(gradient[at]);
        assert!((got - slope).abs() < 2e-2 * got.abs().max(0.05), "{name}[{at}]: {got}, but the slope is {slope}");
    }
}

#[test]
fn windows_do_not_see_each_other() {
    let twin = Twin::new(&no_dropout());
    let mut alone = PackedBatch::new();
    let whole = batch();
    alone.push(&whole.token_ids[6..], &whole.type_ids[6..]);
    let logits = twin.encoder.forward(&Tape::new(1), &alone, &Device::Cpu).unwrap().to_vec2::<f32>().unwrap();
    let packed = twin.logits(&Tape::new(1)).to_vec2::<f32>().unwrap();
    assert!(largest_gap(&logits.concat(), &packed[6..].concat()) < 1e-5);
}

/// Texts in which capitals and neighbours tell people from places.
fn write_texts(path: &Path, count: usize) {
    let mut lines = String::new();
    for i in 0..count {
        let (person, place) = (["Ada", "Bob"][i % 2], ["Oslo", "New York"][i / 2 % 2]);
        let text = format!("{person} met Ada in {place} .");
        let (met, at) = (person.len() + 5, person.len() + 12);
        lines += &serde_json::json!({"id": i.to_string(), "source": "made up", "text": text, "spans": [
            {"start": 0, "end": person.len(), "label": "PERSON"},
            {"start": met, "end": met + 3, "label": "PERSON"},
            {"start": at, "end": at + place.len(), "label": "PLACE"},
        ]})
        .to_string();
        lines.push('\n');
    }
    std::fs::write(path, lines).unwrap();
}

fn options(folder: &Path, out: &str) -> TrainOptions {
    tiny::write_base(folder);
    write_texts(&folder.join("train.jsonl"), 60);
    write_texts(&folder.join("dev.jsonl"), 8);
    TrainOptions {
        base: folder.to_owned(),
        train: vec![folder.join("train.jsonl")],
        dev: folder.join("dev.jsonl"),
        out: folder.join(out),
        recipe: short(),
        precision: Precision::F32,
        save_every: 2,
        resume: true,
        ..TrainOptions::default()
    }
}

/// Stops after a number of steps.
struct StopAfter(usize);

impl TrainObserver for StopAfter {
    fn event(&mut self, event: &TrainEvent) -> ControlFlow<()> {
        if matches!(event, TrainEvent::Step { .. }) {
            self.0 -= 1;
        }
        if self.0 == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[test]
fn a_run_learns_and_its_folder_can_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), "out");
    let summary = train(&options, &mut ()).unwrap();
    assert!(summary.report.all.f1 > 0.95, "{}", summary.report);
    let annotator = Annotator::load(&ModelFiles::read(&options.out).unwrap(), &RunOptions::default()).unwrap();
    let text = "Bob met Ada in Oslo .";
    let found = annotator.annotate(text).unwrap();
    let names: Vec<_> = found.iter().map(|mention| (mention.slice(text), mention.label.as_str())).collect();
    assert_eq!(names, [("Bob", "PERSON"), ("Ada", "PERSON"), ("Oslo", "PLACE")]);
    assert_eq!(crate::verify_manifest(&options.out).unwrap(), []);
    assert!(!options.out.join(".training").exists(), "a finished run leaves no state");
    let again: TrainSummary = serde_json::from_slice(&std::fs::read(options.out.join("eval.json")).unwrap()).unwrap();
    assert_eq!(again.report.errors, [], "the model's folder quotes no texts");
    let int8 = summary.int8.unwrap();
    assert_eq!((int8.sample, int8.texts), (60, 8));
    assert_eq!(int8.kept, options.out.join(BALANCE_FILE).exists());
    assert_eq!(again.int8.unwrap().kept, int8.kept);
    assert!(int8.int8.f1 > 0.8, "{int8}");
}

#[test]
fn int8_is_written_within_the_limits_only() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), "out");
    let out = &options.out;
    let f32_only = QuantiseLimits { max_f1_loss: -1000.0, max_changed: 100.0 };
    train(&TrainOptions { quantise: f32_only, ..options.clone() }, &mut ()).unwrap();
    assert!(!out.join(BALANCE_FILE).exists());
    let texts = read_corpus(&options.train[0], OffsetUnit::Codepoint).unwrap().examples;
    let dev = read_corpus(&options.dev, OffsetUnit::Codepoint).unwrap().examples;
    let quantise = |limits, texts: &[Example], dev: &[Example]| {
        quantise(out, texts, dev, &QuantiseOptions { limits, ..QuantiseOptions::default() })
    };
    let state = || ["eval.json", "SHA256SUMS"].map(|file| std::fs::read_to_string(out.join(file)).unwrap());
    let before = state();
    assert!(!quantise(f32_only, &texts, &dev).unwrap().kept);
    assert!(!out.join(BALANCE_FILE).exists());
    assert_eq!(state(), before);

    let result = quantise(QuantiseLimits { max_f1_loss: 100.0, max_changed: 100.0 }, &texts, &dev).unwrap();
    assert!(result.kept);
    assert_eq!(crate::verify_manifest(out).unwrap(), []);
    assert!(state()[1].contains(BALANCE_FILE), "{}", state()[1]);
    let report: TrainSummary = serde_json::from_str(&state()[0]).unwrap();
    assert_eq!((report.int8.unwrap().kept, report.int8.unwrap().limits.max_f1_loss), (true, 100.0));
    assert_eq!(state()[0].lines().next(), before[0].lines().next());
    let annotator = Annotator::load(&ModelFiles::read(out).unwrap(), &RunOptions::default()).unwrap();
    assert_eq!(annotator.info().precision, dateline_model::Precision::Int8);

    // What was good enough once and is no longer does not stay.
    assert!(!quantise(f32_only, &texts, &dev).unwrap().kept);
    assert!(!out.join(BALANCE_FILE).exists() && !state()[1].contains(BALANCE_FILE));

    let unmarked = [Example { spans: vec![], ..dev[0].clone() }];
    for (texts, dev) in [(&[][..], &dev[..]), (&texts, &unmarked), (&texts, &[])] {
        let error = quantise(QuantiseLimits::default(), texts, dev).unwrap_err();
        assert!(matches!(error, TrainError::Empty(_)), "{error}");
    }
    // A model that is trained into the folder of another must not be run with what that one needed.
    train(&TrainOptions { quantise: f32_only, ..options.clone() }, &mut ()).unwrap();
    assert!(!out.join(BALANCE_FILE).exists() && !state()[1].contains(BALANCE_FILE));
}

#[test]
fn an_interrupted_run_ends_like_an_uninterrupted_one() {
    let folder = tempfile::tempdir().unwrap();
    let seeds = vec![3, 4];
    let whole = TrainOptions { seeds: seeds.clone(), ..options(folder.path(), "whole") };
    let want = train(&whole, &mut ()).unwrap();
    let parts = TrainOptions { seeds, ..options(folder.path(), "parts") };
    let mut stops = 0;
    let got = loop {
        match train(&parts, &mut StopAfter(5)) {
            Ok(summary) => break summary,
            Err(TrainError::Stopped) => stops += 1,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(stops > 2);
    assert_eq!((got.seeds, got.history, got.temperature), (want.seeds, want.history, want.temperature));
    let read = |out: &Path| std::fs::read(out.join("model.safetensors")).unwrap();
    assert!(read(&whole.out) == read(&parts.out), "not the same weights");
}

/// Stops whenever an epoch was judged.
struct StopWhenJudged;

impl TrainObserver for StopWhenJudged {
    fn event(&mut self, event: &TrainEvent) -> ControlFlow<()> {
        if matches!(event, TrainEvent::Evaluated { .. }) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

/// A stop at an epoch's evaluation once lost the epoch: a run that was stopped there each time never came to its end.
#[test]
fn a_stop_at_an_evaluation_keeps_the_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let whole = options(folder.path(), "whole");
    let want = train(&whole, &mut ()).unwrap();
    let parts = options(folder.path(), "parts");
    let epochs = parts.recipe.epochs;
    for _ in 0..epochs {
        assert!(matches!(train(&parts, &mut StopWhenJudged), Err(TrainError::Stopped)));
    }
    assert_eq!(train(&parts, &mut StopWhenJudged).unwrap().history, want.history);
}

#[test]
fn a_state_of_another_run_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path(), "out");
    assert!(matches!(train(&options, &mut StopAfter(3)), Err(TrainError::Stopped)));
    options.recipe.encoder_lr *= 2.0;
    let message = train(&options, &mut ()).unwrap_err().to_string();
    assert!(message.contains("another recipe") && message.contains("--resume"), "{message}");
}

#[test]
fn what_cannot_be_trained_on_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), "out");
    std::fs::write(folder.path().join("train.jsonl"), "{\"text\":\"Oslo\"}\n{oops\n").unwrap();
    let message = train(&options, &mut ()).unwrap_err().to_string();
    assert!(message.contains("train.jsonl:2:"), "{message}");
    std::fs::write(folder.path().join("train.jsonl"), "{\"text\":\"Oslo\"}\n").unwrap();
    assert!(train(&options, &mut ()).unwrap_err().to_string().contains("no span is marked"));
}

#[test]
fn partly_marked_texts_teach_only_what_is_marked() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path(), "out");
    // Places are never marked in these, which would unteach them if an unmarked word meant "outside".
    let partial: String = (0..60)
        .map(|_| "{\"text\":\"Ada met Bob in Oslo .\",\"spans\":[{\"start\":0,\"end\":3,\"label\":\"PERSON\"},{\"start\":8,\"end\":11,\"label\":\"PERSON\"}]}\n")
        .collect();
    options.partial = vec![folder.path().join("partial.jsonl")];
    std::fs::write(&options.partial[0], partial).unwrap();
    options.recipe.partial_rate = 1.0;
    options.recipe.partial_weight = 1.0;
    options.recipe.partial_labels = vec!["PERSON".to_owned()];
    let report = train(&options, &mut ()).unwrap().report;
    assert!(report.labels["PLACE"].f1 > 0.95, "{report}");
}
