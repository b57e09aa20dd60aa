//! What is said before a batch (`--dry-run`) and after it.

use std::fmt::{self, Write};
use std::time::Duration;

use dateline_batch::{Done, Manifest, Run, Sample, Snapshot, Tally};
use dateline_engine::Lane;
use indicatif::{HumanBytes, HumanCount, HumanDuration};
use serde_json::{Value, json};

use super::display::per_second;

/// So many shards of a plan are printed; the plan's own file has all of them.
const SHARDS: usize = 20;

/// What a run would do.
pub(super) fn plan(run: &Run, sample: &Sample) -> String {
    let plan = &run.plan;
    let mut text = String::new();
    let rows = |rows: Option<u64>| rows.map_or_else(|| "?".to_owned(), |rows| HumanCount(rows).to_string());
    let _ = writeln!(text, "{:>7} {:>12} {:>12}  part", "shard", "rows", "bytes");
    for shard in plan.shards.iter().take(SHARDS) {
        let (rows, bytes) = (rows(shard.rows), HumanBytes(shard.bytes).to_string());
        let _ = writeln!(text, "{:>7} {rows:>12} {bytes:>12}  {}", shard.number, plan.describe(shard));
    }
    if plan.shards.len() > SHARDS {
        let _ = writeln!(text, "{:>7} and {} more", "…", HumanCount((plan.shards.len() - SHARDS) as u64));
    }
    let rows = match plan.rows() {
        Some(rows) => format!("{} rows", HumanCount(rows)),
        None => "rows that are counted when they are read".to_owned(),
    };
    let _ = writeln!(
        text,
        "plan {}: {} files, {} shards, {rows}, {}",
        plan.id,
        HumanCount(plan.inputs.len() as u64),
        HumanCount(plan.shards.len() as u64),
        HumanBytes(plan.bytes())
    );
    let _ = writeln!(text, "outputs go to {}", run.output.location().name);
    let _ = match sample.time_for(plan) {
        Some(time) => writeln!(
            text,
            "about {} on this machine, by the first {} documents ({} tokens a second)",
            HumanDuration(time),
            HumanCount(sample.documents),
            HumanCount(per_second(sample.tokens, sample.time) as u64)
        ),
        None => writeln!(text, "no estimate of the time: there is no text in the first shard"),
    };
    text
}

/// What a run has done.
pub(super) struct Report {
    /// Documents of this run.
    pub(super) documents: u64,
    /// How many of them failed.
    pub(super) failed: u64,
    /// Shards that cannot be read.
    pub(super) broken: usize,
    /// Shards of the plan that are not there.
    pub(super) missing: usize,
    now: Snapshot,
    tally: Tally,
    tokens: u64,
    elapsed: Duration,
    place: String,
    plan: String,
    all: Option<Tally>,
}

impl Report {
    pub(super) fn new(run: &Run, now: &Snapshot, done: &Done, manifest: Option<&Manifest>, elapsed: Duration) -> Self {
        Self {
            documents: now.documents,
            failed: now.failed,
            broken: done.broken.len(),
            missing: done.missing,
            now: *now,
            tally: done.tally(),
            tokens: run.engine.tokens(Lane::Bulk),
            elapsed,
            place: run.output.location().name.clone(),
            plan: run.plan.id.clone(),
            all: manifest.map(Manifest::tally),
        }
    }

    /// As a line for machines.
    pub(super) fn json(&self) -> Value {
        json!({
            "plan": self.plan,
            "output": self.place,
            "complete": self.all.is_some(),
            "seconds": (self.elapsed.as_secs_f64() * 1e3).round() / 1e3,
            "documents": self.documents,
            "failed": self.failed,
            "tokens": self.tokens,
            "tokens_per_second": per_second(self.tokens, self.elapsed).round(),
            "mentions": self.tally.mentions,
            "shards": self.now.shards,
            "committed": self.now.committed,
            "skipped": self.now.skipped,
            "broken": self.broken,
            "done_twice": self.now.already,
            "missing": self.missing,
            "all": self.all,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { now, elapsed, .. } = self;
        writeln!(
            f,
            "{} documents in {:.1} s: {:.1} a second, {} tokens a second",
            HumanCount(self.documents),
            elapsed.as_secs_f64(),
            per_second(self.documents, *elapsed),
            HumanCount(per_second(self.tokens, *elapsed) as u64)
        )?;
        for (label, count) in &self.tally.mentions {
            writeln!(f, "{:>12} {label}", HumanCount(*count).to_string())?;
        }
        if self.failed > 0 {
            writeln!(f, "{:>12} documents failed", HumanCount(self.failed).to_string())?;
        }
        write!(f, "shards: {} done, {} there before", now.committed, now.skipped)?;
        for (count, what) in [
            (now.already, "there by then (another run's, or its own by a lost answer)"),
            (now.broken, "that cannot be read"),
        ] {
            if count > 0 {
                write!(f, ", {count} {what}")?;
            }
        }
        writeln!(f)?;
        match &self.all {
            Some(all) => writeln!(
                f,
                "complete: {} documents with {} mentions in {}, of which {} failed",
                HumanCount(all.rows),
                HumanCount(all.all_mentions()),
                self.place,
                HumanCount(all.failed)
            ),
            None => writeln!(f, "not complete: {} shards are missing in {}", self.missing, self.place),
        }
    }
}
