//! The processes of a cluster, what they log, and what becomes of them.

use std::collections::HashMap;
use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::work::PlanFile;

/// Who waits so long for a line of a log waits for one that does not come.
const PATIENCE: Duration = Duration::from_secs(300);

/// What all executors have logged, in the order in which it was read.
#[derive(Default)]
struct Log {
    lines: Mutex<Vec<(String, Value)>>,
    changed: Condvar,
}

impl Log {
    fn push(&self, who: &str, line: String) {
        let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
        self.lines.lock().unwrap().push((who.to_owned(), line));
        self.changed.notify_all();
    }

    fn wait_until(&self, what: &str, holds: impl Fn(&[(String, Value)]) -> bool) {
        let begun = Instant::now();
        let mut lines = self.lines.lock().unwrap();
        while !holds(&lines) {
            assert!(begun.elapsed() < PATIENCE, "{what} did not happen; the logs:\n{}", show(&lines));
            lines = self.changed.wait_timeout(lines, Duration::from_secs(1)).unwrap().0;
        }
    }
}

fn show(lines: &[(String, Value)]) -> String {
    lines.iter().map(|(who, line)| format!("{who}: {line}\n")).collect()
}

/// A step of a shard in a log: which one, of which plan, and how it ended if it did.
fn step(line: &Value) -> Option<(u64, &str, Option<&str>)> {
    let fields = line.get("fields")?;
    let (shard, plan) = (fields.get("shard")?.as_u64()?, fields.get("plan")?.as_str()?);
    match fields.get("message")?.as_str()? {
        "shard begun" => Some((shard, plan, None)),
        "shard ended" => Some((shard, plan, Some(fields.get("end")?.as_str()?))),
        _ => None,
    }
}

/// Whether `who` is in the middle of a shard of `plan`.
fn is_busy(lines: &[(String, Value)], who: &str, plan: &str) -> bool {
    let mut steps = lines.iter().filter(|(name, _)| name == who).filter_map(|(_, line)| step(line));
    steps.next_back().is_some_and(|(_, of, end)| of == plan && end.is_none())
}

/// What came of all tasks of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) begun: usize,
    pub(crate) committed: usize,
    pub(crate) found: usize,
    pub(crate) twice: usize,
    pub(crate) lost: usize,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { begun, committed, found, twice, lost } = self;
        write!(
            f,
            "{begun} tasks begun: {committed} committed, {found} found their shard done, {twice} did it in vain, {lost} \
             lost with their executor"
        )
    }
}

/// A command that was started and its standard error.
pub(crate) struct Submitted {
    child: Child,
}

/// How it ended.
pub(crate) struct Ended {
    pub(crate) success: bool,
    pub(crate) said: String,
}

impl Submitted {
    pub(crate) fn end(mut self) -> Ended {
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        Ended { success: self.child.wait().unwrap().success(), said }
    }
}

/// A scheduler and its executors.
pub(crate) struct Cluster {
    address: String,
    scheduler: Option<Child>,
    executors: HashMap<String, Child>,
    log: Arc<Log>,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        Self {
            address: format!("127.0.0.1:{}", free_port()),
            scheduler: None,
            executors: HashMap::new(),
            log: Arc::default(),
        }
    }

    fn start(&self, who: &str, command: &mut Command) -> Child {
        let mut child = command.args(["--log-format", "json"]).stderr(Stdio::piped()).spawn().unwrap();
        let (stderr, log, who) = (child.stderr.take().unwrap(), Arc::clone(&self.log), who.to_owned());
        thread::spawn(move || {
            BufReader::new(stderr).lines().map_while(Result::ok).for_each(|line| log.push(&who, line))
        });
        child
    }

    pub(crate) fn start_scheduler(&mut self) {
        let port = self.address.rsplit_once(':').unwrap().1.to_owned();
        self.scheduler = Some(self.start("scheduler", program().args(["scheduler", "--port", &port])));
    }

    pub(crate) fn start_executor(&mut self, name: &str, model: &Path) {
        let port = free_port().to_string();
        let mut command = program();
        command
            .args(["executor", "--scheduler", &self.address, "--port", &port, "--threads", "1", "--model"])
            .arg(model);
        let child = self.start(name, &mut command);
        self.executors.insert(name.to_owned(), child);
    }

    /// Waits until `name` is in the middle of a shard.
    pub(crate) fn wait_until_busy(&self, name: &str, plan: &PlanFile) {
        self.log.wait_until(&format!("executor {name} begins a shard"), |lines| is_busy(lines, name, &plan.id));
    }

    /// Waits until so many shards are committed.
    pub(crate) fn wait_for_commits(&self, plan: &PlanFile, commits: usize) {
        let is_commit = |line: &Value| step(line).is_some_and(|(_, of, end)| of == plan.id && end == Some("committed"));
        self.log.wait_until(&format!("{commits} commits"), |lines| {
            lines.iter().filter(|(_, line)| is_commit(line)).count() >= commits
        });
    }

    pub(crate) fn kill(&mut self, name: &str) {
        let child = self.executors.get_mut(name).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub(crate) fn kill_scheduler(&mut self) {
        let mut child = self.scheduler.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub(crate) fn freeze(&self, name: &str) {
        signal("-STOP", &self.executors[name]);
    }

    pub(crate) fn resume(&self, name: &str) {
        signal("-CONT", &self.executors[name]);
    }

    pub(crate) fn submit(&self, plan: &PlanFile) -> Submitted {
        let mut command = program();
        command.arg("submit").arg(&plan.path).args(["--scheduler", &self.address]);
        Submitted { child: command.stderr(Stdio::piped()).spawn().unwrap() }
    }

    /// What a query prints.
    pub(crate) fn sql(&self, arguments: &[&str]) -> String {
        let output = program().arg("sql").args(["--scheduler", &self.address]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What came of all tasks of `plan`, when nobody works on it any more but who is dead.
    pub(crate) fn count(&mut self, plan: &PlanFile) -> Counts {
        let alive: Vec<String> = self
            .executors
            .iter_mut()
            .filter_map(|(name, child)| child.try_wait().unwrap().is_none().then(|| name.clone()))
            .collect();
        self.log.wait_until("the end of all tasks", |lines| alive.iter().all(|name| !is_busy(lines, name, &plan.id)));
        let mut counts = Counts::default();
        for (_, line) in self.log.lines.lock().unwrap().iter() {
            let Some((_, of, end)) = step(line) else { continue };
            if of != plan.id {
                continue;
            }
            match end {
                None => counts.begun += 1,
                Some("committed") => counts.committed += 1,
                Some("found") => counts.found += 1,
                Some("twice") => counts.twice += 1,
                Some(other) => panic!("a shard ended {other}: {line}"),
            }
        }
        counts.lost = counts.begun - counts.committed - counts.found - counts.twice;
        counts
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for mut child in self.executors.drain().map(|(_, child)| child).chain(self.scheduler.take()) {
            // It may be gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
        if thread::panicking() {
            let lines = self.log.lines.lock().map(|lines| show(&lines)).unwrap_or_default();
            let _ = std::fs::write(std::env::temp_dir().join("dateline-cluster-scenario.log"), lines);
        }
    }
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_dateline-cluster"))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn signal(signal: &str, child: &Child) {
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
}
