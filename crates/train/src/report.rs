//! Scores of what was found against what is marked: strict spans, per label and source, calibration, and every error.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use dateline_text::{Mention, Span};
use serde::{Deserialize, Serialize};

use crate::Example;

/// Bins of the reliability curve.
const BINS: usize = 10;

/// Characters of context on each side of an error.
const CONTEXT: usize = 40;

/// Counts of spans, and what follows from them. A span is right if its start, end and label are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Marked spans: the support.
    pub gold: usize,
    /// Found spans.
    pub predicted: usize,
    /// Found spans that are right.
    pub correct: usize,
    /// `correct / predicted`; 0 if nothing was found.
    pub precision: f64,
    /// `correct / gold`; 0 if nothing is marked.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
}

impl Scores {
    fn add(&mut self, gold: usize, predicted: usize, correct: usize) {
        self.gold += gold;
        self.predicted += predicted;
        self.correct += correct;
        self.precision = ratio(self.correct, self.predicted);
        self.recall = ratio(self.correct, self.gold);
        self.f1 = ratio(2 * self.correct, self.gold + self.predicted);
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of spans")]
fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// How many of some marked spans were found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Recall {
    /// Marked spans.
    pub gold: usize,
    /// Those that were found exactly.
    pub correct: usize,
    /// `correct / gold`.
    pub recall: f64,
}

/// Found spans of similar score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// The bin's lowest score.
    pub from: f64,
    /// The bin's highest score.
    pub to: f64,
    /// Spans in it.
    pub count: usize,
    /// Their mean score.
    pub confidence: f64,
    /// The share of them that is right.
    pub accuracy: f64,
}

/// Whether scores are probabilities.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Expected calibration error over ten bins of equal width (Guo et al. 2017).
    pub ece: f64,
    /// The reliability curve; bins without spans are left out.
    pub bins: Vec<ReliabilityBin>,
}

/// What is wrong with a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// Marked, and nothing was found there.
    Missed,
    /// Found where nothing is marked.
    Spurious,
    /// The right span with a wrong label.
    WrongLabel,
    /// A span that overlaps the marked one.
    WrongBoundary,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Missed => "missed",
            Self::Spurious => "spurious",
            Self::WrongLabel => "wrong label",
            Self::WrongBoundary => "wrong boundary",
        })
    }
}

/// One side of an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedSpan {
    /// The span's words.
    pub text: String,
    /// Its label.
    pub label: String,
    /// Its score, if it was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f32>,
}

/// A span that is not right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ErrorCase {
    /// What is wrong.
    pub kind: ErrorKind,
    /// The text's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The words around it.
    pub context: String,
    /// What is marked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gold: Option<NamedSpan>,
    /// What was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicted: Option<NamedSpan>,
}

/// How good a model is on some texts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EvalReport {
    /// The model's name.
    pub model: String,
    /// Number of texts.
    pub texts: usize,
    /// All spans together (micro average).
    pub all: Scores,
    /// By label.
    pub labels: BTreeMap<String, Scores>,
    /// By source, where texts name one.
    pub sources: BTreeMap<String, Scores>,
    /// Marked names that no training text marks, if training texts were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unseen: Option<Recall>,
    /// Whether scores are probabilities.
    pub calibration: Calibration,
    /// Mean milliseconds per text.
    pub milliseconds_per_text: f64,
    /// Every span that is not right.
    pub errors: Vec<ErrorCase>,
}

/// Names that are marked in some texts, whatever their case.
#[derive(Clone, Debug, Default)]
pub struct SeenNames(HashSet<String>);

impl SeenNames {
    /// The names that are marked in `examples`.
    #[must_use]
    pub fn of(examples: &[Example]) -> Self {
        let names = |example: &Example| -> Vec<String> {
            example.spans.iter().filter_map(|(span, _)| span.slice(&example.text)).map(str::to_lowercase).collect()
        };
        Self(examples.iter().flat_map(names).collect())
    }
}

