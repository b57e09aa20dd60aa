//! The formats of other tools, through the real binary: what `annotate` writes, what `convert` reads back, and what
//! becomes of a document that a format cannot hold.

use serde_json::{Value, json};

use crate::{mentions, real, tiny};

const STORY: &str = "🚀 Görlitz: General Oleksandr Syrskyi visited Kharkiv on Monday. The 92nd Assault Brigade held Bakhmut, \
    Syrskyi said.";

/// What lies in a format must come out of it as it went in: a newsroom's archive outlives its tools.
#[test]
fn what_a_format_holds_comes_back() {
    let line = json!({"id": "a1", "text": STORY}).to_string();
    let ours = real().run(["annotate", "--include-text", "--format", "jsonl"], line).ok();
    let expected: Vec<Value> = mentions(&ours.lines()[0]).iter().map(without_score).collect();
    assert!(expected.len() >= 4, "{expected:?}");
    for format in ["conll", "conll-bioes", "brat", "spacy", "doccano", "label-studio"] {
        let there = real().run(["convert", "--to", format], ours.stdout.clone()).ok();
        let back = real().run(["convert", "--from", format, "--to", "jsonl"], there.stdout).ok();
        let found: Vec<Value> = mentions(&back.lines()[0]).iter().map(without_score).collect();
        if format.starts_with("conll") {
            // Columns have tokens and no blanks: every name is there, and where it stood is not.
            assert_eq!(names(&found), names(&expected), "{format}");
        } else {
            assert_eq!(found, expected, "{format}");
        }
    }
}

fn names(mentions: &[Value]) -> Vec<(&Value, &Value)> {
    mentions.iter().map(|mention| (&mention["label"], &mention["text"])).collect()
}

fn without_score(mention: &Value) -> Value {
    let mut mention = mention.clone();
    mention.as_object_mut().unwrap().remove("score");
    mention
}

/// `annotate` writes what `convert` would make of its JSONL: one way to a format, not two.
#[test]
fn annotate_and_convert_write_the_same() {
    let line = json!({"id": "a1", "text": STORY}).to_string();
    let ours = tiny().run(["annotate", "--include-text"], line.clone()).ok();
    let model = tiny().run(["annotate", "--format", "html"], line.clone()).ok();
    assert!(model.text().contains("<mark"), "{}", model.text());
    let by_convert = tiny().run(["convert", "--to", "html"], ours.stdout).ok();
    assert_eq!(model.text(), by_convert.text());
}

/// A document that does not fit costs itself, by name, and not the ones beside it.
#[test]
fn a_document_that_a_format_cannot_hold_is_named() {
    let odd = json!({"id": "odd", "text": "Kyiv", "mentions": [
        {"start": 0, "end": 4, "label": "A PLACE", "text": "Kyiv", "score": 1.0}]});
    let plain = json!({"id": "plain", "text": "Kyiv", "mentions": [
        {"start": 0, "end": 4, "label": "PLACE", "text": "Kyiv", "score": 1.0}]});
    let finished = tiny().run(["convert", "--to", "conll"], format!("{odd}\n{plain}\nno JSON\n"));
    assert_eq!(finished.code, Some(1), "{}", finished.stderr);
    assert!(finished.text().contains("Kyiv -X- -X- B-PLACE"), "{}", finished.text());
    let errors = &finished.stderr;
    assert!(errors.contains("A PLACE") && errors.contains("line 3"), "{errors}");
    assert!(errors.contains("2 of 3 documents failed"), "{errors}");
}

/// Entities point into the list of mentions beside them, which `--labels` and `--min-score` have shortened.
#[test]
fn entities_are_of_the_mentions_that_are_written() {
    let line = json!({"id": "a1", "text": STORY}).to_string();
    for options in [vec![], vec!["--labels", "PERSON"]] {
        let finished = real().run([&["annotate"], options.as_slice()].concat(), line.clone()).ok();
        let document = &finished.lines()[0];
        let (mentions, entities) = (mentions(document), document["entities"].as_array().unwrap());
        let mut named: Vec<u64> = Vec::new();
        for entity in entities {
            let own = entity["mentions"].as_array().unwrap();
            assert_eq!(entity["count"], own.len());
            for index in own.iter().map(|index| index.as_u64().unwrap()) {
                assert_eq!(mentions[usize::try_from(index).unwrap()]["label"], entity["label"]);
                named.push(index);
            }
        }
        named.sort_unstable();
        assert_eq!(named, (0..mentions.len() as u64).collect::<Vec<_>>(), "each mention is of one entity");
        let person = entities.iter().find(|entity| entity["label"] == "PERSON").unwrap();
        assert_eq!(person["name"], "Oleksandr Syrskyi");
    }
    let without = real().run(["annotate", "--no-entities"], line).ok();
    assert!(without.lines()[0].get("entities").is_none());
}
