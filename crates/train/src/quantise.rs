//! Whether a model loses nothing by int8: what its activations need is found on real text, both precisions are measured
//! on held-out text, and only within the limits does the model get its `int8.safetensors`.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::Path;

use dateline_model::{
    Annotator, BALANCE_FILE, ModelConfig, ModelFiles, PackedBatch, Precision, Reading, RunOptions, decode_words,
};
use dateline_text::Mention;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::calibrate::fit_temperature;
use crate::eval::read_all;
use crate::manifest::{drop_from_manifest, update_manifest};
use crate::parameters::write_atomically;
use crate::{EvalReport, Example, TrainError};

/// Where a model's figures lie in its folder.
const EVAL_FILE: &str = "eval.json";
/// The figures' name there.
const EVAL_KEY: &str = "int8";

/// What int8 may cost on the held-out texts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct QuantiseLimits {
    /// Points (hundredths) of strict F1 that int8 may be below f32.
    pub max_f1_loss: f64,
    /// The share of texts, in per cent, that may have other mentions.
    pub max_changed: f64,
}

impl Default for QuantiseLimits {
    fn default() -> Self {
        Self { max_f1_loss: 0.2, max_changed: 2.0 }
    }
}

/// How a model is quantised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantiseOptions {
    /// What int8 may cost.
    pub limits: QuantiseLimits,
    /// How many texts show what the model's activations need; they are taken evenly spaced.
    pub sample: NonZeroUsize,
    /// CPU threads; all cores if not given.
    pub threads: Option<NonZeroUsize>,
}

impl Default for QuantiseOptions {
    fn default() -> Self {
        let sample = const { NonZeroUsize::new(200).expect("200 is not 0") };
        Self { limits: QuantiseLimits::default(), sample, threads: None }
    }
}

/// A model on the held-out texts in one precision.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PrecisionFigures {
    /// Of strict spans, as the next two.
    pub precision: f64,
    /// As above.
    pub recall: f64,
    /// As above.
    pub f1: f64,
    /// Expected calibration error.
    pub ece: f64,
    /// The temperature of the scores.
    pub temperature: f64,
}

impl PrecisionFigures {
    fn new(examples: &[Example], found: &[Vec<Mention>], temperature: f64) -> Self {
        let report = EvalReport::new(examples, found, None);
        let (all, ece) = (report.all, report.calibration.ece);
        Self { precision: all.precision, recall: all.recall, f1: all.f1, ece, temperature }
    }
}

/// What int8 came to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantisation {
    /// Whether it is within the limits.
    pub kept: bool,
    /// What the limits were.
    pub limits: QuantiseLimits,
    /// Texts on which the activations' ranges were found.
    pub sample: usize,
    /// Held-out texts.
    pub texts: usize,
    /// Those of them whose mentions in int8 are others (another span or label) than in f32.
    pub changed: usize,
    /// The figures in f32.
    pub f32: PrecisionFigures,
    /// The figures in int8.
    pub int8: PrecisionFigures,
}

/// A limit that int8 does not keep.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Miss {
    /// It finds less.
    #[error("F1 falls by {loss:.2} points, {:.2} more than the {limit:.2} that it may", loss - limit)]
    F1 {
        /// Points of F1 that it is below f32.
        loss: f64,
        /// Points that it may be.
        limit: f64,
    },
    /// It finds something else.
    #[error("{share:.2} % of the texts have other mentions, {:.2} more than the {limit:.2} % that may", share - limit)]
    Changed {
        /// Per cent of the texts that have other mentions.
        share: f64,
        /// Per cent that may.
        limit: f64,
    },
}

impl Quantisation {
    /// Judges int8 by the limits.
    fn judged(mut self) -> Self {
        self.kept = self.misses().is_empty();
        self
    }

    /// Points of F1 that int8 is below f32; negative if it is above.
    #[must_use]
    pub fn f1_loss(&self) -> f64 {
        100.0 * (self.f32.f1 - self.int8.f1)
    }

    /// Per cent of the texts that have other mentions in int8.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of texts")]
    pub fn changed_share(&self) -> f64 {
        100.0 * self.changed as f64 / self.texts.max(1) as f64
    }

    /// The limits that int8 does not keep; none if it is good enough.
    #[must_use]
    pub fn misses(&self) -> Vec<Miss> {
        let QuantiseLimits { max_f1_loss, max_changed } = self.limits;
        let (loss, share) = (self.f1_loss(), self.changed_share());
        let f1 = (loss > max_f1_loss).then_some(Miss::F1 { loss, limit: max_f1_loss });
        let changed = (share > max_changed).then_some(Miss::Changed { share, limit: max_changed });
        f1.into_iter().chain(changed).collect()
    }

    /// The limits that int8 does not keep, in a sentence.
    #[must_use]
    pub fn reason(&self) -> String {
        self.misses().iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    }
}

