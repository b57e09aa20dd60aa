//! A loaded model that reads texts: tokenise, cut into windows, encode in packed batches, decode, map back to bytes.

use std::num::NonZeroUsize;

use candle_core::Device;
use dateline_text::{Label, Mention, Span};
use rayon::prelude::*;

use crate::cpu::Ranges;
use crate::reading::Reading;
use crate::runner::{self, Runner};
use crate::tokenise::{Boundary, Tokeniser, Tokens};
use crate::weights::SafetensorsWeights;
use crate::window::windows;
use crate::{Balance, DeviceSpec, ModelConfig, ModelError, ModelFiles, PackedBatch, Precision, decode};

/// How a model is run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Where.
    pub device: DeviceSpec,
    /// How exactly. If not given, int8 on the CPU for models that were found to lose nothing by it (those with an
    /// `int8.safetensors`), bf16 on NVIDIA's GPUs, else f32.
    pub precision: Option<Precision>,
    /// CPU threads; all cores if not given.
    pub threads: Option<NonZeroUsize>,
    /// The most tokens that one pass of the encoder takes: more is a little faster and needs more memory. A single
    /// window always fits.
    pub max_batch_tokens: usize,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self { device: DeviceSpec::Cpu, precision: None, threads: None, max_batch_tokens: 4096 }
    }
}

impl RunOptions {
    /// How exactly the model in `files` computes with these options, on a machine that has the device.
    #[must_use]
    pub fn precision_for(&self, files: &ModelFiles) -> Precision {
        runner::precision(self, files)
    }
}

/// What a caller may want to know of a loaded model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// Its name.
    pub name: String,
    /// Its architecture, as `config.json` names it.
    pub architecture: String,
    /// Its labels.
    pub labels: Vec<Label>,
    /// Tokens per window, special tokens included.
    pub window_tokens: usize,
    /// The device that it runs on.
    pub device: String,
    /// How exactly it computes.
    pub precision: Precision,
    /// Number of parameters.
    pub parameters: usize,
}

/// A loaded model.
///
/// What it finds in a text does not depend on the texts beside it, on the batch size or on the number of threads.
#[derive(Debug)]
pub struct Annotator {
    info: ModelInfo,
    config: ModelConfig,
    tokeniser: Tokeniser,
    encoder: Runner,
    pool: rayon::ThreadPool,
    max_batch_tokens: usize,
}

