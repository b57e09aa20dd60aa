//! What is found in a text does not depend on its neighbours, on threads or on batches.

use std::fmt::Write;

use dateline_tests::{Dateline, planted_text};
use serde_json::{Value, json};

use crate::tiny;

/// Two hundred documents of very different lengths with the one that counts among them.
fn archive(document: &Value) -> String {
    let mut archive = String::new();
    for index in 0..200 {
        let other = json!({"id": index, "text": planted_text(index % 17 * 11).text});
        writeln!(archive, "{}", if index == 137 { document } else { &other }).unwrap();
    }
    archive
}

fn check(dateline: &Dateline) {
    let document = json!({"id": "the one", "text": planted_text(700).text});
    let alone = dateline.run(["annotate", "--input", "jsonl"], document.to_string()).ok();
    let alone = alone.text().trim_end().to_owned();
    for args in [&["--batch-tokens", "700"][..], &["--threads", "1"], &["--threads", "2", "--batch-tokens", "20000"]] {
        let among = dateline.run([&["annotate"], args].concat(), archive(&document)).ok();
        assert_eq!(among.text().lines().nth(137), Some(alone.as_str()), "with {args:?}");
    }
}

/// A newsroom that annotates a story again with tomorrow's others must get the same scores, to the last digit.
#[test]
fn a_document_alone_and_among_two_hundred_gets_the_same_scores() {
    check(&tiny());
}
