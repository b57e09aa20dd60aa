//! `dateline batch` under `kill -9`: what was committed stays as it is and is not done again, and in the end every row is
//! there exactly once. `DATELINE_KILLS=30` tries more than the few kills of an ordinary run.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use crate::tiny;

/// Kills of an ordinary run.
const KILLS: u64 = 4;
/// A killed process had at most so many times as long as the first shard takes.
const SHARDS: f64 = 2.5;

fn kills() -> u64 {
    env::var("DATELINE_KILLS").map_or(KILLS, |kills| kills.parse().unwrap())
}

/// Moments as at random, up to the longest.
struct Moments {
    state: u64,
    longest: Duration,
}

impl Moments {
    fn new(seed: u64, longest: Duration) -> Self {
        Self { state: seed, longest }
    }

    fn next(&mut self) -> Duration {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.longest.mul_f64((self.state >> 33) as f64 / f64::from(1_u32 << 31))
    }
}

/// How long killed processes have at most on this machine, so that some of them have committed something. What was
/// done to find it is removed.
fn longest(folder: &Path) -> Duration {
    let begun = Instant::now();
    let mut child = start(folder, None);
    let errors = BufReader::new(child.stderr.take().unwrap());
    let committed = |line: &str| {
        serde_json::from_str::<Value>(line).is_ok_and(|line| line["committed"].as_u64().is_some_and(|count| count > 0))
    };
    // It says every second how far it is.
    let said = errors.lines().map_while(Result::ok).any(|line| committed(&line));
    let time = begun.elapsed();
    let _ = child.kill();
    child.wait().unwrap();
    assert!(said, "a shard is done before all are");
    fs::remove_dir_all(folder.join("out")).unwrap();
    time.mul_f64(SHARDS)
}

/// An archive that gives a shard or two for every kill: `mib` files of 1 MiB and how many rows they have.
fn archive(mib: u64) -> (tempfile::TempDir, u64) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("in")).unwrap();
    let mut rows = 0;
    for file in 0..mib {
        let mut lines = String::new();
        for row in 0.. {
            let text = "🚀 Ilse Brandt left Port Almeda with the 3rd Brigade. ".repeat(1 + (row * 7 + 3) % 90);
            lines.push_str(&json!({ "id": format!("{file}-{row}"), "text": text }).to_string());
            lines.push('\n');
            rows += 1;
            if lines.len() > 1_000_000 {
                break;
            }
        }
        fs::write(folder.path().join(format!("in/{file:03}.jsonl")), lines).unwrap();
    }
    (folder, rows)
}

/// Starts a runner of the whole archive or, with `worker`, of a share of it.
fn start(folder: &Path, worker: Option<String>) -> Child {
    let mut args = vec!["batch", "in", "--output", "out", "--shard-size", "1", "--threads", "1", "--progress", "json"];
    args.extend(worker.iter().flat_map(|worker| ["--workers", worker]));
    let mut command = tiny().command(args);
    command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// What the runner said at its end, or nothing if it was killed at its moment before that.
fn end_or_kill(mut child: Child, moment: Duration) -> Option<Value> {
    let (begun, (ended, end)) = (Instant::now(), mpsc::channel());
    let (out, errors) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let listener = thread::spawn(move || {
        let said = BufReader::new(out).lines().map_while(Result::ok).last();
        let _ = ended.send(());
        said
    });
    let errors = thread::spawn(move || BufReader::new(errors).lines().map_while(Result::ok).collect::<Vec<_>>());
    // The end of its output is that of the process, unless its moment comes first.
    if end.recv_timeout(moment.saturating_sub(begun.elapsed())).is_err() {
        child.kill().unwrap();
    }
    let status = child.wait().unwrap();
    let (said, errors) = (listener.join().unwrap(), errors.join().unwrap());
    // A process that was killed has no exit code.
    assert!(matches!(status.code(), None | Some(0)), "{status}: {errors:#?}");
    status.code().and(said).map(|line| serde_json::from_str(&line).unwrap())
}

/// The outputs, each with what changes when it is written again.
fn outputs(folder: &Path) -> BTreeMap<String, (u64, SystemTime)> {
    let Ok(entries) = fs::read_dir(folder.join("out")) else { return BTreeMap::new() };
    let entries = entries.map(|entry| entry.unwrap());
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata()));
    let parts = named.filter(|(name, _)| name.starts_with("part-"));
    parts.map(|(name, about)| about.map(|it| (name, (it.len(), it.modified().unwrap()))).unwrap()).collect()
}

