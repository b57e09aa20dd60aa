//! A cluster on loopback whose parts are killed and frozen in the middle of their work: one scheduler, three executors, the
//! real binary in each of them. What was lost and what was done again is counted from what the executors log, and that
//! each row is in the outputs once from the outputs.
//!
//! Nothing is done by the clock but the one thing that is about time: an executor is frozen for longer than the scheduler
//! waits for it.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap like the tests themselves")]

mod cluster;
mod work;

use std::thread;
use std::time::Duration;

use crate::cluster::Cluster;
use crate::work::Work;

/// Longer than the 12 seconds after which the scheduler takes an executor for dead.
const FROZEN: Duration = Duration::from_secs(15);
/// Outputs that are there before anything is killed.
const BEFORE: usize = 3;
/// How often a plan may be submitted until all is there.
const SUBMISSIONS: usize = 3;

#[test]
#[expect(clippy::print_stdout, reason = "what was lost and redone is what the test is for")]
fn every_row_is_there_once_whatever_is_killed() {
    let work = Work::new();
    let mut cluster = Cluster::new();
    cluster.start_scheduler();
    for name in ["a", "b", "c"] {
        cluster.start_executor(name, &work.model);
    }

    // Executors: one is killed, another takes its place, one is frozen.
    let plan = work.plan(0.0);
    let submitted = cluster.submit(&plan);
    cluster.wait_for_commits(&plan, BEFORE);
    cluster.wait_until_busy("a", &plan);
    cluster.kill("a");
    cluster.start_executor("d", &work.model);
    cluster.wait_until_busy("b", &plan);
    cluster.freeze("b");
    thread::sleep(FROZEN);
    cluster.resume("b");
    let mut submissions = 1;
    let mut ended = submitted.end();
    while !ended.success && submissions < SUBMISSIONS {
        submissions += 1;
        ended = cluster.submit(&plan).end();
    }
    assert!(ended.success, "the plan is not done after {submissions} submissions:\n{}", ended.said);
    let executors = cluster.count(&plan);
    work.verify(&plan);
    println!("executors killed and frozen: {submissions} submissions, {executors}\n{}", ended.said);
    assert_eq!(executors.lost, 1, "of the killed executor's work one shard is lost: {executors}");
    // The frozen one's shard is begun again by another, or found done; it was committed once all the same.
    assert_eq!(executors.committed, work.shards(&plan), "each shard is committed once: {executors}");
    assert_eq!(executors.begun, executors.committed + executors.twice + executors.found + executors.lost);

    // The scheduler.
    let plan = work.plan(0.5);
    let submitted = cluster.submit(&plan);
    cluster.wait_for_commits(&plan, BEFORE);
    cluster.kill_scheduler();
    let ended = submitted.end();
    assert!(!ended.success && ended.said.contains("submit the plan again"), "{}", ended.said);
    let there = work.outputs(&plan);
    assert!((BEFORE..work.shards(&plan)).contains(&there), "{there} outputs");
    cluster.start_scheduler();
    let again = cluster.submit(&plan).end();
    assert!(again.success, "{}", again.said);
    let counted = cluster.count(&plan);
    work.verify(&plan);
    println!("scheduler killed: {counted}\n{}\nsubmitted again:\n{}", ended.said, again.said);
    assert_eq!((counted.committed, counted.lost), (work.shards(&plan), 0), "{counted}");
    // An executor may still be at its last shard of before when the plan comes again.
    assert!(counted.twice <= 3, "what is there is not computed again: {counted}");

    // A query over the same texts finds the same mentions.
    let query = "SELECT count(*) AS documents, sum(cardinality(annotate(text))) AS mentions FROM stories";
    let table = format!("stories={}", work.input.display());
    let rows = cluster.sql(&["--table", &table, "--format", "jsonl", query]);
    let (documents, mentions) = work.documents_and_mentions();
    let expected = format!(r#"{{"documents":{documents},"mentions":{mentions}}}"#);
    assert_eq!(rows.trim(), expected);
    println!("{query}\n{rows}");
}
