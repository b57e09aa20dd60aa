//! How `dateline annotate` is used at a shell.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;

use crate::{mentions, tiny};

/// `--format pretty` in a pipe and under NO_COLOR must not leak escape codes into files; on a terminal it has them.
#[test]
fn pretty_output_has_brackets_without_colours_and_none_with() {
    let plain = tiny().run(["annotate", "--format", "pretty"], "Mara Veldt left Dorvan.").ok();
    assert!(plain.text().contains('[') && plain.text().contains("label"), "{}", plain.text());
    assert!(!plain.stdout.contains(&0x1b));
    let coloured = tiny().run(["annotate", "--format", "pretty", "--color", "always"], "Mara Veldt left Dorvan.").ok();
    assert!(coloured.stdout.contains(&0x1b) && !coloured.text().contains(" PERSON 0"), "{}", coloured.text());
}

/// A story comes over a pipe, then nothing for an hour: its mentions must not wait for the next one.
#[test]
fn a_pipe_that_stays_open_is_answered_line_by_line() {
    let mut command = tiny().command(["annotate", "--input", "jsonl"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    for id in 1..=3 {
        writeln!(stdin, "{{\"id\":{id},\"text\":\"Kyiv\"}}").unwrap();
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        assert!(line.starts_with(&format!("{{\"id\":{id},")), "{line}");
    }
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// `dateline annotate … | head -1` under `set -o pipefail` is how people look at results: it is no failure, and the
/// command ends though its own input has not.
#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let mut command = tiny().command(["annotate", "--input", "jsonl"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    drop(child.stdout.take());
    writeln!(stdin, "{{\"text\":\"Kyiv\"}}").unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""));
    drop(stdin);
}

/// Several files are several documents, named by their files, in the order in which they are named.
#[test]
fn files_and_standard_input_come_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("b.txt"), "Kyiv").unwrap();
    fs::write(folder.path().join("a.ndjson"), "{\"id\":1,\"text\":\"x\"}\n\n{\"id\":2,\"text\":\"y\"}\n").unwrap();
    let finished = tiny().run_in(folder.path(), ["annotate", "b.txt", "-", "a.ndjson"], "from the pipe").ok();
    let ids: Vec<_> = finished.lines().iter().map(|line| line["id"].to_string()).collect();
    assert_eq!(ids, ["\"b.txt\"", "null", "1", "2"]);
}

/// What is filtered out is not there; what is not, is unchanged. A label that the model lacks would find nothing in
/// silence.
#[test]
fn scores_and_labels_filter() {
    let text = dateline_tests::planted_text(300).text;
    let all = tiny().run(["annotate", "--input", "text"], text.clone()).ok().lines();
    let some =
        tiny().run(["annotate", "--input", "text", "--min-score", "0.5", "--labels", "PLACE,UNIT"], text.clone()).ok();
    let keep = |mention: &&serde_json::Value| {
        // Scores are rounded in the output, so one at the threshold itself may fall on either side.
        mention["score"].as_f64().unwrap() > 0.5001 && (mention["label"] == "PLACE" || mention["label"] == "UNIT")
    };
    let expected: Vec<_> = mentions(&all[0]).iter().filter(keep).cloned().collect();
    let lines = some.lines();
    let found: Vec<_> = mentions(&lines[0]).iter().filter(keep).cloned().collect();
    assert_eq!(found, expected);
    assert!(mentions(&lines[0]).iter().all(|mention| mention["score"].as_f64().unwrap() >= 0.5));
    let refused = tiny().run(["annotate", "--labels", "CITY"], text).with_code(2);
    assert!(refused.stderr.contains("no label CITY: it has PERSON, PLACE, UNIT, WEAPON"), "{}", refused.stderr);
}