impl EvalReport {
    /// Compares what was `found` in each of `examples` with what is marked there.
    ///
    /// # Panics
    /// If there are not as many lists of mentions as examples.
    #[must_use]
    pub fn new(examples: &[Example], found: &[Vec<Mention>], seen: Option<&SeenNames>) -> Self {
        assert_eq!(examples.len(), found.len(), "every text was read");
        let mut report = Self { texts: examples.len(), ..Self::default() };
        let mut unseen = Recall::default();
        let mut bins = [(0, 0.0, 0); BINS];
        for (example, found) in examples.iter().zip(found) {
            let is_marked =
                |mention: &Mention| example.spans.iter().any(|(s, l)| *s == mention.span && *l == mention.label);
            let is_found = |span: Span, label: &dateline_text::Label| {
                found.iter().any(|mention| mention.span == span && mention.label == *label)
            };
            for mention in found {
                let right = is_marked(mention);
                report.count(example, mention.label.as_str(), (0, 1, usize::from(right)));
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a score is 0 to 1")]
                let bin = &mut bins[((mention.score * BINS as f32) as usize).min(BINS - 1)];
                *bin = (bin.0 + 1, bin.1 + f64::from(mention.score), bin.2 + usize::from(right));
            }
            for (span, label) in &example.spans {
                report.count(example, label.as_str(), (1, 0, 0));
                let name = span.slice(&example.text).unwrap_or_default().to_lowercase();
                if seen.is_some_and(|seen| !seen.0.contains(&name)) {
                    unseen.gold += 1;
                    unseen.correct += usize::from(is_found(*span, label));
                }
            }
            report.errors.extend(errors_of(example, found));
        }
        unseen.recall = ratio(unseen.correct, unseen.gold);
        report.unseen = seen.map(|_| unseen);
        report.calibration = Calibration::new(&bins);
        report
    }

    fn count(&mut self, example: &Example, label: &str, (gold, predicted, correct): (usize, usize, usize)) {
        self.all.add(gold, predicted, correct);
        self.labels.entry(label.to_owned()).or_default().add(gold, predicted, correct);
        if let Some(source) = &example.source {
            self.sources.entry(source.clone()).or_default().add(gold, predicted, correct);
        }
    }
}

impl Calibration {
    /// From the count, sum of scores and number of right spans in each bin.
    #[expect(clippy::cast_precision_loss, reason = "counts of spans")]
    fn new(bins: &[(usize, f64, usize); BINS]) -> Self {
        let total: usize = bins.iter().map(|bin| bin.0).sum();
        let bins: Vec<ReliabilityBin> = bins
            .iter()
            .enumerate()
            .filter(|(_, bin)| bin.0 > 0)
            .map(|(index, &(count, scores, right))| ReliabilityBin {
                from: index as f64 / BINS as f64,
                to: (index + 1) as f64 / BINS as f64,
                count,
                confidence: scores / count as f64,
                accuracy: ratio(right, count),
            })
            .collect();
        let gap = |bin: &ReliabilityBin| ratio(bin.count, total) * (bin.confidence - bin.accuracy).abs();
        Self { ece: bins.iter().map(gap).sum(), bins }
    }
}

/// The errors in one text: marked and found spans that overlap make one error, the others one each.
fn errors_of<'e>(example: &'e Example, found: &'e [Mention]) -> impl Iterator<Item = ErrorCase> + 'e {
    let wrong: Vec<&Mention> =
        found.iter().filter(|one| !example.spans.iter().any(|(s, l)| *s == one.span && *l == one.label)).collect();
    let missing = example.spans.iter().filter(|(s, l)| !found.iter().any(|one| one.span == *s && one.label == *l));
    let mut paired = vec![false; wrong.len()];
    let mut cases: Vec<ErrorCase> = Vec::new();
    for (span, label) in missing {
        let gold = NamedSpan { text: slice(example, *span), label: label.to_string(), score: None };
        let other = (0..wrong.len()).find(|&i| !paired[i] && wrong[i].span.overlaps(*span));
        let kind = match other.map(|i| wrong[i].span == *span) {
            None => ErrorKind::Missed,
            Some(true) => ErrorKind::WrongLabel,
            Some(false) => ErrorKind::WrongBoundary,
        };
        let predicted = other.map(|i| {
            paired[i] = true;
            named(example, wrong[i])
        });
        let around = other.map_or(*span, |i| span.cover(wrong[i].span));
        cases.push(ErrorCase {
            kind,
            id: example.id.clone(),
            context: context(example, around),
            gold: Some(gold),
            predicted,
        });
    }
    let alone = wrong.into_iter().zip(paired).filter(|(_, paired)| !paired);
    cases.into_iter().chain(alone.map(|(one, _)| ErrorCase {
        kind: ErrorKind::Spurious,
        id: example.id.clone(),
        context: context(example, one.span),
        gold: None,
        predicted: Some(named(example, one)),
    }))
}

fn named(example: &Example, mention: &Mention) -> NamedSpan {
    NamedSpan { text: slice(example, mention.span), label: mention.label.to_string(), score: Some(mention.score) }
}

fn slice(example: &Example, span: Span) -> String {
    span.slice(&example.text).unwrap_or_default().to_owned()
}

/// The text around `span`, with `[` and `]` at its ends.
fn context(example: &Example, span: Span) -> String {
    let text = &example.text;
    let from = text[..span.start()].char_indices().rev().nth(CONTEXT - 1).map_or(0, |(at, _)| at);
    let to = text[span.end()..].char_indices().nth(CONTEXT).map_or(text.len(), |(at, _)| span.end() + at);
    let inner = &text[span.start()..span.end()];
    format!("{}[{inner}]{}", &text[from..span.start()], &text[span.end()..to]).replace(['\n', '\r', '\t'], " ")
}

