//! Training from a base folder to a model folder.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use candle_core::{Device, Tensor};
use dateline_model::{
    Annotator, BALANCE_FILE, DatelineConfig, Encoder, ModelFiles, Precision as RunPrecision, RunOptions, Tokeniser,
};
use dateline_text::Label;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::base::Base;
use crate::batches::{self, Batch, TrainTexts};
use crate::calibrate::fit_temperature;
use crate::checkpoint::{Progress, Store, restore};
use crate::encode::{ExampleEncoder, Marking};
use crate::graph::GraphOps;
use crate::loss::loss;
use crate::manifest::write_manifest;
use crate::optimiser::{AdamW, StepGradients};
use crate::parameters::{NamedWeights, trainable, write_atomically};
use crate::predict::HeldOut;
use crate::quantise::measure;
use crate::tape::Tape;
use crate::{
    EvalReport, Evaluation, Example, NamePools, Quantisation, QuantiseOptions, SeedResult, SeenNames, TrainError,
    TrainEvent, TrainObserver, TrainOptions, TrainSummary, evaluate, read_corpus,
};

/// Trains a model and writes its folder.
///
/// # Errors
/// [`TrainError`]; [`TrainError::Stopped`] if the observer said so.
pub fn train(options: &TrainOptions, observer: &mut dyn TrainObserver) -> Result<TrainSummary, TrainError> {
    options.recipe.check()?;
    let threads = options.threads.map_or(0, std::num::NonZeroUsize::get);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(candle_core::Error::wrap)?;
    let inputs = Inputs::read(options)?;
    // Only the arithmetic runs inside the pool: the observer need not be `Send`.
    Trainer::new(options, &inputs, &pool)?.run(observer)
}

/// Everything that is read before training starts.
struct Inputs {
    texts: TrainTexts,
    dev: Vec<Example>,
    base: Base,
    tokeniser: Tokeniser,
    device: Device,
    fingerprint: String,
}

impl Inputs {
    fn read(options: &TrainOptions) -> Result<Self, TrainError> {
        let read_all = |paths: &[PathBuf]| -> Result<Vec<Example>, TrainError> {
            let mut all = Vec::new();
            for path in paths {
                all.extend(read_corpus(path, options.offsets)?.strict()?);
            }
            Ok(all)
        };
        let full = read_all(&options.train)?;
        let partial = read_all(&options.partial)?;
        let dev = read_all(std::slice::from_ref(&options.dev))?;
        if full.is_empty() || dev.is_empty() || options.seeds.is_empty() {
            return Err(TrainError::Empty("training needs marked texts, held-out texts and a seed".to_owned()));
        }
        if dev.iter().all(|one| one.spans.is_empty()) {
            return Err(TrainError::Empty("no span is marked in the held-out texts".to_owned()));
        }
        let mut labels: Vec<Label> =
            full.iter().flat_map(|one| one.spans.iter().map(|(_, label)| label.clone())).collect();
        labels.sort();
        labels.dedup();
        if labels.is_empty() {
            return Err(TrainError::Empty("no span is marked in the training texts".to_owned()));
        }
        let mut pools = NamePools::from_examples(&full);
        for (label, path) in &options.names {
            let list = std::fs::read_to_string(path).map_err(TrainError::read(path))?;
            let names = list.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
            pools.extend(label, names.map(str::to_owned));
        }
        let settings = DatelineConfig {
            adjacency_penalty: options.recipe.adjacency_penalty,
            window_tokens: options.window_tokens,
            stride_tokens: options.stride_tokens,
            ..DatelineConfig::default()
        };
        let base = Base::read(&options.base, &labels, &settings)?;
        let tokeniser = Tokeniser::load(&base.tokenizer, &base.config)?;
        let fingerprint = fingerprint(options, [&full, &partial, &dev]);
        let device = options.device.open()?;
        Ok(Self { texts: TrainTexts { full, partial, pools }, dev, base, tokeniser, device, fingerprint })
    }
}