fn verify(folder: &Path, rows: u64) {
    let verified = tiny().run_in(folder, ["batch", "verify", "out"], "").ok();
    let thousands = |number: u64| {
        if number < 1000 { number.to_string() } else { format!("{},{:03}", number / 1000, number % 1000) }
    };
    let says = format!("verified: each of the {} input rows", thousands(rows));
    assert!(verified.text().starts_with(&says), "{says}: {}", verified.text());
    let unfinished = fs::read_dir(folder.join("out"))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().starts_with('.'));
    assert_eq!(unfinished.count(), 0, "what killed runs left is gone");
}

/// A night's work that dies at 93 % must not start over.
#[test]
fn a_killed_run_goes_on_where_it_was() {
    let (folder, rows) = archive(2 * kills());
    let mut moments = Moments::new(1, longest(folder.path()));
    let (mut killed, mut done) = (0, 0);
    while killed < kills() {
        let before = outputs(folder.path());
        let report = end_or_kill(start(folder.path(), None), moments.next());
        let after = outputs(folder.path());
        for (name, about) in &before {
            assert_eq!(after.get(name), Some(about), "{name} was committed, and was touched");
        }
        done += after.len() - before.len();
        match report {
            // It was faster than its killer: once more from the beginning.
            Some(_) => fs::remove_dir_all(folder.path().join("out")).unwrap(),
            None => killed += 1,
        }
    }
    let before = outputs(folder.path());
    let report = end_or_kill(start(folder.path(), None), Duration::from_secs(600)).unwrap();
    let all = outputs(folder.path()).len();
    assert_eq!(report["skipped"], before.len(), "what was there was not computed again");
    assert_eq!((&report["committed"], &report["done_twice"]), (&json!(all - before.len()), &json!(0)));
    verify(folder.path(), rows);
    #[expect(clippy::print_stdout, reason = "the counts are what somebody who asks for many kills wants to see")]
    {
        println!("{killed} kills: {done} shards were committed by runs that were killed, none was computed again");
    }
}

/// Machines come and go; nobody tells one what the others have done.
#[test]
fn workers_that_are_killed_at_random_do_all_of_it_once() {
    for workers in [2_u64, 4] {
        let (folder, rows) = archive(kills().max(workers));
        let folder = folder.path();
        let (kills, longest) = (kills() / 2, longest(folder));
        thread::scope(|scope| {
            for index in 0..workers {
                scope.spawn(move || {
                    let mut moments = Moments::new(100 * workers + index, longest);
                    let worker = || start(folder, Some(format!("{index}/{workers}")));
                    (0..kills).for_each(|_| _ = end_or_kill(worker(), moments.next()));
                    end_or_kill(worker(), Duration::from_secs(600)).unwrap();
                });
            }
        });
        // Whoever was last may have looked before another's last output was there.
        let report = end_or_kill(start(folder, None), Duration::from_secs(600)).unwrap();
        assert_eq!((&report["committed"], &report["complete"]), (&json!(0), &json!(true)));
        verify(folder, rows);
    }
}

/// Two who were both told to do everything lose time, and nothing else.
#[test]
fn two_runners_of_everything_do_not_clash() {
    let (folder, rows) = archive(kills());
    let folder = folder.path();
    let reports: Vec<Value> = thread::scope(|scope| {
        let run = || end_or_kill(start(folder, None), Duration::from_secs(600)).unwrap();
        let both = [scope.spawn(run), scope.spawn(run)];
        both.map(|one| one.join().unwrap()).into()
    });
    let sum = |what: &str| reports.iter().map(|report| report[what].as_u64().unwrap()).sum::<u64>();
    assert_eq!(sum("committed"), outputs(folder).len() as u64);
    assert_eq!(sum("committed") + sum("skipped") + sum("done_twice"), 2 * outputs(folder).len() as u64);
    verify(folder, rows);
}
