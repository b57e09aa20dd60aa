//! How well mentions are grouped into entities, measured by B-cubed on stories written for it: half of them the rules
//! may be tuned on, half of them held out.
//!
//! B-cubed is Bagga and Baldwin's "Algorithms for Scoring Coreference Chains" (1998), with their equal weights for all
//! mentions: a mention's precision is the share of the mentions in its found entity that belong to its true one, its
//! recall the share of its true entity's mentions that its found one holds; the mention itself counts. Precision and
//! recall are the means over all mentions of all documents, F1 is their harmonic mean. All mentions are given, so only
//! the grouping is measured, and an entity that is mentioned once counts as any other.
//!
//! `cargo test -p dateline-text --test entities -- --nocapture` prints the figures.
#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap like the tests themselves")]

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::hash::Hash;
use std::path::Path;

use dateline_text::{Label, Mention, OffsetMap, OffsetUnit, entities};
use serde::Deserialize;

#[derive(Deserialize)]
struct Story {
    id: String,
    text: String,
    mentions: Vec<Marked>,
}

/// A mention and the entity that it belongs to; offsets in code points.
#[derive(Deserialize)]
struct Marked {
    start: usize,
    end: usize,
    label: String,
    entity: String,
}

/// Sums over mentions.
#[derive(Clone, Copy, Default)]
struct BCubed {
    mentions: usize,
    precision: f64,
    recall: f64,
}

impl BCubed {
    fn f1(&self) -> f64 {
        let (precision, recall) = (self.precision / self.mentions as f64, self.recall / self.mentions as f64);
        2.0 * precision * recall / (precision + recall)
    }

    fn add(&mut self, precision: f64, recall: f64) {
        self.mentions += 1;
        self.precision += precision;
        self.recall += recall;
    }
}

fn stories(half: &str) -> Vec<Story> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/entities").join(half);
    let lines = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The precision and the recall of each mention, of which `truth` and `found` tell the entities.
fn b_cubed<T: Copy + Eq + Hash>(truth: &[T], found: &[usize]) -> Vec<(f64, f64)> {
    let mut true_sizes: HashMap<T, usize> = HashMap::new();
    let mut found_sizes: HashMap<usize, usize> = HashMap::new();
    let mut shared: HashMap<(T, usize), usize> = HashMap::new();
    for (&entity, &group) in truth.iter().zip(found) {
        *true_sizes.entry(entity).or_default() += 1;
        *found_sizes.entry(group).or_default() += 1;
        *shared.entry((entity, group)).or_default() += 1;
    }
    let pairs = truth.iter().zip(found);
    pairs
        .map(|(entity, group)| {
            let shared = shared[&(*entity, *group)] as f64;
            (shared / found_sizes[group] as f64, shared / true_sizes[entity] as f64)
        })
        .collect()
}

/// The scores of each label, and of all under `""`; what differs goes to `report`.
fn measure(stories: &[Story], mut report: Option<&mut String>) -> BTreeMap<String, BCubed> {
    let mut scores: BTreeMap<String, BCubed> = BTreeMap::new();
    for story in stories {
        let mut map = OffsetMap::new(&story.text, OffsetUnit::Codepoint);
        let mentions: Vec<Mention> = story
            .mentions
            .iter()
            .map(|marked| {
                let span = map.span_to_bytes(marked.start, marked.end).unwrap();
                Mention::new(span, Label::new(&marked.label), 1.0)
            })
            .collect();
        let mut found = vec![0; mentions.len()];
        for (number, entity) in entities::group(&story.text, &mentions).iter().enumerate() {
            for &mention in &entity.mentions {
                found[mention] = number;
            }
        }
        let truth: Vec<_> = story.mentions.iter().map(|marked| (&marked.label, &marked.entity)).collect();
        for (at, (precision, recall)) in b_cubed(&truth, &found).into_iter().enumerate() {
            for label in [story.mentions[at].label.as_str(), ""] {
                scores.entry(label.to_owned()).or_default().add(precision, recall);
            }
            if let Some(report) = report.as_mut().filter(|_| precision < 1.0 || recall < 1.0) {
                let surface = mentions[at].slice(&story.text);
                writeln!(report, "{} {:?} {surface} -> {}", story.id, truth[at], found[at]).unwrap();
            }
        }
    }
    scores
}

/// The figures as a table.
fn table(half: &str, stories: &[Story], scores: &BTreeMap<String, BCubed>) -> String {
    let mut table = format!("{half}: {} documents\n", stories.len());
    for (label, score) in scores {
        let (precision, recall) = (score.precision / score.mentions as f64, score.recall / score.mentions as f64);
        let label = if label.is_empty() { "all" } else { label };
        let f1 = score.f1();
        writeln!(table, "  {label:<7} {:>5} mentions  P {precision:.4}  R {recall:.4}  F1 {f1:.4}", score.mentions)
            .unwrap();
    }
    table
}

#[test]
fn the_measure_is_bagga_and_baldwins() {
    // Their example: five, two and five mentions, of which an answer joins the two with one five or the fives.
    let truth = [1, 1, 1, 1, 1, 2, 2, 3, 3, 3, 3, 3];
    let mean = |found: [usize; 12]| {
        let scores = b_cubed(&truth, &found);
        let (precision, recall) = scores.iter().fold((0.0, 0.0), |sums, score| (sums.0 + score.0, sums.1 + score.1));
        ((precision / 12.0 * 100.0).round() as u32, (recall / 12.0 * 100.0).round() as u32)
    };
    assert_eq!(mean([1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2]), (76, 100));
    assert_eq!(mean([1, 1, 1, 1, 1, 2, 2, 1, 1, 1, 1, 1]), (58, 100));
}

/// Prints what `--nocapture` shows.
fn show(text: &str) {
    use std::io::Write as _;
    std::io::stderr().write_all(text.as_bytes()).unwrap();
}

/// The half that rules may be tuned on: with `DATELINE_DIFFERENCES` set, mentions that are grouped otherwise are shown.
#[test]
fn stories_to_tune_on() {
    let stories = stories("dev.jsonl");
    let mut differences = String::new();
    let scores = measure(&stories, Some(&mut differences));
    show(&table("dev", &stories, &scores));
    if std::env::var_os("DATELINE_DIFFERENCES").is_some() {
        show(&differences);
    }
    assert!(scores[""].f1() >= 0.95, "{}", table("dev", &stories, &scores));
}

/// The half that nobody who makes the rules reads: only its figures are shown.
#[test]
fn stories_held_out() {
    let stories = stories("held_out.jsonl");
    let scores = measure(&stories, None);
    show(&table("held out", &stories, &scores));
    assert!(scores[""].f1() >= 0.95, "{}", table("held out", &stories, &scores));
}