/// A digest of all that decides the result.
fn fingerprint(options: &TrainOptions, texts: [&Vec<Example>; 3]) -> String {
    let mut hasher = Sha256::new();
    let TrainOptions { base, names, recipe, seeds, window_tokens, stride_tokens, .. } = options;
    hasher.update(format!("{base:?} {names:?} {recipe:?} {seeds:?} {window_tokens:?} {stride_tokens:?}"));
    for example in texts.into_iter().flatten() {
        hasher.update(format!("{:?} {:?}", example.text, example.spans));
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

struct Trainer<'t> {
    options: &'t TrainOptions,
    inputs: &'t Inputs,
    encoder: ExampleEncoder<'t>,
    held_out: HeldOut<'t>,
    pool: &'t rayon::ThreadPool,
    store: Store,
}

impl<'t> Trainer<'t> {
    fn new(options: &'t TrainOptions, inputs: &'t Inputs, pool: &'t rayon::ThreadPool) -> Result<Self, TrainError> {
        Ok(Self {
            options,
            inputs,
            encoder: ExampleEncoder::new(&inputs.base.config, &inputs.tokeniser)?,
            held_out: HeldOut::new(&inputs.base.config, &inputs.tokeniser, &inputs.dev)?,
            pool,
            store: Store::open(&options.out)?,
        })
    }

    fn run(self, observer: &mut dyn TrainObserver) -> Result<TrainSummary, TrainError> {
        let (seeds, fingerprint) = (&self.options.seeds, &self.inputs.fingerprint);
        let saved = if self.options.resume { self.store.load(fingerprint)? } else { None };
        let fresh = || Progress { fingerprint: fingerprint.clone(), ..Progress::default() };
        let (mut progress, mut tensors) = match saved {
            Some((progress, tensors)) => (progress, Some(tensors)),
            None => (fresh(), None),
        };
        let resumed = tensors.as_ref().map(|_| (seeds[progress.seed.min(seeds.len() - 1)], progress.step));
        self.announce(observer, resumed)?;
        while progress.seed < seeds.len() {
            self.train_seed(&mut progress, tensors.take(), observer)?;
        }
        self.finish(progress, observer)
    }

    fn announce(&self, observer: &mut dyn TrainObserver, resumed: Option<(u64, usize)>) -> Result<(), TrainError> {
        let texts = &self.inputs.texts;
        let mut ragged_spans = 0;
        for example in texts.full.iter().chain(&texts.partial) {
            ragged_spans += self.encoder.encode(example, &Marking::Full)?.1;
        }
        let weights = self.inputs.base.weights(self.options.seeds[0])?;
        let (_, parameters) = trainable(&self.inputs.base.config, &self.options.recipe, &weights, &Device::Cpu)?;
        let started = TrainEvent::Started {
            texts: texts.full.len() + texts.partial.len(),
            partial_texts: texts.partial.len(),
            ragged_spans,
            parameters: parameters.iter().map(|(_, var)| var.elem_count()).sum(),
            resumed,
        };
        flow(observer.event(&started))
    }

    /// Trains the seed that `progress` is at to its end, and moves `progress` on to the next.
    fn train_seed(
        &self,
        progress: &mut Progress,
        saved: Option<NamedWeights>,
        observer: &mut dyn TrainObserver,
    ) -> Result<(), TrainError> {
        let (recipe, inputs) = (&self.options.recipe, self.inputs);
        let seed = self.options.seeds[progress.seed];
        // All seeds start from the same classifier, or their average would mean nothing.
        let weights = inputs.base.weights(self.options.seeds[0])?;
        let (encoder, vars) = trainable(&inputs.base.config, recipe, &weights, &inputs.device)?;
        let mut optimiser = AdamW::new(vars, recipe)?;
        if let Some(saved) = saved {
            restore(&mut optimiser, saved, progress.step)?;
        }
        while progress.epoch < recipe.epochs {
            let batches =
                self.pool.install(|| batches::epoch(&inputs.texts, &self.encoder, recipe, seed, progress.epoch))?;
            if progress.steps == 0 {
                progress.steps = batches.len() * recipe.epochs;
            }
            self.train_epoch(&batches, &encoder, &mut optimiser, progress, observer)?;
            progress.epoch += 1;
            progress.batch = 0;
            let flow_on = self.evaluate_epoch(seed, &optimiser, progress, observer)?;
            self.store.save(progress, &optimiser)?;
            flow(flow_on)?;
        }
        let best = progress.best.take().expect("every epoch is evaluated");
        progress.done.push(SeedResult { seed, best });
        (progress.seed, progress.epoch, progress.step, progress.steps) = (progress.seed + 1, 0, 0, 0);
        Ok(())
    }

    fn train_epoch(
        &self,
        batches: &[Batch],
        encoder: &Encoder,
        optimiser: &mut AdamW,
        progress: &mut Progress,
        observer: &mut dyn TrainObserver,
    ) -> Result<(), TrainError> {
        let recipe = &self.options.recipe;
        let seed = self.options.seeds[progress.seed];
        let (start, mut tokens, mut steps) = (Instant::now(), 0, 0);
        while let Some(batch) = batches.get(progress.batch) {
            // The first step has a learning rate, too: the schedule is read at the step's end.
            let factor = recipe.schedule(progress.step + 1, progress.steps + 1);
            let (tags, device) = (self.inputs.base.config.tags.len(), &self.inputs.device);
            let key = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(progress.step as u64);
            let loss = self.pool.install(|| step(encoder, optimiser, batch, StepArgs { tags, device, key, factor }))?;
            if !loss.is_finite() {
                return Err(TrainError::Diverged { loss, step: progress.step });
            }
            progress.step += 1;
            progress.batch += 1;
            tokens += batch.packed.tokens();
            steps += 1;
            #[expect(clippy::cast_precision_loss, reason = "counts for a progress line")]
            let event = {
                let seconds = start.elapsed().as_secs_f64();
                TrainEvent::Step {
                    seed,
                    epoch: progress.epoch + 1,
                    step: progress.step,
                    steps: progress.steps,
                    loss,
                    learning_rate: factor * recipe.encoder_lr,
                    tokens_per_second: tokens as f64 / seconds,
                    seconds_left: progress.steps.saturating_sub(progress.step) as f64 * seconds / f64::from(steps),
                }
            };
            let flow_on = observer.event(&event);
            if flow_on.is_break() || progress.step.is_multiple_of(self.options.save_every.max(1)) {
                self.store.save(progress, optimiser)?;
            }
            flow(flow_on)?;
        }
        Ok(())
    }

    /// Judges the weights and their average on the held-out texts, and keeps the best. Says to stop if the observer did,
    /// but not before the epoch is whole.
    fn evaluate_epoch(
        &self,
        seed: u64,
        optimiser: &AdamW,
        progress: &mut Progress,
        observer: &mut dyn TrainObserver,
    ) -> Result<ControlFlow<()>, TrainError> {
        let mut flow_on = ControlFlow::Continue(());
        for averaged in [false, true] {
            if averaged && self.options.recipe.ema_decay == 0.0 {
                continue;
            }
            let mut weights = NamedWeights::default();
            for slot in &optimiser.slots {
                weights.0.insert(slot.name.clone(), (slot.var.dims().to_vec(), slot.values(averaged)?));
            }
            let evaluation = Evaluation { seed, epoch: progress.epoch, averaged, f1: self.f1(&weights)? };
            let best = progress.best.is_none_or(|best| evaluation.f1 > best.f1);
            if best {
                self.store.save_best(seed, &weights)?;
                progress.best = Some(evaluation);
            }
            progress.history.push(evaluation);
            if observer.event(&TrainEvent::Evaluated { evaluation, best }).is_break() {
                flow_on = ControlFlow::Break(());
            }
        }
        Ok(flow_on)
    }

    fn f1(&self, weights: &NamedWeights) -> Result<f64, TrainError> {
        let config = &self.inputs.base.config;
        let encoder = Encoder::load(&config.encoder, config.tags.len(), weights)?;
        let found = self.pool.install(|| {
            self.held_out.logits(&encoder, &Device::Cpu).map(|logits| self.held_out.mentions(&logits, 1.0))
        })?;
        Ok(EvalReport::new(&self.inputs.dev, &found, None).all.f1)
    }

    /// Chooses the weights, calibrates them and writes the model folder.
    fn finish(self, progress: Progress, observer: &mut dyn TrainObserver) -> Result<TrainSummary, TrainError> {
        let best = progress.done.iter().max_by(|a, b| a.best.f1.total_cmp(&b.best.f1)).expect("a seed was trained");
        let mut weights = self.store.best(best.seed)?;
        let mut averaged_f1 = None;
        if progress.done.len() > 1 {
            let sets: Result<Vec<_>, _> = progress.done.iter().map(|one| self.store.best(one.seed)).collect();
            let mean = NamedWeights::mean(&sets?);
            let f1 = self.f1(&mean)?;
            let kept = f1 > best.best.f1;
            if kept {
                weights = mean;
            }
            averaged_f1 = Some(f1);
            flow(observer.event(&TrainEvent::Averaged { f1, kept }))?;
        }
        let out = &self.options.out;
        let write = |file: &str, bytes: &[u8]| write_atomically(&out.join(file), bytes);
        // What an earlier model in this folder needed in int8 is not what this one needs.
        match std::fs::remove_file(out.join(BALANCE_FILE)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(TrainError::write(out)(error)),
            _ => {}
        }
        write("model.safetensors", &weights.to_safetensors(self.options.precision)?)?;
        write("tokenizer.json", &self.inputs.base.tokenizer)?;
        let temperature = self.calibrate(&weights.rounded(self.options.precision))?;
        write("config.json", &pretty(&self.inputs.base.config_with(temperature))?)?;
        flow(observer.event(&TrainEvent::Calibrated { temperature }))?;

        // The last word is what the product reads from the written folder; int8 is measured against it.
        let precision = Some(RunPrecision::F32);
        let run = RunOptions { precision, threads: self.options.threads, ..RunOptions::default() };
        let files = ModelFiles::read(out)?;
        let annotator = Annotator::load(&files, &run)?;
        let report = evaluate(&annotator, &self.inputs.dev, Some(&SeenNames::of(&self.inputs.texts.full)))?;
        let summary = TrainSummary {
            recipe: self.options.recipe.clone(),
            texts: self.inputs.texts.full.len(),
            seeds: progress.done,
            averaged_f1,
            temperature,
            history: progress.history,
            report,
            int8: Some(self.quantise(&files, observer)?),
        };
        // Errors quote the held-out texts, which may not be ours to hand on.
        let without_texts = EvalReport { errors: Vec::new(), ..summary.report.clone() };
        write("eval.json", &pretty(&TrainSummary { report: without_texts, ..summary.clone() })?)?;
        let all = ["config.json", "tokenizer.json", "model.safetensors", BALANCE_FILE];
        let written: Vec<&str> = all.into_iter().filter(|file| out.join(file).exists()).collect();
        write_manifest(out, &written)?;
        self.store.remove()?;
        Ok(summary)
    }

    /// Gives the written model its `int8.safetensors` if it loses nothing by it.
    fn quantise(&self, files: &ModelFiles, observer: &mut dyn TrainObserver) -> Result<Quantisation, TrainError> {
        let TrainOptions { quantise: limits, threads, .. } = *self.options;
        let options = QuantiseOptions { limits, threads, ..QuantiseOptions::default() };
        let (bytes, result) = measure(files, &self.inputs.texts.full, &self.inputs.dev, &options)?;
        if result.kept {
            write_atomically(&self.options.out.join(BALANCE_FILE), &bytes)?;
        }
        flow(observer.event(&TrainEvent::Quantised(result)))?;
        Ok(result)
    }

    fn calibrate(&self, weights: &NamedWeights) -> Result<f64, TrainError> {
        let config = &self.inputs.base.config;
        let encoder = Encoder::load(&config.encoder, config.tags.len(), weights)?;
        let logits = self.pool.install(|| self.held_out.logits(&encoder, &Device::Cpu))?;
        Ok(fit_temperature(&self.inputs.dev, |temperature| self.held_out.mentions(&logits, temperature)))
    }
}

fn flow(flow: ControlFlow<()>) -> Result<(), TrainError> {
    if flow.is_break() { Err(TrainError::Stopped) } else { Ok(()) }
}

fn pretty(value: &impl Serialize) -> Result<Vec<u8>, TrainError> {
    let mut json = serde_json::to_vec_pretty(value).map_err(candle_core::Error::wrap)?;
    json.push(b'\n');
    Ok(json)
}

/// What a step needs beside encoder, optimiser and batch.
#[derive(Clone, Copy)]
struct StepArgs<'a> {
    tags: usize,
    device: &'a Device,
    key: u64,
    factor: f64,
}

/// One step of gradient descent; returns the loss.
fn step(encoder: &Encoder, optimiser: &mut AdamW, batch: &Batch, args: StepArgs<'_>) -> Result<f64, TrainError> {
    let StepArgs { tags, device, key, factor } = args;
    if device.is_cpu() {
        let tape = Tape::new(key);
        let logits = encoder.forward(&tape, &batch.packed, device)?;
        let (loss, slope) = loss(&logits.flatten_all()?.to_vec1::<f32>()?, tags, &batch.targets);
        optimiser.step(StepGradients::Tape(tape.backward(&logits, slope)?), factor)?;
        return Ok(loss);
    }
    device.set_seed(key)?;
    let logits = encoder.forward(&GraphOps, &batch.packed, device)?;
    let (loss, slope) = loss(&logits.flatten_all()?.to_vec1::<f32>()?, tags, &batch.targets);
    let slope = Tensor::from_vec(slope, logits.shape(), device)?;
    let gradients = (logits * slope)?.sum_all()?.backward()?;
    optimiser.step(StepGradients::Graph(gradients), factor)?;
    Ok(loss)
}
