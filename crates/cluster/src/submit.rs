//! `dateline-cluster submit`: has the shards of a plan done whose outputs are not there, in one query with a task for each,
//! and counts outputs until all are there. How the query ends is only what this command stops waiting for.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dateline_batch::{BatchError, Done, Output, Plan, Stores, conclude, missing, reopen};
use futures::StreamExt;

use crate::args::{SubmitArgs, scheduler_url};
use crate::failure::Failure;
use crate::logging::say;
use crate::manifest::{self, Manifest};
use crate::net;
use crate::session;
use crate::shard::{self, ShardEnd, ShardResult};
use crate::worker::open_plan;

/// How often outputs are counted.
const COUNT_EVERY: Duration = Duration::from_secs(2);

/// Submits a plan and waits for its outputs.
pub(crate) async fn run(args: SubmitArgs) -> Result<(), Failure> {
    let stores = Stores::of_this_process();
    // Executors must find it by that name, too.
    let place = match stores.locate(&args.plan)?.local {
        Some(path) => path.to_string_lossy().into_owned(),
        None => args.plan,
    };
    let (plan, output) = open_plan(&stores, &place).await?;
    let swept = output.sweep()?;
    if swept > 0 {
        say(format_args!("{swept} unfinished files of executors that were killed are removed"));
    }
    net::scheduler_answers(&args.scheduler, net::CLIENT_WAITS).await?;
    reopen(&plan, &output).await?;
    let before = missing(&plan, &output).await?;
    let all = plan.shards.len();
    say(format_args!("{} of {all} shards are to be done, the others are there", before.len()));
    let mut ends = Ends::default();
    let ended = if before.is_empty() {
        Ok(())
    } else {
        let shards = before.iter().map(|&shard| shard as u64).collect();
        let rows = query(&args.scheduler, Manifest { plan: place, shards }, &mut ends);
        until_all_is_there(&plan, &output, rows).await
    };
    let left = missing(&plan, &output).await?;
    say(format_args!(
        "{} of {all} shards are there; this query brought {}: {ends}",
        all - left.len(),
        before.len() - left.len(),
    ));
    for error in &ends.broken {
        say(format_args!("error: {error}"));
    }
    if let Err(error) = ended {
        say(format_args!("the query did not end well: {error}"));
    }
    if !left.is_empty() {
        return Err(Failure::work(format!(
            "{} shards are missing, the first is {}; submit the plan again: what is there stays",
            left.len(),
            plan.describe(&plan.shards[left[0]])
        )));
    }
    let manifest = conclude(&plan, &output, &Done::default()).await?;
    let (rows, failed) = manifest.map_or((0, 0), |manifest| (manifest.rows, manifest.failed));
    say(format_args!("{}: {rows} rows, {failed} of them with an error", output.location().name));
    Ok(())
}

/// Runs the query; what its tasks say goes to `ends`.
async fn query(scheduler: &str, manifest: Manifest, ends: &mut Ends) -> Result<(), Failure> {
    let context = session::client(&scheduler_url(scheduler))?;
    context.register_table(manifest::NAME, Arc::new(manifest))?;
    let sql = format!("SELECT {}(plan, shard) AS result FROM {}", shard::NAME, manifest::NAME);
    let mut batches = context.sql(&sql).await?.execute_stream().await?;
    while let Some(batch) = batches.next().await {
        shard::results(batch?.column(0))?.into_iter().for_each(|result| ends.add(result));
    }
    Ok(())
}

/// Waits for `query`, and shows meanwhile how many outputs are there. When all are, the query is not waited for: it may
/// hang on executors that are gone.
async fn until_all_is_there(
    plan: &Plan,
    output: &Output,
    query: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    let mut query = std::pin::pin!(query);
    let mut ticks = tokio::time::interval(COUNT_EVERY);
    let (begun, mut shown, mut whole) = (Instant::now(), None, false);
    loop {
        tokio::select! {
            ended = &mut query => return ended,
            _ = ticks.tick() => {
                // Once more around: the last rows may just be on their way.
                if whole {
                    return Ok(());
                }
                let left = count_missing(plan, output).await?;
                whole = left == 0;
                if shown != Some(left) {
                    shown = Some(left);
                    let (there, all) = (plan.shards.len() - left, plan.shards.len());
                    say(format_args!("{there} of {all} shards are there after {} s", begun.elapsed().as_secs()));
                }
            }
        }
    }
}

/// How many outputs are not there, of a place that can be listed; of another, that is not asked while a query runs.
async fn count_missing(plan: &Plan, output: &Output) -> Result<usize, BatchError> {
    let there: HashSet<String> = output.files().await?.into_keys().collect();
    Ok(plan.shards.iter().filter(|shard| !there.contains(&shard.output)).count())
}

/// What the tasks of a query said.
#[derive(Debug, Default)]
struct Ends {
    committed: usize,
    found: usize,
    twice: usize,
    broken: Vec<String>,
}

impl Ends {
    fn add(&mut self, result: ShardResult) {
        match result.end {
            ShardEnd::Committed { .. } => self.committed += 1,
            ShardEnd::Found => self.found += 1,
            ShardEnd::Twice => self.twice += 1,
            ShardEnd::Broken { error } => self.broken.push(error),
        }
    }
}

impl std::fmt::Display for Ends {
    /// Of tasks whose executors were killed nothing is known: their shards are found by the tasks that come after them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { committed, found, twice, broken } = self;
        write!(f, "{committed} tasks committed, {found} found it done, {twice} did it in vain, {} failed", broken.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tasks_said_is_counted() {
        let mut ends = Ends::default();
        let all = [
            ShardEnd::Found,
            ShardEnd::Twice,
            ShardEnd::Committed { rows: 1, failed: 0 },
            ShardEnd::Committed { rows: 2, failed: 0 },
            ShardEnd::Broken { error: "x is cut off".to_owned() },
        ];
        all.into_iter().for_each(|end| ends.add(ShardResult { shard: 0, end }));
        assert_eq!(ends.to_string(), "2 tasks committed, 1 found it done, 1 did it in vain, 1 failed");
        assert_eq!(ends.broken, ["x is cut off"]);
    }
}
