//! From labelled texts to a model that annotates: the whole loop at a size that takes seconds.

use std::fmt::Write;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use dateline_tests::tiny_model;
use serde_json::json;

use crate::bare;

/// Sentences with a person and a place each; which names, differs with `salt`.
fn corpus(count: usize, salt: usize) -> String {
    let people = ["Mara Veldt", "Tomas Reyl", "Ilse Brandt", "Osei", "Lind"];
    let places = ["Port Ansel", "Dorvan", "Kestrel City", "Lower Harrow", "San Ruiz"];
    let mut lines = String::new();
    for index in 0..count {
        let (person, place) = (people[(index + salt) % 5], places[(index * 2 + salt) % 5]);
        let text = format!("Captain {person} went to {place} in the morning.");
        let person_start = "Captain ".len();
        let place_start = text.find(" to ").unwrap() + 4;
        let spans = json!([
            {"start": person_start, "end": person_start + person.len(), "label": "PERSON"},
            {"start": place_start, "end": place_start + place.len(), "label": "PLACE"},
        ]);
        writeln!(lines, "{}", json!({"id": index.to_string(), "text": text, "spans": spans})).unwrap();
    }
    lines
}

/// The files of a run in `folder`, and its arguments.
fn arguments(folder: &Path, epochs: usize) -> Vec<String> {
    fs::write(folder.join("train.jsonl"), corpus(40, 0)).unwrap();
    fs::write(folder.join("dev.jsonl"), corpus(10, 3)).unwrap();
    fs::write(folder.join("recipe.json"), r#"{"encoder_lr": 0.003, "head_lr": 0.01, "dropout": 0.0}"#).unwrap();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (base, epochs) = (tiny_model().to_str().unwrap().to_owned(), epochs.to_string());
    let arguments = [
        ["train".to_owned(), "--resume".to_owned()],
        ["--base".to_owned(), base],
        ["--train".to_owned(), path("train.jsonl")],
        ["--dev".to_owned(), path("dev.jsonl")],
        ["--recipe".to_owned(), path("recipe.json")],
        ["--out".to_owned(), path("model")],
        ["--epochs".to_owned(), epochs],
    ];
    arguments.into_iter().flatten().collect()
}

/// A newsroom with its own labels trains, measures, verifies and uses a model with this command alone.
#[test]
fn a_trained_model_can_be_measured_verified_and_used() {
    let folder = tempfile::tempdir().unwrap();
    let trained = bare().run(arguments(folder.path(), 30), "").ok();
    assert!(trained.text().contains("precision"), "{}", trained.text());
    assert!(trained.stderr.contains("seed 1, epoch 30 of 30"), "{}", trained.stderr);

    let model = folder.path().join("model");
    let dateline = bare().with_model(&model);
    let dev = folder.path().join("dev.jsonl");
    let dev = dev.to_str().unwrap();
    let report = dateline.run(["eval", dev, "--json"], "").ok();
    let report: serde_json::Value = serde_json::from_str(report.text()).unwrap();
    let f1 = report["all"]["f1"].as_f64().unwrap();
    assert!(f1 > 0.8, "F1 {f1}");
    let table = dateline.run(["eval", dev, "--train", dev, "--errors"], "").ok();
    assert!(table.text().contains("PLACE") && table.text().contains("unseen names"), "{}", table.text());
    let verified = bare().run(["models", "verify", model.to_str().unwrap()], "").ok();
    assert!(verified.text().contains("model.safetensors: ok"), "{}", verified.text());
    let found = dateline.run(["annotate"], "Captain Osei went to Dorvan in the morning.").ok();
    assert!(!crate::mentions(&found.lines()[0]).is_empty());
}

/// int8 is several times faster, and a newsroom must get it only where it finds the same.
#[test]
fn a_model_is_quantised_if_it_loses_nothing_and_runs_so_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let _ = bare().run(arguments(folder.path(), 30), "").ok();
    let model = folder.path().join("model");
    let file = model.join("int8.safetensors");
    // Training has decided by itself; from here on it is asked.
    let _ = fs::remove_file(&file);
    let quantise = |limits: [&str; 2]| {
        let paths =
            ["model", "train.jsonl", "dev.jsonl"].map(|name| folder.path().join(name).to_str().unwrap().to_owned());
        let [model, texts, dev] = paths.each_ref().map(String::as_str);
        let [loss, changed] = limits;
        let args = ["quantise", model, "--texts", texts, "--dev", dev, "--max-f1-loss", loss, "--max-changed", changed];
        bare().run(args, "")
    };
    let kept = quantise(["100", "100"]).ok();
    assert!(kept.text().contains("texts (") && kept.text().contains("\nint8 "), "{}", kept.text());
    assert!(file.is_file());
    let verified = bare().run(["models", "verify", model.to_str().unwrap()], "").ok();
    assert!(verified.text().contains("int8.safetensors: ok"), "{}", verified.text());

    let dateline = bare().with_model(&model);
    let story = "Captain Osei went to Dorvan in the morning, said Tomas Reyl of Port Ansel.";
    let annotate = |args: &[&str]| dateline.run([&["annotate"], args].concat(), story).ok().lines();
    let [by_itself, int8, f32] = [annotate(&[]), annotate(&["--precision", "int8"]), annotate(&["--precision", "f32"])];
    assert_eq!(by_itself, int8);
    assert_ne!(int8, f32, "scores differ in some digit");
    let dev = folder.path().join("dev.jsonl");
    for precision in ["int8", "f32"] {
        let report = dateline.run(["eval", dev.to_str().unwrap(), "--precision", precision, "--json"], "").ok();
        let report: serde_json::Value = serde_json::from_str(report.text()).unwrap();
        assert!(report["all"]["f1"].as_f64().unwrap() > 0.8, "{precision}: {report}");
    }

    fs::write(&file, "no tensors").unwrap();
    let broken = dateline.run(["annotate"], story).with_code(2);
    assert!(
        broken.stderr.contains("int8.safetensors") && broken.stderr.contains("--precision f32"),
        "{}",
        broken.stderr
    );
    assert_eq!(annotate(&["--precision", "f32"]), f32);
}

