//! What came out, for machines: the report as `--json` prints it.

use std::time::Duration;

use dateline_model::{Annotator, RunOptions};
use serde::Serialize;

use super::machine::{Machine, Resident};
use super::rounds::{ROUNDS, Spread, percentile};
use super::work::{Corpus, Settings};

/// All figures of a run. Rates are in tokens a second unless said otherwise, times in seconds, memory in bytes.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Of Dateline.
    pub(super) version: &'static str,
    /// Where it ran.
    pub(super) machine: Machine,
    /// What ran.
    pub(super) model: Model,
    /// On what.
    pub(super) texts: Texts,
    /// How soon.
    pub(super) start: Start,
    /// In how much memory; only on Linux.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory: Option<Memory>,
    /// How often each rate was measured.
    pub(super) rounds: usize,
    /// Tokenising and cutting windows alone, on one thread.
    pub(super) tokenise: Spread,
    /// The bare encoder, by the size of its batches, ascending.
    pub(super) encoder: Vec<Encoder>,
    /// One text after the other.
    pub(super) one_text_at_a_time: Spread,
    /// From JSONL to JSONL.
    pub(super) whole_path: WholePath,
    /// One short text.
    pub(super) latency: Latency,
    /// What the machine could do at most, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) peak: Option<Peak>,
}

/// The model, and how it was run.
#[derive(Debug, Serialize)]
pub(super) struct Model {
    pub(super) name: String,
    pub(super) architecture: String,
    pub(super) parameters: usize,
    pub(super) device: String,
    /// Of the linear layers: int8, bf16 or f32.
    pub(super) precision: String,
    /// Threads on the CPU.
    pub(super) threads: usize,
    /// In the encoder's linear layers.
    pub(super) multiply_adds_per_token: usize,
}

/// The texts.
#[derive(Debug, Serialize)]
pub(super) struct Texts {
    /// Whether they are made up.
    pub(super) made_up: bool,
    pub(super) count: usize,
    /// By the white space between them.
    pub(super) words: usize,
    /// As the encoder reads them.
    pub(super) tokens: usize,
}

/// How soon there was what.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Start {
    /// What loading the model took.
    pub(super) load: f64,
    /// From the start of the process to the mentions of the first text.
    pub(super) first_answer: f64,
}

/// Resident memory.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Memory {
    /// With the model loaded.
    pub(super) after_load: u64,
    /// At the end, with what was measured with.
    pub(super) at_end: u64,
    /// The most at any time.
    pub(super) most: u64,
}

impl Memory {
    /// From what was seen after loading and at the end.
    pub(super) fn of(after_load: Option<Resident>, at_end: Option<Resident>) -> Option<Self> {
        let (after_load, at_end) = (after_load?, at_end?);
        Some(Self { after_load: after_load.now, at_end: at_end.now, most: at_end.most })
    }
}

/// The encoder with batches of one size.
#[derive(Debug, Serialize)]
pub(super) struct Encoder {
    /// The most tokens of a batch.
    pub(super) batch_tokens: usize,
    pub(super) tokens_per_second: Spread,
    /// Whether this is the size that `annotate` and `serve` take with the same options.
    pub(super) in_use: bool,
    /// Whether this is the fastest.
    pub(super) best: bool,
}

/// From JSONL to JSONL.
#[derive(Debug, Serialize)]
pub(super) struct WholePath {
    pub(super) tokens_per_second: Spread,
    pub(super) words_per_second: Spread,
    /// Of the rate of the encoder in use.
    pub(super) share_of_encoder: Spread,
    /// In the currency of `--price-per-hour`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cost_of_a_million_words: Option<f64>,
}

/// How long one short text takes.
#[derive(Debug, Serialize)]
pub(super) struct Latency {
    pub(super) words: usize,
    pub(super) tokens: usize,
    pub(super) calls: usize,
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// What the CPU's multiply-adds can do, and what the encoder in use makes of it.
#[derive(Debug, Serialize)]
pub(super) struct Peak {
    pub(super) instruction_set: &'static str,
    pub(super) multiply_adds_per_second_per_core: Spread,
    /// Of the peak of as many cores as there are threads.
    pub(super) share: Spread,
}

/// What is known beside what was measured in rounds.
pub(super) struct Known<'k> {
    pub(super) annotator: &'k Annotator,
    pub(super) options: &'k RunOptions,
    pub(super) corpus: &'k Corpus,
    pub(super) made_up: bool,
    pub(super) start: Start,
    pub(super) memory: Option<Memory>,
    pub(super) short: Short,
    pub(super) price_per_hour: Option<f64>,
}

