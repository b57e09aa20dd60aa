//! Memory does not grow with the length of the input. Linux only: it reads what the kernel counted.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{ChildStdin, Stdio};
use std::thread;

use dateline_tests::planted_text;
use serde_json::json;

use crate::tiny;

/// Feeds `megabytes` of JSONL to `dateline annotate` and gives the most memory that it held, in MiB.
///
/// Most of a line is a field that passes through: reading and writing are what may pile up, and encoding all of it
/// would take an hour.
fn peak(megabytes: usize) -> usize {
    let raw = "<p>The page as it came, with all its markup.</p>".repeat(200);
    let text =
        |index: usize| if index.is_multiple_of(50) { planted_text(300).text } else { "Rain in Dorvan.".to_owned() };
    let line = |index: usize| json!({"id": index, "raw": raw, "text": text(index)});
    let lines: String = (1..200).map(|index| format!("{}\n", line(index))).collect();
    let mut command = tiny().command(["annotate", "--input", "jsonl", "--min-score", "1"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let repeats = (megabytes << 20).div_ceil(lines.len());
    let (documents, status) = (repeats * 199, format!("/proc/{}/status", child.id()));
    // The input is kept open until all documents came out: a process that has ended has no memory to look at.
    let writer = thread::spawn(move || -> ChildStdin {
        (0..repeats).for_each(|_| stdin.write_all(lines.as_bytes()).unwrap());
        stdin
    });
    let written = BufReader::new(child.stdout.take().unwrap()).lines().take(documents).map(Result::unwrap).count();
    assert_eq!(written, documents);
    let status = fs::read_to_string(status).unwrap();
    drop(writer.join().unwrap());
    assert!(child.wait().unwrap().success());
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim().trim_end_matches(" kB").parse::<usize>().unwrap() >> 10
}

/// Checks that `large` megabytes take no more memory than `small`, some fragmentation apart.
fn check(small: usize, large: usize) {
    let (before, after) = (peak(small), peak(large));
    assert!(after <= before + 48, "{small} MB took {before} MiB and {large} MB took {after} MiB");
}

/// An archive is larger than memory: whoever collects documents before writing the first fails on it.
#[test]
fn memory_does_not_grow_with_the_archive() {
    check(8, 64);
}

/// As above with a gigabyte: an archive's worth, and some minutes, so only when asked for (`cargo test -- --ignored`).
#[test]
#[ignore = "takes minutes"]
fn memory_does_not_grow_with_a_gigabyte() {
    check(16, 1000);
}
