//! How well mentions are grouped into entities, measured by B-cubed (Bagga and Baldwin 1998, "Algorithms for Scoring
//! Coreference Chains") on stories written for it: half of them the rules may be tuned on, half of them held out.
//!
//! A mention's precision is the share of the mentions in its found entity that belong to its true one; its recall is
//! the share of its true entity's mentions that its found one holds; both count the mention itself. Precision and recall are the means over
//! all mentions of all documents (Bagga and Baldwin's equal weights per mention), F1 is their harmonic mean. All mentions are given, so
//! that only the grouping is measured; an entity with one mention counts as any other.
//!
//! `cargo test -p dateline-text --test entities -- --nocapture` prints the figures.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
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
        let true_of = |at: usize| (&story.mentions[at].label, &story.mentions[at].entity);
        let mut sizes: HashMap<_, usize> = HashMap::new();
        let mut found_sizes: HashMap<usize, usize> = HashMap::new();
        let mut both: HashMap<_, usize> = HashMap::new();
        for at in 0..mentions.len() {
            *sizes.entry(true_of(at)).or_default() += 1;
            *found_sizes.entry(found[at]).or_default() += 1;
            *both.entry((true_of(at), found[at])).or_default() += 1;
        }
        for at in 0..mentions.len() {
            let shared = both[&(true_of(at), found[at])] as f64;
            let (precision, recall) = (shared / found_sizes[&found[at]] as f64, shared / sizes[&true_of(at)] as f64);
            for label in [story.mentions[at].label.as_str(), ""] {
                scores.entry(label.to_owned()).or_default().add(precision, recall);
            }
            if let Some(report) = report.as_mut().filter(|_| precision < 1.0 || recall < 1.0) {
                let surface = mentions[at].slice(&story.text);
                writeln!(report, "{} {:?} {surface} -> {}", story.id, true_of(at), found[at]).unwrap();
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
