//! `dateline bench`: that its figures are there and fit each other. How high they are is no matter of tests.

use std::fs;

use serde_json::{Value, json};

use crate::{bare, tiny};

/// The report of a short run with `args`.
fn report(args: &[&str]) -> Value {
    let finished = tiny().run([&["bench", "--json", "--seconds", "0.05"], args].concat(), "").ok();
    serde_json::from_str(finished.text()).unwrap_or_else(|error| panic!("{error}: {}", finished.text()))
}

/// The number at `path`, which is above 0.
fn number(report: &Value, path: &str) -> f64 {
    let number = report.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("no {path} in {report}"));
    assert!(number.is_finite() && number > 0.0, "{path}: {number}");
    number
}

/// The median at `path`, which lies between the lowest and the highest.
fn median(report: &Value, path: &str) -> f64 {
    let [median, min, max] = ["median", "min", "max"].map(|part| number(report, &format!("{path}/{part}")));
    assert!(min <= median && median <= max, "{path}: {min}, {median}, {max}");
    median
}

/// Other programs, and the comparison of two versions, read these figures: each must be there and mean what it says.
#[test]
fn a_report_is_whole_and_fits_itself() {
    let report = report(&["--price-per-hour", "3.6", "--threads", "1"]);
    for path in ["/model/parameters", "/model/multiply_adds_per_token", "/machine/cores", "/texts/count", "/rounds"] {
        let _ = number(&report, path);
    }
    assert_eq!((&report["model"]["threads"], &report["model"]["device"]), (&json!(1), &json!("cpu")));
    assert_eq!((&report["model"]["name"], &report["texts"]["made_up"]), (&json!("bert-casing"), &json!(true)));
    assert!(number(&report, "/texts/tokens") > number(&report, "/texts/words"));

    let encoder = report["encoder"].as_array().unwrap();
    let sizes: Vec<&Value> = encoder.iter().map(|encoder| &encoder["batch_tokens"]).collect();
    assert_eq!(sizes, [64, 256, 1024, 4096]);
    let rate = |index: usize| median(&report, &format!("/encoder/{index}/tokens_per_second"));
    let best = (0..4).map(rate).fold(0.0, f64::max);
    for (index, encoder) in encoder.iter().enumerate() {
        assert_eq!(encoder["best"], rate(index) >= best, "{report:#}");
        assert_eq!(encoder["in_use"], index == 3);
    }
    for path in ["/tokenise", "/one_text_at_a_time", "/whole_path/tokens_per_second", "/whole_path/share_of_encoder"] {
        let _ = median(&report, path);
    }
    let words_per_second = median(&report, "/whole_path/words_per_second");
    assert!(words_per_second < median(&report, "/whole_path/tokens_per_second"));
    // At 3.6 an hour a second costs a thousandth.
    let cost = number(&report, "/whole_path/cost_of_a_million_words") * words_per_second;
    assert!((cost - 1000.0).abs() < 1e-6, "{report:#}");

    assert_eq!(report["latency"]["words"], 60);
    assert!(number(&report, "/latency/calls") >= 100.0);
    assert!(number(&report, "/latency/p50") <= number(&report, "/latency/p99"));
    assert!(number(&report, "/start/load") < number(&report, "/start/first_answer"));
    if cfg!(target_os = "linux") {
        let [after_load, at_end, most] = ["after_load", "at_end", "most"].map(|when| format!("/memory/{when}"));
        assert!(number(&report, &after_load).max(number(&report, &at_end)) <= number(&report, &most));
    }
}

/// Whoever has to decide on a machine measures with texts of their own and a batch of their own size.
#[test]
fn own_texts_and_sizes_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("texts.jsonl");
    fs::write(&file, "{\"text\":\"Rain in Dorvan.\"}\n{\"text\":\"\"}\n\n{\"id\":1,\"text\":\"Kyiv is calm.\"}\n")
        .unwrap();
    let report = report(&[file.to_str().unwrap(), "--batch-tokens", "300"]);
    assert_eq!(report["texts"]["made_up"], false);
    assert_eq!((&report["texts"]["count"], &report["texts"]["words"]), (&json!(2), &json!(6)), "the empty one is out");
    let in_use = report["encoder"].as_array().unwrap().iter().find(|encoder| encoder["in_use"] == true).unwrap();
    assert_eq!(in_use["batch_tokens"], 300);
    assert!(report["whole_path"].get("cost_of_a_million_words").is_none(), "nobody said what the machine costs");
    fs::write(&file, "{\"text\":\" \"}\n").unwrap();
    let empty = tiny().run(["bench", file.to_str().unwrap()], "").with_code(2);
    assert!(empty.stderr.contains("no text with a word"), "{}", empty.stderr);
}

/// The figures for people, and only those, on standard output; nothing on standard error that a log would keep.
#[test]
fn a_table_is_printed_for_people() {
    let finished = tiny().run(["bench", "--seconds", "0.05"], "").ok();
    for words in ["encoder, batches of     64 tokens", "in use", "whole path", "words a second", "p99", "first answer"]
    {
        assert!(finished.text().contains(words), "no {words:?} in\n{}", finished.text());
    }
    assert_eq!(finished.stderr, "");
}

/// What the CPU can do is asked before a model is there.
#[test]
fn instruction_sets_are_listed_without_a_model() {
    let listed = bare().with_model("/nonexistent").run(["bench", "--list"], "").ok();
    assert!(!listed.text().is_empty());
}
