//! One text, the same mentions, whichever way it comes in and in whichever unit it is counted.

use std::fs;

use dateline_tests::{Dateline, Server};
use serde_json::{Value, json};

use crate::{mentions, number, real, tiny};

/// An emoji of one code point and two UTF-16 units, one of several code points, and letters of two bytes, all before
/// the first name: the three units differ at every name.
const STORY: &str = "🚀👩‍✈️ Görlitz, señor! General Oleksandr Syrskyi visited Kharkiv on Monday.\r\n\
    The 92nd Assault Brigade fired Javelin missiles near Bakhmut, said Syrskyi.\n";

/// `text[start..end]` in `unit`, computed here by other means than Dateline's.
fn slice(text: &str, start: usize, end: usize, unit: &str) -> String {
    match unit {
        "codepoint" => text.chars().skip(start).take(end - start).collect(),
        "utf16" => String::from_utf16(&text.encode_utf16().collect::<Vec<_>>()[start..end]).unwrap(),
        "byte" => text[start..end].to_owned(),
        _ => unreachable!("no such unit"),
    }
}

/// The mentions of [`STORY`] by file, by JSONL pipe and by HTTP, in each unit.
fn check(dateline: &Dateline) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("story.txt");
    fs::write(&file, STORY).unwrap();
    let line = json!({"id": "s", "text": STORY}).to_string();
    let server = Server::start(dateline, &[]);
    let mut found = Vec::new();
    for unit in ["codepoint", "utf16", "byte"] {
        let by_file = dateline.run(["annotate", "--offsets", unit, file.to_str().unwrap()], "").ok().lines();
        let by_pipe = dateline.run(["annotate", "--offsets", unit], line.clone()).ok().lines();
        let by_http = server.annotate(STORY, &format!("?offsets={unit}"));
        let [by_file, by_pipe] = [&by_file, &by_pipe].map(|lines| mentions(&lines[0]));
        assert!(!by_file.is_empty());
        assert_eq!(by_file, by_pipe);
        assert_eq!(by_file, mentions(&by_http));
        for mention in by_file {
            let words = slice(STORY, number(mention, "start"), number(mention, "end"), unit);
            assert_eq!(mention["text"], words, "in {unit} units");
        }
        found = by_file.to_vec();
    }
    found
}

/// A name in another place than the text's own would be worse than no name: highlights slip, links break.
#[test]
fn every_mention_is_its_slice_in_every_unit_and_by_every_way() {
    check(&tiny());
}

/// As above with what a user gets, and the names that nobody could miss.
#[test]
fn the_default_model_finds_the_names_of_the_story() {
    let found = check(&real());
    let found: Vec<_> = found.iter().map(|mention| (&mention["label"], &mention["text"])).collect();
    for (label, text) in [("PERSON", "Oleksandr Syrskyi"), ("PLACE", "Kharkiv"), ("PLACE", "Bakhmut")] {
        let (label, text) = (json!(label), json!(text));
        assert!(found.contains(&(&label, &text)), "no {label} {text} in {found:?}");
    }
    for label in ["UNIT", "WEAPON"] {
        assert!(found.iter().any(|(found, _)| *found == label), "no {label} in {found:?}");
    }
}

/// Mentions are ascending and do not overlap: callers replace and highlight in one pass.
#[test]
fn mentions_ascend_and_do_not_overlap() {
    let text = STORY.repeat(20);
    let found = tiny().run(["annotate"], text).ok().lines();
    let mut end = 0;
    for mention in mentions(&found[0]) {
        assert!(number(mention, "start") >= end, "{mention} begins before {end}");
        end = number(mention, "end");
        assert!(end > number(mention, "start"));
        let score = mention["score"].as_f64().unwrap();
        assert!((0.0..=1.0).contains(&score), "{mention}");
    }
    assert!(end > 0);
}
