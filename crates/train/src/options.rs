//! What a caller says to training, and what training says back.

use std::ops::ControlFlow;
use std::path::PathBuf;

use dateline_model::DeviceSpec;
use dateline_text::{Label, OffsetUnit};
use serde::{Deserialize, Serialize};

use crate::{EvalReport, Precision, Quantisation, QuantiseLimits, Recipe};

/// What to train on, how and where.
#[derive(Clone, Debug)]
pub struct TrainOptions {
    /// The folder to start from: a plain encoder or a token classifier.
    pub base: PathBuf,
    /// Fully marked texts.
    pub train: Vec<PathBuf>,
    /// Texts in which only the recipe's `partial_labels` are marked.
    pub partial: Vec<PathBuf>,
    /// Held-out texts, to choose the best weights on.
    pub dev: PathBuf,
    /// The model folder to write.
    pub out: PathBuf,
    /// Lists of names, one a line, to draw from beside the names in the texts when names are swapped.
    pub names: Vec<(Label, PathBuf)>,
    /// The unit of the files' offsets.
    pub offsets: OffsetUnit,
    /// The recipe.
    pub recipe: Recipe,
    /// Seeds to train with, from the same classifier; with several, their weights are averaged if that is better.
    pub seeds: Vec<u64>,
    /// Where to compute.
    pub device: DeviceSpec,
    /// CPU threads; all cores if not given.
    pub threads: Option<std::num::NonZeroUsize>,
    /// Number format of the written weights.
    pub precision: Precision,
    /// What int8 may cost: within it the model gets its `int8.safetensors`.
    pub quantise: QuantiseLimits,
    /// Tokens per window of the written model, if fewer than the base's positions.
    pub window_tokens: Option<usize>,
    /// Tokens that neighbouring windows of the written model share; a quarter of a window if not given.
    pub stride_tokens: Option<usize>,
    /// Steps between two saved states; an epoch's end saves one in any case.
    pub save_every: usize,
    /// Go on from a saved state, if there is one.
    pub resume: bool,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            base: PathBuf::new(),
            train: Vec::new(),
            partial: Vec::new(),
            dev: PathBuf::new(),
            out: PathBuf::new(),
            names: Vec::new(),
            offsets: OffsetUnit::default(),
            recipe: Recipe::default(),
            seeds: vec![1],
            device: DeviceSpec::Cpu,
            threads: None,
            precision: Precision::default(),
            quantise: QuantiseLimits::default(),
            window_tokens: None,
            stride_tokens: None,
            save_every: 250,
            resume: false,
        }
    }
}

/// Weights on the held-out texts after an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The seed.
    pub seed: u64,
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// Whether these are the moving average of the weights, not the weights themselves.
    pub averaged: bool,
    /// Strict micro F1.
    pub f1: f64,
}

/// What a seed came to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeedResult {
    /// The seed.
    pub seed: u64,
    /// Its best evaluation.
    pub best: Evaluation,
}

/// What happens in training, for showing progress.
#[derive(Clone, Debug, PartialEq)]
pub enum TrainEvent {
    /// Everything is read.
    Started {
        /// Fully and partly marked texts.
        texts: usize,
        /// Partly marked texts.
        partial_texts: usize,
        /// Marked spans that do not begin and end with words; each is taken to cover the words that it touches.
        ragged_spans: usize,
        /// Trained parameters.
        parameters: usize,
        /// The state that is resumed: seed and step.
        resumed: Option<(u64, usize)>,
    },
    /// A step was made.
    Step {
        /// The seed.
        seed: u64,
        /// The epoch, counted from 1.
        epoch: usize,
        /// Steps made and planned for this seed.
        step: usize,
        /// Planned steps.
        steps: usize,
        /// The mean loss per word of the batch.
        loss: f64,
        /// The encoder's learning rate.
        learning_rate: f64,
        /// Tokens per second since the start of the epoch.
        tokens_per_second: f64,
        /// Seconds until this seed's last step, at that speed.
        seconds_left: f64,
    },
    /// The held-out texts were read.
    Evaluated {
        /// What came out.
        evaluation: Evaluation,
        /// Whether it is the seed's best so far, which is kept.
        best: bool,
    },
    /// The seeds' weights were averaged.
    Averaged {
        /// Strict micro F1 of the average.
        f1: f64,
        /// Whether it is better than the best seed, and so the result.
        kept: bool,
    },
    /// The scores were calibrated.
    Calibrated {
        /// The fitted temperature.
        temperature: f64,
    },
    /// The model was measured in int8, too.
    Quantised(Quantisation),
}

/// Watches training.
pub trait TrainObserver {
    /// Called after every event; `Break` saves the state and stops with [`TrainError::Stopped`](crate::TrainError::Stopped).
    fn event(&mut self, event: &TrainEvent) -> ControlFlow<()>;
}

/// Watches nothing.
impl TrainObserver for () {
    fn event(&mut self, _: &TrainEvent) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// What training came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainSummary {
    /// The recipe.
    pub recipe: Recipe,
    /// Fully marked texts.
    pub texts: usize,
    /// Each seed's best.
    pub seeds: Vec<SeedResult>,
    /// F1 of the seeds' average, if there were several.
    pub averaged_f1: Option<f64>,
    /// The fitted temperature.
    pub temperature: f64,
    /// All evaluations.
    pub history: Vec<Evaluation>,
    /// The written model on the held-out texts, read as users will.
    pub report: EvalReport,
    /// The written model in int8 on the same texts; absent in the reports of models from before int8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub int8: Option<Quantisation>,
}