impl Annotator {
    /// Loads a model.
    ///
    /// # Errors
    /// [`ModelError`] naming the file at fault, or the device.
    pub fn load(files: &ModelFiles, options: &RunOptions) -> Result<Self, ModelError> {
        let mut config = ModelConfig::parse(&files.name, &files.config)?;
        let device = options.device.open()?;
        let tokeniser = Tokeniser::load(&files.tokenizer, &config)?;
        let weights = SafetensorsWeights::open(&files.name, &files.weights, &Device::Cpu)?;
        let precision = runner::precision(options, files);
        let balance = match &files.int8 {
            Some(file) if precision == Precision::Int8 => {
                let balance = Balance::parse(&files.name, file)?;
                balance.check(&files.weights)?;
                Some(balance)
            }
            _ => None,
        };
        if let Some(temperature) = balance.as_ref().and_then(|balance| balance.temperature) {
            config.dateline.temperature = temperature;
        }
        let threads = options.threads.map_or(0, NonZeroUsize::get);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("dateline-model-{index}"))
            .build()?;
        let encoder = Runner::load(&config, &weights, &device, (precision, balance.as_ref()), &pool)?;
        let info = ModelInfo {
            name: files.name.clone(),
            architecture: config.architecture.clone(),
            labels: config.tags.labels().to_vec(),
            window_tokens: config.window_tokens(),
            device: options.device.to_string(),
            precision,
            parameters: weights.parameters(),
        };
        let max_batch_tokens = options.max_batch_tokens;
        Ok(Self { info, config, tokeniser, encoder, pool, max_batch_tokens })
    }

    /// What is known of the model.
    #[must_use]
    pub const fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// The model's configuration.
    #[must_use]
    pub const fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The mentions of `text`, ascending and apart. A text without words has none.
    ///
    /// # Errors
    /// [`ModelError`] if the tokeniser or the device fails; no text is refused for its length or content.
    pub fn annotate(&self, text: &str) -> Result<Vec<Mention>, ModelError> {
        Ok(self.annotate_all(&[text])?.remove(0))
    }

    /// The mentions of each of `texts`, in their order; for each the same, bit for bit, as [`Annotator::annotate`]
    /// gives. Memory grows with the texts of one call, so callers with many texts hand them over in parts.
    ///
    /// # Errors
    /// As [`Annotator::annotate`].
    pub fn annotate_all(&self, texts: &[&str]) -> Result<Vec<Vec<Mention>>, ModelError> {
        self.pool.install(|| {
            let mut documents =
                texts.par_iter().map(|text| self.read(text)).collect::<Result<Vec<Reading>, ModelError>>()?;
            self.encode_all(&mut documents)?;
            Ok(documents.par_iter().zip(texts).map(|(document, text)| self.mentions(document, text)).collect())
        })
    }

    /// The logits of every token of one window, special tokens included: `[tokens][tags]`. For comparing with a
    /// reference implementation; [`Annotator::annotate`] does not cut its text to one window.
    ///
    /// # Errors
    /// As [`Annotator::annotate`].
    pub fn logits(&self, token_ids: &[u32], type_ids: &[u32]) -> Result<Vec<Vec<f32>>, ModelError> {
        let mut batch = PackedBatch::new();
        batch.push(token_ids, type_ids);
        let logits = self.encode(&batch, &|| {})?;
        Ok(logits.chunks_exact(self.config.tags.len()).map(<[f32]>::to_vec).collect())
    }

    /// The model's tokeniser.
    #[must_use]
    pub const fn tokeniser(&self) -> &Tokeniser {
        &self.tokeniser
    }

    /// Reads `text`: cuts it into tokens, and these into windows. The first of the phases that
    /// [`Annotator::annotate_all`] goes through; for callers that batch windows of many texts themselves:
    ///
    /// ```text
    /// read ─► pack windows of any readings into a batch ─► encode ─► Reading::place each window's rows ─► mentions
    /// ```
    ///
    /// # Errors
    /// [`ModelError::Tokeniser`] if the tokeniser fails.
    pub fn read(&self, text: &str) -> Result<Reading, ModelError> {
        let tokens = self.tokeniser.tokenise(text)?;
        let windows = windows(&tokens, self.config.window_tokens() - 2, self.config.stride_tokens());
        Ok(Reading::new(tokens, windows, self.config.tags.len()))
    }

    /// Appends the window of that index to `batch`, special tokens included.
    ///
    /// # Panics
    /// If the reading has no such window.
    pub fn pack(&self, reading: &Reading, window: usize, batch: &mut PackedBatch) {
        let pieces = reading.pieces(window);
        let around = |first, inner: &[u32], last| [&[first], inner, &[last]].concat();
        let special = self.tokeniser.special_type();
        batch.push(
            &around(self.tokeniser.first(), &reading.tokens().ids[pieces.clone()], self.tokeniser.last()),
            &around(special, &reading.tokens().type_ids[pieces], special),
        );
    }

    /// The logits of a batch, row by row: `[tokens, tags]`. On the CPU `pause` is called again and again on the way, by one
    /// of the model's threads, between two
    /// operations of the encoder: there a caller may do other work on this device, even encode another batch, before
    /// this one goes on. On a GPU that is the only way to have two batches on the way: one thread calls at a time.
    ///
    /// # Errors
    /// [`ModelError::Compute`] if the device fails.
    pub fn encode(&self, batch: &PackedBatch, pause: &(dyn Fn() + Sync)) -> Result<Vec<f32>, ModelError> {
        self.encoder.forward(batch, &self.pool, pause)
    }

    /// What an `int8.safetensors` of this model holds, found on `texts` (some hundred sentences of the kind that the
    /// model is to read). Its temperature is still to be fitted, and it is to be told what it was [`Balance::made_for`].
    ///
    /// # Errors
    /// [`ModelError::Precision`] unless the model runs in f32 on the CPU, or as [`Annotator::annotate`].
    pub fn balance(&self, texts: &[&str]) -> Result<Balance, ModelError> {
        let encoder = match &self.encoder {
            Runner::Cpu(encoder) if self.info.precision == Precision::F32 => encoder,
            _ => {
                let detail = "what int8 needs is found on the CPU in f32: load the model so".to_owned();
                return Err(ModelError::Precision { precision: self.info.precision.to_string(), detail });
            }
        };
        let mut ranges = Ranges::default();
        for text in texts {
            let reading = self.read(text)?;
            let mut batch = PackedBatch::new();
            (0..reading.windows()).for_each(|window| self.pack(&reading, window, &mut batch));
            encoder.observe(&batch, &mut ranges)?;
        }
        Ok(encoder.balance(&ranges))
    }

    /// The mentions of a reading all of whose windows have been placed; `text` is what was read.
    #[must_use]
    pub fn mentions(&self, reading: &Reading, text: &str) -> Vec<Mention> {
        decode_words(reading.tokens(), reading.logits(), &self.config)
            .into_iter()
            .map(|(span, label, score)| {
                debug_assert!(span.slice(text).is_some_and(|slice| !slice.is_empty()));
                Mention::new(span, self.config.tags.labels()[label].clone(), score)
            })
            .collect()
    }

    fn encode_all(&self, readings: &mut [Reading]) -> Result<(), ModelError> {
        let jobs: Vec<(usize, usize)> = readings
            .iter()
            .enumerate()
            .flat_map(|(document, reading)| (0..reading.windows()).map(move |window| (document, window)))
            .collect();
        let mut rest = &jobs[..];
        while !rest.is_empty() {
            let mut batch = PackedBatch::new();
            let mut taken = 0;
            for &(document, window) in rest {
                let reading = &readings[document];
                if taken > 0 && batch.tokens() + reading.window_tokens(window) > self.max_batch_tokens {
                    break;
                }
                self.pack(reading, window, &mut batch);
                taken += 1;
            }
            let logits: Vec<f32> = self.encode(&batch, &|| {})?;
            for (&(document, window), range) in rest[..taken].iter().zip(batch.windows()) {
                readings[document].place(window, &logits, range.start);
            }
            rest = &rest[taken..];
        }
        Ok(())
    }
}

/// The mentions in a text's word logits (`[words, tags]`): span in bytes, label as an index into the model's labels,
/// calibrated score. White-space words are no part of the chain.
#[must_use]
pub fn decode_words(tokens: &Tokens, logits: &[f32], config: &ModelConfig) -> Vec<(Span, usize, f32)> {
    let width = config.tags.len();
    let inked: Vec<usize> = (0..tokens.words.len()).filter(|&word| !tokens.words[word].span.is_empty()).collect();
    let rows: Vec<f32> = inked.iter().flat_map(|&word| &logits[word * width..(word + 1) * width]).copied().collect();
    let breaks: Vec<bool> = inked.iter().map(|&word| tokens.words[word].boundary == Boundary::Paragraph).collect();
    decode::decode(&rows, &breaks, &config.tags, &config.dateline.decoding())
        .into_iter()
        .map(|found| {
            let first = tokens.words[inked[found.first_word]].span;
            let last = tokens.words[inked[found.last_word]].span;
            #[expect(clippy::cast_possible_truncation, reason = "a score needs no double precision")]
            let score = found.score as f32;
            (first.cover(last), found.label, score)
        })
        .collect()
}