/// Training takes hours; a Ctrl-C, or a machine that goes, must not cost them.
#[test]
#[cfg(unix)]
fn an_interrupted_training_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = arguments(folder.path(), 60);
    let mut command = bare().command(&arguments);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(said.by_ref().any(|line| line.starts_with("seed 1, epoch 1 ")));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let rest: Vec<String> = said.collect();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{rest:#?}");
    assert!(rest.last().unwrap().contains("--resume"), "{rest:#?}");
    let resumed = bare().run(&arguments, "").ok();
    assert!(resumed.stderr.contains("going on with seed 1 at step "), "{}", resumed.stderr);
    assert!(resumed.stderr.contains("epoch 60 of 60"), "{}", resumed.stderr);
}

/// A labelled file with a bad line gives figures of the rest, and says so: nobody should compare them unknowingly.
#[test]
fn a_bad_line_of_a_labelled_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("labelled.jsonl");
    let bad = r#"{"text":"short","spans":[{"start":0,"end":99,"label":"PLACE"}]}"#;
    fs::write(&file, corpus(5, 0) + bad + "\n").unwrap();
    let finished = crate::tiny().run(["eval", file.to_str().unwrap()], "").with_code(1);
    assert!(finished.stderr.contains("labelled.jsonl:6: "), "{}", finished.stderr);
    assert!(finished.text().contains("5 texts"), "{}", finished.text());
    let missing = crate::tiny().run(["eval", "gone.jsonl"], "").with_code(2);
    assert!(missing.stderr.contains("gone.jsonl"), "{}", missing.stderr);
}