/// The short text's size.
#[derive(Clone, Copy)]
pub(super) struct Short {
    pub(super) words: usize,
    pub(super) tokens: usize,
}

impl Report {
    /// From what was measured and what is known beside it.
    pub(super) fn new(known: Known<'_>, measured: &Settings<'_>) -> Self {
        let Known { annotator, options, corpus, made_up, start, memory, short, price_per_hour } = known;
        let machine = Machine::of_this_process();
        let (info, threads) = (annotator.info(), options.threads.map_or(machine.cores, usize::from));
        let model = Model {
            name: info.name.clone(),
            architecture: info.architecture.clone(),
            parameters: info.parameters,
            device: info.device.clone(),
            precision: info.precision.to_string(),
            threads,
            multiply_adds_per_token: annotator.config().encoder.multiply_adds_per_token(),
        };
        let in_use = measured.encoder_in_use();
        let tokens_per_second = measured.whole_path.rate();
        let words_per_second = tokens_per_second.times(measured.words_per_token);
        let times = &measured.latency.times;
        let peak = measured.peak.as_ref().map(|(instruction_set, peak)| Peak {
            instruction_set,
            multiply_adds_per_second_per_core: peak.rate(),
            share: in_use.share_of(peak, per_core(model.multiply_adds_per_token, threads)),
        });
        Self {
            version: env!("CARGO_PKG_VERSION"),
            machine,
            model,
            texts: Texts { made_up, count: corpus.texts.len(), words: corpus.words(), tokens: corpus.tokens() },
            start,
            memory,
            rounds: ROUNDS,
            tokenise: measured.tokenise.rate(),
            encoder: encoder(measured),
            one_text_at_a_time: measured.single.rate(),
            whole_path: WholePath {
                tokens_per_second,
                words_per_second,
                share_of_encoder: measured.whole_path.share_of(in_use, 1.0),
                cost_of_a_million_words: price_per_hour.map(|price| cost(price, words_per_second.median)),
            },
            latency: Latency {
                words: short.words,
                tokens: short.tokens,
                calls: times.len(),
                p50: percentile(times, 50),
                p99: percentile(times, 99),
            },
            peak,
        }
    }
}

fn encoder(measured: &Settings<'_>) -> Vec<Encoder> {
    let best = measured.encoder.iter().map(|encoder| encoder.setting.rate().median).fold(0.0, f64::max);
    let of = |encoder: &super::work::EncoderSetting<'_>| {
        let tokens_per_second = encoder.setting.rate();
        #[expect(clippy::float_cmp, reason = "it is one of the values compared with")]
        let best = tokens_per_second.median == best;
        Encoder { batch_tokens: encoder.budget, tokens_per_second, in_use: encoder.in_use, best }
    };
    measured.encoder.iter().map(of).collect()
}

/// Multiply-adds that each of `threads` cores does for a token.
fn per_core(multiply_adds: usize, threads: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 multiply-adds and threads")]
    let (multiply_adds, threads) = (multiply_adds as f64, threads as f64);
    multiply_adds / threads
}

/// What a million words cost on a machine of that price an hour.
fn cost(price_per_hour: f64, words_per_second: f64) -> f64 {
    let hours = Duration::from_secs(1_000_000).div_f64(words_per_second).as_secs_f64() / 3600.0;
    price_per_hour * hours
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_of_a_million_words() {
        // 1000 words a second are 3.6 million an hour.
        assert!((cost(3.6, 1000.0) - 1.0).abs() < 1e-9);
        assert!(cost(0.0, 1000.0) == 0.0);
    }

    #[test]
    fn memory_is_left_out_where_it_is_not_known() {
        let seen = |now, most| Some(Resident { now, most });
        assert!(Memory::of(seen(1, 2), None).is_none());
        let memory = Memory::of(seen(1, 2), seen(3, 4)).unwrap();
        assert_eq!((memory.after_load, memory.at_end, memory.most), (1, 3, 4));
    }

    /// The share of the peak: tokens a second times what each of the cores does for one, over what it could do.
    #[test]
    fn multiply_adds_are_shared_by_the_cores() {
        assert!((per_core(10_600_000, 2) - 5_300_000.0).abs() < f64::EPSILON);
    }
}