impl fmt::Display for EvalReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.labels.keys().chain(self.sources.keys());
        let width = names.map(|name| name.chars().count()).max().unwrap_or(0).max("unseen names".len());
        writeln!(f, "{:width$}  precision  recall      F1  support", "")?;
        for (name, scores) in std::iter::once((&"all".to_owned(), &self.all)).chain(&self.labels).chain(&self.sources) {
            let Scores { gold, precision, recall, f1, .. } = scores;
            let [precision, recall, f1] = [precision, recall, f1].map(|share| 100.0 * share);
            writeln!(f, "{name:width$}  {precision:9.2}  {recall:6.2}  {f1:6.2}  {gold:7}")?;
        }
        if let Some(unseen) = &self.unseen {
            let recall = 100.0 * unseen.recall;
            writeln!(f, "{:width$}  {:>9}  {recall:6.2}  {:>6}  {:7}", "unseen names", "", "", unseen.gold)?;
        }
        let Self { texts, calibration, milliseconds_per_text, .. } = self;
        write!(
            f,
            "{texts} texts, calibration error {:.2} %, {milliseconds_per_text:.1} ms per text",
            100.0 * calibration.ece
        )
    }
}

#[cfg(test)]
mod tests {
    use dateline_text::Label;

    use super::*;

    fn example(text: &str, spans: &[(usize, usize, &str)]) -> Example {
        let spans = spans.iter().map(|&(start, end, label)| (Span::new(start, end), Label::new(label))).collect();
        Example {
            id: Some("t".to_owned()),
            source: Some("desk".to_owned()),
            text: text.to_owned(),
            spans,
            document: None,
        }
    }

    fn mention(start: usize, end: usize, label: &str, score: f32) -> Mention {
        Mention::new(Span::new(start, end), Label::new(label), score)
    }

    fn report() -> EvalReport {
        let texts = [
            example("Ada left Oslo for Bergen", &[(0, 3, "PERSON"), (9, 13, "PLACE"), (18, 24, "PLACE")]),
            example("the Oslo Fjord and Bob", &[(4, 14, "PLACE"), (19, 22, "PERSON")]),
        ];
        let found = [
            vec![mention(0, 3, "PERSON", 0.95), mention(9, 13, "PERSON", 0.55)],
            vec![mention(4, 8, "PLACE", 0.65), mention(15, 18, "PLACE", 0.05), mention(19, 22, "PERSON", 0.95)],
        ];
        EvalReport::new(&texts, &found, Some(&SeenNames::of(&[example("ada", &[(0, 3, "PERSON")])])))
    }

    #[test]
    fn counts_are_strict() {
        let report = report();
        let counts = |scores: &Scores| (scores.gold, scores.predicted, scores.correct);
        assert_eq!(counts(&report.all), (5, 5, 2));
        assert_eq!(counts(&report.labels["PERSON"]), (2, 3, 2));
        assert_eq!(counts(&report.sources["desk"]), (5, 5, 2));
        assert!((report.all.f1 - 0.4).abs() < 1e-12);
        let unseen = report.unseen.unwrap();
        assert_eq!((unseen.gold, unseen.correct), (4, 1), "Ada was seen, in another case");
    }

    #[test]
    fn every_error_has_its_kind() {
        let kinds: Vec<_> = report().errors.iter().map(|case| case.kind).collect();
        use ErrorKind::{Missed, Spurious, WrongBoundary, WrongLabel};
        assert_eq!(kinds, [WrongLabel, Missed, WrongBoundary, Spurious]);
        assert_eq!(report().errors[1].context, "Ada left Oslo for [Bergen]");
        assert_eq!(report().errors[2].context, "the [Oslo Fjord] and Bob");
    }

    #[test]
    fn calibration_weighs_the_gaps() {
        // Two of 0.95 are right, the others wrong: gaps 0.05 * 2, 0.55, 0.65, 0.05, over five.
        let calibration = report().calibration;
        assert!((calibration.ece - 0.27).abs() < 1e-6, "{}", calibration.ece);
        assert_eq!(calibration.bins.len(), 4);
    }

    #[test]
    fn the_table_is_aligned_and_json_comes_back() {
        let report = report();
        let table = report.to_string();
        let columns: Vec<_> = table.lines().take(5).map(str::len).collect();
        assert!(columns.iter().all(|&width| width == columns[0]), "{table}");
        assert_eq!(serde_json::from_str::<EvalReport>(&serde_json::to_string(&report).unwrap()).unwrap(), report);
    }
}
