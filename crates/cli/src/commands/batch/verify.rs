//! `dateline batch verify`: whether every input row is in the outputs exactly once.

use std::io::{self, Write};

use dateline_batch::{Output, Stores, Verified, verify};
use indicatif::HumanCount;
use serde_json::json;
use tokio::runtime::Runtime;

use super::failure;
use crate::args::{BatchProgress, VerifyConfig};
use crate::failure::Failure;
use crate::progress::{Progress, ProgressMode};
use crate::terminal;

/// So many problems are printed.
const SHOWN: usize = 50;

/// Compares, and says what was found.
pub(super) fn run(runtime: &Runtime, config: &VerifyConfig) -> Result<(), Failure> {
    let stores = Stores::of_this_process();
    let output = Output::at(stores.locate(&config.output).map_err(failure)?);
    let mode = if config.progress == BatchProgress::Auto { ProgressMode::Auto } else { ProgressMode::Never };
    let mut bar = None;
    let mut compared = 0;
    let verified = runtime.block_on(verify(&stores, &output, config.plan.as_deref(), |_, plan| {
        let bar = bar.get_or_insert_with(|| Progress::over_steps(plan.shards.len() as u64, mode));
        compared += 1;
        bar.at(compared, "shards".to_owned());
    }));
    drop(bar);
    let verified = verified.map_err(failure)?;
    let mut out = io::stdout().lock();
    if config.progress == BatchProgress::Json {
        let Verified { plan, shards, rows, tally, problems, notes } = &verified;
        let found = json!({
            "plan": plan, "shards": shards, "rows": rows, "tally": tally, "problems": problems, "notes": notes,
        });
        writeln!(out, "{found}")?;
    } else {
        for problem in verified.problems.iter().take(SHOWN) {
            terminal::say(format_args!("error: {problem}"));
        }
        if verified.problems.len() > SHOWN {
            terminal::say(format_args!("error: and {} more", verified.problems.len() - SHOWN));
        }
        for note in &verified.notes {
            terminal::say(format_args!("note: {note}"));
        }
        if verified.problems.is_empty() {
            writeln!(
                out,
                "verified: each of the {} input rows of plan {} is in the outputs exactly once ({} shards, {} mentions, {} \
                 documents failed)",
                HumanCount(verified.rows),
                verified.plan,
                HumanCount(verified.shards as u64),
                HumanCount(verified.tally.all_mentions()),
                HumanCount(verified.tally.failed)
            )?;
        }
    }
    out.flush()?;
    match verified.problems.len() {
        0 => Ok(()),
        problems => Err(Failure::work(format!(
            "{problems} problems: the outputs are not what the inputs and plan {} say; remove an output that is wrong, and \
             run the batch again",
            verified.plan
        ))),
    }
}