impl fmt::Display for Quantisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "      precision  recall      F1  calibration error  temperature")?;
        for (name, figures) in [("f32", self.f32), ("int8", self.int8)] {
            let PrecisionFigures { precision, recall, f1, ece, temperature } = figures;
            let [precision, recall, f1, ece] = [precision, recall, f1, ece].map(|share| 100.0 * share);
            writeln!(f, "{name:4}  {precision:9.2}  {recall:6.2}  {f1:6.2}  {ece:15.2} %  {temperature:11.4}")?;
        }
        let (changed, texts, share) = (self.changed, self.texts, self.changed_share());
        write!(f, "{changed} of {texts} texts ({share:.2} %) have other mentions in int8")
    }
}

/// Quantises the model in `folder`: finds what int8 needs on some of `texts`, whatever is marked there, and measures
/// int8 against f32 on `dev`. Within the limits it writes `int8.safetensors` into the folder, the figures into its
/// `eval.json` if it has one, and the sums into its `SHA256SUMS` if it has one; beyond them it writes nothing, and an
/// `int8.safetensors` of an earlier time goes: it would say of the model what is not so.
///
/// # Errors
/// [`TrainError::Empty`] if there is nothing to find or measure on, [`TrainError::Report`] if `eval.json` is none, or
/// what reading, running and writing the model say.
pub fn quantise(
    folder: &Path,
    texts: &[Example],
    dev: &[Example],
    options: &QuantiseOptions,
) -> Result<Quantisation, TrainError> {
    let (bytes, result) = measure(&ModelFiles::read(folder)?, texts, dev, options)?;
    if result.kept {
        let report = folder.join(EVAL_FILE);
        // Before anything is written: a file that cannot take the figures must not leave half of the work behind.
        let with_figures = match std::fs::read(&report) {
            Ok(json) => Some(add_figures(&report, &json, &result)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(TrainError::read(&report)(error)),
        };
        write_atomically(&folder.join(BALANCE_FILE), &bytes)?;
        if let Some(json) = with_figures {
            write_atomically(&report, &json)?;
        }
        update_manifest(folder, BALANCE_FILE, &[EVAL_FILE])?;
    } else if folder.join(BALANCE_FILE).exists() {
        std::fs::remove_file(folder.join(BALANCE_FILE)).map_err(TrainError::write(folder))?;
        drop_from_manifest(folder, BALANCE_FILE)?;
    }
    Ok(result)
}

/// The bytes of the model's `int8.safetensors`, and what int8 comes to with it. Nothing is written.
pub(crate) fn measure(
    files: &ModelFiles,
    texts: &[Example],
    dev: &[Example],
    options: &QuantiseOptions,
) -> Result<(Vec<u8>, Quantisation), TrainError> {
    if texts.is_empty() {
        return Err(TrainError::Empty("there are no texts to find int8's ranges on".to_owned()));
    }
    if dev.iter().all(|example| example.spans.is_empty()) {
        return Err(TrainError::Empty("no span is marked in the held-out texts, which int8 is measured on".to_owned()));
    }
    let config = ModelConfig::parse(&files.name, &files.config)?;
    let load = |precision, int8: Option<Vec<u8>>| {
        let files = ModelFiles { int8: int8.map(Cow::Owned), ..files.clone() };
        let run = RunOptions { precision: Some(precision), threads: options.threads, ..RunOptions::default() };
        Annotator::load(&files, &run)
    };
    let single = load(Precision::F32, None)?;
    let sample = evenly_spaced(texts, options.sample.get());
    let mut balance = single.balance(&sample)?.made_for(&files.weights);
    let found = read_all(&single, dev)?;
    let f32 = PrecisionFigures::new(dev, &found, config.dateline.temperature);
    drop(single);

    let untempered = load(Precision::Int8, Some(balance.to_bytes()?))?;
    let temperature = temperature(&untempered, config, dev)?;
    drop(untempered);
    balance.temperature = Some(temperature);
    let bytes = balance.to_bytes()?;
    // The last word is what users will get: the file's bytes, read by the product.
    let found_in_int8 = read_all(&load(Precision::Int8, Some(bytes.clone()))?, dev)?;
    let int8 = PrecisionFigures::new(dev, &found_in_int8, temperature);
    let changed = found.iter().zip(&found_in_int8).filter(|(one, other)| !same_mentions(one, other)).count();
    let (limits, sample) = (options.limits, sample.len());
    Ok((bytes, Quantisation { kept: false, limits, sample, texts: dev.len(), changed, f32, int8 }.judged()))
}

/// At most `count` of the texts, with equal gaps between them.
fn evenly_spaced(texts: &[Example], count: usize) -> Vec<&str> {
    let count = count.min(texts.len());
    (0..count).map(|index| texts[index * texts.len() / count].text.as_str()).collect()
}

/// Whether spans and labels are the same, whatever the scores.
fn same_mentions(one: &[Mention], other: &[Mention]) -> bool {
    let what = |mention: &Mention| (mention.span, mention.label.clone());
    one.iter().map(what).eq(other.iter().map(what))
}

/// The temperature under which `annotator`'s scores on `examples` are probabilities.
fn temperature(annotator: &Annotator, config: ModelConfig, examples: &[Example]) -> Result<f64, TrainError> {
    let read = |example: &Example| -> Result<Reading, TrainError> {
        let mut reading = annotator.read(&example.text)?;
        for window in 0..reading.windows() {
            let mut batch = PackedBatch::new();
            annotator.pack(&reading, window, &mut batch);
            let logits = annotator.encode(&batch, &|| {})?;
            reading.place(window, &logits, 0);
        }
        Ok(reading)
    };
    let readings = examples.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let found = |temperature| {
        let mut config = config.clone();
        config.dateline.temperature = temperature;
        let mention =
            |(span, label, score): (_, usize, _)| Mention::new(span, config.tags.labels()[label].clone(), score);
        let mentions = |reading: &Reading| {
            decode_words(reading.tokens(), reading.logits(), &config).into_iter().map(mention).collect()
        };
        readings.iter().map(mentions).collect()
    };
    Ok(fit_temperature(examples, found))
}

/// The report `json` with the figures of int8, and everything else as it stands there.
fn add_figures(path: &Path, json: &[u8], figures: &Quantisation) -> Result<Vec<u8>, TrainError> {
    let fail = |error: serde_json::Error| TrainError::Report { path: path.to_owned(), detail: error.to_string() };
    let mut report: IndexMap<String, Box<RawValue>> = serde_json::from_slice(json).map_err(fail)?;
    // One level further in than it is written.
    let figures = serde_json::to_string_pretty(figures).map_err(fail)?.replace('\n', "\n  ");
    report.insert(EVAL_KEY.to_owned(), RawValue::from_string(figures).map_err(fail)?);
    let mut json = serde_json::to_vec_pretty(&report).map_err(fail)?;
    json.push(b'\n');
    Ok(json)
}

#[cfg(test)]
mod tests {
    use dateline_text::{Label, Span};

    use super::*;

    fn figures(f1: f64) -> PrecisionFigures {
        PrecisionFigures { precision: f1, recall: f1, f1, ece: 0.0125, temperature: 1.5 }
    }

    fn result(int8: f64, changed: usize) -> Quantisation {
        let limits = QuantiseLimits::default();
        Quantisation { kept: false, limits, sample: 200, texts: 300, changed, f32: figures(0.95), int8: figures(int8) }
            .judged()
    }

    #[test]
    fn int8_is_kept_within_both_limits_only() {
        for (int8, changed) in [(0.95, 0), (0.9481, 6), (0.97, 5)] {
            let result = result(int8, changed);
            assert!(result.kept && result.misses().is_empty(), "{result}");
        }
        let worse = result(0.9467, 6);
        assert!(!worse.kept);
        assert_eq!(worse.reason(), "F1 falls by 0.33 points, 0.13 more than the 0.20 that it may");
        let other = result(0.96, 9);
        assert!(!other.kept);
        assert_eq!(other.reason(), "3.00 % of the texts have other mentions, 1.00 more than the 2.00 % that may");
        assert_eq!(result(0.5, 300).misses().len(), 2);
    }

    #[test]
    fn the_table_is_aligned() {
        let table = result(0.9481, 6).to_string();
        let widths: Vec<_> = table.lines().take(3).map(str::len).collect();
        assert!(widths.iter().all(|&width| width == widths[0]), "{table}");
        assert!(table.ends_with("6 of 300 texts (2.00 %) have other mentions in int8"), "{table}");
    }

    #[test]
    fn a_sample_is_spread_over_all_texts() {
        let texts: Vec<Example> = (0..10).map(|i| Example { text: i.to_string(), ..Example::default() }).collect();
        assert_eq!(evenly_spaced(&texts, 3), ["0", "3", "6"]);
        assert_eq!(evenly_spaced(&texts, 99).len(), 10);
    }

    #[test]
    fn scores_may_differ_but_spans_and_labels_may_not() {
        let mention = |end, label: &str, score| Mention::new(Span::new(0, end), Label::new(label), score);
        let one = [mention(4, "PLACE", 0.9)];
        assert!(same_mentions(&one, &[mention(4, "PLACE", 0.5)]));
        for other in [vec![], vec![mention(5, "PLACE", 0.9)], vec![mention(4, "UNIT", 0.9)]] {
            assert!(!same_mentions(&one, &other));
        }
    }

    #[test]
    fn a_report_keeps_all_else_as_it_stands() {
        let before = "{\n  \"z\": [\n    0.10000000000000002\n  ],\n  \"int8\": 1,\n  \"a\": null\n}\n";
        let path = Path::new("eval.json");
        let after = String::from_utf8(add_figures(path, before.as_bytes(), &result(0.95, 0)).unwrap()).unwrap();
        let (head, rest) = after.split_once("\"int8\": {\n    \"kept\": true,").unwrap();
        assert_eq!(head, "{\n  \"z\": [\n    0.10000000000000002\n  ],\n  ");
        assert!(rest.ends_with("\n  },\n  \"a\": null\n}\n"), "{after}");
        let message = add_figures(path, b"[]", &result(0.95, 0)).unwrap_err().to_string();
        assert!(message.contains("eval.json"), "{message}");
    }
}
