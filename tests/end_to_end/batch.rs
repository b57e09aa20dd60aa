//! `dateline batch`: archives in files, outputs that are whole or not there, and a proof of it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

use serde_json::{Value, json};

use crate::{mentions, tiny};

/// A folder with `in/` of two files of JSONL and two texts.
fn archive() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("in/deep")).unwrap();
    for (name, rows) in [("a.jsonl", 40), ("deep/b.jsonl", 25)] {
        let line = |row: usize| {
            let text = format!("🚀 Report {row}: Ilse Brandt left Port Almeda. ").repeat(1 + row % 7);
            format!("{}\n", json!({"id": format!("{name}-{row}"), "date": "2024-02-17", "text": text}))
        };
        fs::write(folder.path().join("in").join(name), (0..rows).map(line).collect::<String>()).unwrap();
    }
    fs::write(folder.path().join("in/c.txt"), "The 3rd Brigade left Kyiv.").unwrap();
    fs::write(folder.path().join("in/d.md"), "Odesa was quiet.").unwrap();
    folder
}

fn outputs(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut outputs: Vec<_> =
        entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("part-")).collect();
    outputs.sort();
    outputs
}

fn rows(folder: &Path) -> Vec<Value> {
    let text: String = outputs(folder).iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Without this nobody would know that an archive is annotated whole, as `annotate` would have, and once.
#[test]
fn an_archive_is_annotated_once_and_a_rerun_does_nothing() {
    let folder = archive();
    let run = ["batch", "in", "--output", "out", "--format", "jsonl"];
    let finished = tiny().run_in(folder.path(), run, "").ok();
    assert!(finished.text().contains("67 documents in "), "{}", finished.text());
    assert!(finished.text().contains("complete: 67 documents"), "{}", finished.text());
    let rows = rows(&folder.path().join("out"));
    assert_eq!(rows.len(), 67);
    let a = fs::read_to_string(folder.path().join("in/a.jsonl")).unwrap();
    let alone = tiny().run(["annotate", "--input", "jsonl"], a).ok().lines();
    for line in alone {
        let row = rows.iter().find(|row| row["id"] == line["id"]).unwrap();
        assert_eq!(mentions(row), mentions(&line), "{}", line["id"]);
        assert_eq!(row["date"], "2024-02-17", "other fields pass through");
    }
    let verified = tiny().run_in(folder.path(), ["batch", "verify", "out"], "").ok();
    assert!(verified.text().starts_with("verified: each of the 67 input rows"), "{}", verified.text());

    let again = tiny().run_in(folder.path(), run, "").ok();
    assert!(again.text().starts_with("0 documents in "), "{}", again.text());
    assert!(folder.path().join("out/_SUCCESS").exists());
    let manifest: Value = serde_json::from_slice(&fs::read(folder.path().join("out/_manifest.json")).unwrap()).unwrap();
    assert_eq!((&manifest["rows"], &manifest["failed"]), (&json!(67), &json!(0)));
}

/// Parquet is what the archives of data teams are in.
#[test]
fn parquet_goes_in_and_out() {
    let folder = archive();
    let first = ["batch", "in/a.jsonl", "--output", "one", "--include-text", "--carry", "date"];
    tiny().run_in(folder.path(), first, "").ok();
    let second = ["batch", "one", "--output", "two", "--carry", "id", "--explode", "--progress", "json"];
    let finished = tiny().run_in(folder.path(), second, "").ok();
    let report = &finished.lines()[0];
    assert_eq!((&report["documents"], &report["complete"]), (&json!(40), &json!(true)));
    for place in ["one", "two"] {
        tiny().run_in(folder.path(), ["batch", "verify", place], "").ok();
    }
    let sums = |place: &str| {
        let manifest = fs::read(folder.path().join(place).join("_manifest.json")).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        (manifest["rows"].clone(), manifest["mentions"].clone())
    };
    assert_eq!(sums("one"), sums("two"));
}

/// Who rents machines by the hour wants to know before.
#[test]
fn a_dry_run_shows_the_plan_and_writes_nothing() {
    let folder = archive();
    let finished = tiny().run_in(folder.path(), ["batch", "in", "--output", "out", "--dry-run"], "").ok();
    for says in ["a.jsonl, bytes 0 to ", "4 files, 3 shards", "on this machine, by the first "] {
        assert!(finished.text().contains(says), "{says}: {}", finished.text());
    }
    assert!(!folder.path().join("out").exists());
}

/// Several machines, no coordinator.
#[test]
fn workers_split_a_plan() {
    let folder = archive();
    let run = |worker: &str| {
        let args = ["batch", "in", "--output", "out", "--format", "jsonl", "--workers", worker];
        let mut command = tiny().command(args);
        command.current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    for mut worker in ["0/2", "1/2"].map(run) {
        assert_eq!(worker.wait().unwrap().code(), Some(0));
    }
    // Each may have looked before the other had ended; then nobody has seen all of it yet.
    tiny().run_in(folder.path(), ["batch", "in", "--output", "out", "--format", "jsonl"], "").ok();
    tiny().run_in(folder.path(), ["batch", "verify", "out"], "").ok();
    let bad = tiny().run_in(folder.path(), ["batch", "in", "--output", "out", "--workers", "2/2"], "").with_code(2);
    assert!(bad.stderr.contains("counted from 0 to 1"), "{}", bad.stderr);
}

/// A proof that cannot fail is none.
#[test]
fn verify_finds_a_missing_and_a_doubled_row() {
    let folder = archive();
    tiny().run_in(folder.path(), ["batch", "in/a.jsonl", "--output", "out", "--format", "jsonl"], "").ok();
    let output = outputs(&folder.path().join("out")).remove(0);
    let whole = fs::read_to_string(&output).unwrap();
    let (first, rest) = whole.split_once('\n').unwrap();
    for (tampered, says) in [
        (rest.to_owned(), "1 rows of the input are missing, the first at 0"),
        (format!("{first}\n{whole}"), "more than once"),
    ] {
        fs::write(&output, tampered).unwrap();
        let finished = tiny().run_in(folder.path(), ["batch", "verify", "out"], "").with_code(1);
        assert!(finished.stderr.contains(says), "{}", finished.stderr);
    }
    fs::remove_file(&output).unwrap();
    let finished = tiny().run_in(folder.path(), ["batch", "verify", "out"], "").with_code(1);
    assert!(finished.stderr.contains("it is missing"), "{}", finished.stderr);
    let nothing = tiny().run_in(folder.path(), ["batch", "verify", "in"], "").with_code(2);
    assert!(nothing.stderr.contains("there is no plan in"), "{}", nothing.stderr);
}

/// One bad line of a night's archive must not cost the others.
#[test]
fn broken_lines_are_named_and_cost_their_own_rows() {
    let folder = tempfile::tempdir().unwrap();
    let lines = "{\"id\":1,\"text\":\"Kyiv\"}\nno JSON\n{\"id\":3}\n{\"id\":4,\"text\":\"Odesa\"}\n";
    fs::write(folder.path().join("a.jsonl"), lines).unwrap();
    let run = ["batch", "a.jsonl", "--output", "out", "--format", "jsonl"];
    let finished = tiny().run_in(folder.path(), run, "").with_code(1);
    assert!(finished.stderr.contains("a.jsonl, byte 23: "), "{}", finished.stderr);
    assert!(finished.stderr.contains("2 of 4 documents failed"), "{}", finished.stderr);
    let rows = rows(&folder.path().join("out"));
    assert!(rows[0]["mentions"].is_array() && rows[3]["mentions"].is_array());
    assert!(rows[1]["error"].is_string() && rows[2]["error"].as_str().unwrap().contains("text"), "{rows:?}");
    assert_eq!(rows[2]["id"], 3);
    tiny().run_in(folder.path(), ["batch", "verify", "out"], "").ok();
}

/// What is wrong with an input as a whole is said before anything is begun, with the file's name and the way out.
#[test]
fn inputs_that_cannot_be_read_are_named() {
    let folder = archive();
    tiny().run_in(folder.path(), ["batch", "in/a.jsonl", "--output", "one", "--include-text"], "").ok();
    let parquet = outputs(&folder.path().join("one")).remove(0);
    let name = parquet.file_name().unwrap().to_str().unwrap().to_owned();
    let column = ["batch", "one", "--output", "out", "--text-column", "body", "--carry", ""];
    let finished = tiny().run_in(folder.path(), column, "").with_code(2);
    assert!(finished.stderr.contains(&format!("{name} has no column \"body\"")), "{}", finished.stderr);
    let bytes = fs::read(&parquet).unwrap();
    fs::write(&parquet, &bytes[..bytes.len() / 2]).unwrap();
    let finished = tiny().run_in(folder.path(), ["batch", "one", "--output", "out", "--carry", ""], "").with_code(2);
    assert!(finished.stderr.contains(&name) && finished.stderr.contains("cut off"), "{}", finished.stderr);
    for (input, code, says) in [
        ("gone.jsonl", 1, "gone.jsonl: there is no such file"),
        ("in/*.tsv", 2, "no file matches in/*.tsv"),
        ("ftp://host/a.jsonl", 2, "known are paths, s3://"),
    ] {
        let finished = tiny().run_in(folder.path(), ["batch", input, "--output", "out"], "").with_code(code);
        assert!(finished.stderr.contains(says), "{}", finished.stderr);
    }
    let labels = ["batch", "in", "--output", "out", "--labels", "NOBODY"];
    let finished = tiny().run_in(folder.path(), labels, "").with_code(2);
    assert!(finished.stderr.contains("the model has no label NOBODY"), "{}", finished.stderr);
}

/// Better now than after the first hour.
#[cfg(target_os = "linux")]
#[test]
fn a_place_that_cannot_be_written_is_said_before_anything_is_begun() {
    let folder = archive();
    let finished = tiny().run_in(folder.path(), ["batch", "in", "--output", "/sys/dateline"], "").with_code(1);
    assert!(finished.stderr.contains("cannot write to /sys/dateline: "), "{}", finished.stderr);
    let permission = finished.stderr.contains("no permission") || finished.stderr.contains("read-only");
    assert!(permission, "{}", finished.stderr);
}

/// The message of a wrong key must name the variables, and come at once.
#[test]
fn a_wrong_credential_is_said_with_the_variables() {
    let folder = archive();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            while stream.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let _ =
                stream.get_mut().write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    let mut command = tiny().command(["batch", "s3://news/in/a.jsonl", "--output", "out"]);
    command.current_dir(folder.path()).env("AWS_ENDPOINT_URL", endpoint).env("AWS_REGION", "eu-central-1");
    command.env("AWS_ACCESS_KEY_ID", "nobody").env("AWS_SECRET_ACCESS_KEY", "nothing");
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("s3://news/in/a.jsonl") && said.contains("AWS_SECRET_ACCESS_KEY"), "{said}");
    assert!(!said.contains("nothing"), "{said}");
}
