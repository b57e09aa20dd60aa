//! What cannot be read has a defined outcome: named on standard error, in its place in the output, exit code 1; and the
//! rest is annotated.

use std::fs;

use dateline_tests::{copy_model, tiny_model};
use serde_json::json;

use crate::{bare, mentions, tiny};

/// Nothing in a text is no mentions, not an error: archives hold empty stories.
#[test]
fn an_empty_text_has_no_mentions() {
    assert_eq!(tiny().run(["annotate"], "").ok().text(), "{\"mentions\":[],\"entities\":[]}\n");
    assert_eq!(
        tiny().run(["annotate"], "{\"id\":1,\"text\":\"\"}\n").ok().text(),
        "{\"id\":1,\"mentions\":[],\"entities\":[]}\n"
    );
    assert_eq!(tiny().run(["annotate", "--input", "jsonl"], "").ok().text(), "");
}

/// One bad line of a night's archive must not cost the others, and output lines must still match input lines.
#[test]
fn bad_lines_are_named_and_the_good_ones_are_annotated() {
    let input = b"{\"id\":\"a\",\"text\":\"Kyiv\"}\n\
        this is no JSON\n\
        {\"id\":\"c\"}\n\
        {\"id\":\"d\",\"text\":\"caf\xe9\"}\n\
        {\"id\":\"e\",\"text\":\"\\ud83d alone\"}\n\
        {\"id\":\"f\",\"text\":\"Odesa\"}\n";
    let finished = tiny().run(["annotate", "--input", "jsonl"], &input[..]).with_code(1);
    let lines = finished.lines();
    assert_eq!(lines.len(), 6);
    assert_eq!((&lines[0]["id"], &lines[5]["id"]), (&json!("a"), &json!("f")));
    for (index, says) in [(1, "not a JSON object"), (2, "no \"text\""), (3, "not UTF-8"), (4, "lone surrogates")] {
        let error = lines[index]["error"].as_str().unwrap_or_else(|| panic!("line {index} is {}", lines[index]));
        assert!(error.contains(says), "{error}");
        assert_eq!(lines[index]["line"], index + 1);
        let named = format!("error: standard input, line {} ", index + 1);
        assert!(finished.stderr.contains(&named), "{}", finished.stderr);
    }
    assert_eq!((&lines[2]["id"], &lines[4]["id"]), (&json!("c"), &json!("e")));
    assert!(finished.stderr.contains("4 of 6 documents failed"), "{}", finished.stderr);
}

/// A stream whose first line is broken looks like a text; silence would leave its user wondering over one odd document.
#[test]
fn a_text_that_begins_like_a_record_is_noted() {
    let finished = tiny().run(["annotate"], "{\"text\": \"Kyiv\n{\"text\": \"Odesa\"}\n").ok();
    assert_eq!(finished.lines().len(), 1);
    assert!(finished.stderr.contains("--input jsonl"), "{}", finished.stderr);
}

/// A text in another encoding would give names with wrong letters, or offsets of a text that the caller does not have.
#[test]
fn a_file_that_is_not_utf8_is_refused_with_the_byte_and_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("latin.txt"), b"Le caf\xe9 de Kyiv").unwrap();
    fs::write(folder.path().join("good.txt"), "Kyiv").unwrap();
    let finished = tiny().run_in(folder.path(), ["annotate", "latin.txt", "gone.txt", "good.txt"], "").with_code(1);
    let lines = finished.lines();
    assert_eq!(
        lines.iter().map(|line| line["id"].as_str().unwrap()).collect::<Vec<_>>(),
        ["latin.txt", "gone.txt", "good.txt"]
    );
    let error = lines[0]["error"].as_str().unwrap();
    assert!(error.contains("not UTF-8 at byte 6") && error.contains("iconv"), "{error}");
    assert!(finished.stderr.contains("error: latin.txt is not UTF-8 at byte 6"), "{}", finished.stderr);
    assert!(finished.stderr.contains("error: gone.txt cannot be read"), "{}", finished.stderr);
    assert!(lines[2].get("mentions").is_some());
}

/// A NUL is a character like others; C code on the way would end the text there.
#[test]
fn a_nul_is_no_end() {
    let finished = tiny().run(["annotate", "--include-text"], "{\"text\":\"Kyiv \\u0000 Odesa and Lviv\"}").ok();
    assert_eq!(finished.lines()[0]["text"], "Kyiv \0 Odesa and Lviv");
}

/// The commonest first mistake: the model is not where it was said to be.
#[test]
fn a_missing_model_folder_is_named_with_what_to_do() {
    let finished = bare().run(["annotate", "--model", "./no/such/model"], "Kyiv").with_code(2);
    assert!(finished.stderr.contains("there is no model folder at ./no/such/model"), "{}", finished.stderr);
    let finished = bare().run(["annotate", "--model", "no-such-model"], "Kyiv").with_code(2);
    for part in ["no model called no-such-model", "models/no-such-model", "--model FOLDER", "dateline models list"] {
        assert!(finished.stderr.contains(part), "no {part:?} in {}", finished.stderr);
    }
    assert!(finished.stdout.is_empty());
}

/// An air-gapped newsroom asks for a model that nobody fetched: said at once, with the id, and without waiting for a net.
#[test]
#[cfg(feature = "hub")]
fn a_hub_model_that_was_never_fetched_is_named_offline() {
    let finished = bare().run(["annotate", "--offline", "--model", "nobody/nothing"], "Kyiv").with_code(2);
    assert!(finished.stderr.contains("nobody/nothing"), "{}", finished.stderr);
}

/// A download that broke off, a folder of another tool, a damaged disk: each is a sentence, never a panic.
#[test]
fn a_broken_model_folder_is_refused_by_the_file_at_fault() {
    let weights = fs::read(tiny_model().join("model.safetensors")).unwrap();
    let cases: [(&str, Option<&[u8]>); 6] = [
        ("config.json", None),
        ("tokenizer.json", None),
        ("model.safetensors", None),
        ("config.json", Some(b"{")),
        ("tokenizer.json", Some(b"[]")),
        ("model.safetensors", Some(&weights[..weights.len() / 2])),
    ];
    for (file, content) in cases {
        let folder = tempfile::tempdir().unwrap();
        copy_model(&tiny_model(), folder.path());
        match content {
            Some(content) => fs::write(folder.path().join(file), content).unwrap(),
            None => fs::remove_file(folder.path().join(file)).unwrap(),
        }
        let finished = bare().with_model(folder.path()).run(["annotate"], "Kyiv").with_code(2);
        assert!(
            finished.stderr.starts_with("error: ") && finished.stderr.contains(file),
            "{file}: {}",
            finished.stderr
        );
        assert!(!finished.stderr.contains("panicked"), "{}", finished.stderr);
    }
}

/// Whatever else is in a record is its owner's: it comes back, in its order and to its last digit.
#[test]
fn other_fields_pass_through() {
    let line = r#"{"source":"wire","id":7,"text":"Kyiv","weight":0.10,"tags":["a", {"b":null}],"mentions":["old"]}"#;
    let finished = tiny().run(["annotate"], line).ok();
    let start = r#"{"source":"wire","id":7,"weight":0.10,"tags":["a", {"b":null}],"mentions":["#;
    assert!(finished.text().starts_with(start), "{}", finished.text());
    assert!(mentions(&finished.lines()[0]).iter().all(|mention| mention.is_object()));
}
