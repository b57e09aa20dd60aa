//! What an executor has: the model on its device, and the plans that it was asked for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use dateline_batch::{
    Annotating, BatchError, Chunk, ModelIdentity, Object, Outcomes, Output, Plan, Progress, Run, Shard, Stores,
    find_input, stored,
};
use dateline_engine::Engine;
use dateline_text::MentionFilter;
use tokio::sync::Mutex;
use tracing::info;

use crate::shard::ShardEnd;

/// An executor's model, and what it works on.
#[derive(Debug)]
pub(crate) struct Worker {
    engine: Engine,
    model: ModelIdentity,
    chunk_bytes: usize,
    stores: Stores,
    /// The plans that were asked for, by their places: each is read once.
    plans: Mutex<HashMap<String, Arc<Opened>>>,
    annotating: Annotating,
}

#[derive(Debug)]
struct Opened {
    plan: Plan,
    output: Arc<Output>,
}

impl Worker {
    /// With a model that runs in `engine` and is known as `model`; texts go through in chunks of `chunk_bytes`.
    pub(crate) fn new(engine: Engine, model: ModelIdentity, chunk_bytes: usize) -> Self {
        let annotating = Annotating::new(engine.clone(), MentionFilter::default());
        let stores = Stores::of_this_process();
        Self { engine, model, chunk_bytes, stores, plans: Mutex::default(), annotating }
    }

    /// Does shard `number` of the plan at `place`, unless its output is there.
    pub(crate) async fn shard(&self, place: &str, number: u64) -> Result<ShardEnd, BatchError> {
        let begun = Instant::now();
        let opened = self.open(place).await?;
        let shard = usize::try_from(number).ok().and_then(|number| opened.plan.shards.get(number));
        let shard = shard.ok_or_else(|| BatchError::Usage(format!("the plan at {place} has no shard {number}")))?;
        info!(shard = number, plan = opened.plan.id, "shard begun");
        let end = self.one(&opened, shard).await?;
        let name = match &end {
            ShardEnd::Found => "found",
            ShardEnd::Committed { .. } => "committed",
            ShardEnd::Twice => "twice",
            ShardEnd::Broken { .. } => "broken",
        };
        let rows = if let ShardEnd::Committed { rows, .. } = end { rows } else { 0 };
        let seconds = (begun.elapsed().as_secs_f64() * 1e3).round() / 1e3;
        info!(shard = number, plan = opened.plan.id, end = name, rows, seconds, "shard ended");
        Ok(end)
    }

    async fn one(&self, opened: &Opened, shard: &Shard) -> Result<ShardEnd, BatchError> {
        let mut objects: Vec<Object> = Vec::with_capacity(shard.files);
        for input in opened.plan.inputs_of(shard) {
            match find_input(&self.stores, input).await {
                Ok(object) => objects.push(object),
                Err(error) => return Ok(ShardEnd::Broken { error }),
            }
        }
        let progress = Arc::new(Progress::new(|_| {}));
        let run = Run {
            engine: self.engine.clone(),
            plan: Arc::new(alone(&opened.plan, shard)),
            objects: objects.into(),
            output: Arc::clone(&opened.output),
            worker: dateline_batch::Worker::ALONE,
            chunk_bytes: self.chunk_bytes,
        };
        let mut done = run.one(0, &progress).await?;
        let counted = progress.snapshot();
        Ok(if let Some(error) = done.broken.pop() {
            ShardEnd::Broken { error }
        } else if counted.skipped > 0 {
            ShardEnd::Found
        } else if counted.already > 0 {
            ShardEnd::Twice
        } else {
            let tally = done.tally();
            ShardEnd::Committed { rows: tally.rows, failed: tally.failed }
        })
    }

    /// The plan at `place`, and where its outputs go, if it was made for this model.
    async fn open(&self, place: &str) -> Result<Arc<Opened>, BatchError> {
        let mut plans = self.plans.lock().await;
        if let Some(opened) = plans.get(place) {
            return Ok(Arc::clone(opened));
        }
        let (plan, output) = open_plan(&self.stores, place).await?;
        // Under whichever name it lies on this machine.
        if (&plan.model.sha256, &plan.model.precision) != (&self.model.sha256, &self.model.precision) {
            return Err(BatchError::Usage(format!(
                "the plan at {place} is for the model {}, and this executor has {}: start it with the model, the device \
                 and the precision that the plan was made with",
                describe(&plan.model),
                describe(&self.model)
            )));
        }
        let opened = Arc::new(Opened { plan, output: Arc::new(output) });
        plans.insert(place.to_owned(), Arc::clone(&opened));
        Ok(opened)
    }

    /// The mentions of texts that are of no plan. A text that the model fails on has an error instead.
    pub(crate) async fn annotate(&self, chunk: &Chunk) -> Result<Outcomes, BatchError> {
        self.annotating.outcomes(chunk).await
    }
}

/// The plan that lies at `place` (`OUTPUT/_plan/ID.json`), and its output.
pub(crate) async fn open_plan(stores: &Stores, place: &str) -> Result<(Plan, Output), BatchError> {
    let (folder, id) = split_place(place).ok_or_else(|| {
        BatchError::Usage(format!(
            "{place} is no plan: give one that `dateline batch … --output OUTPUT --plan-only` wrote, as in \
             OUTPUT/_plan/ID.json"
        ))
    })?;
    let location = stores.locate(folder)?;
    let none = || BatchError::Usage(format!("there is no plan at {place}; is that place the same on every machine?"));
    let plan = stored(&Output::at(location.clone()), id).await?.ok_or_else(none)?;
    // That it can be written to is tried now, and not when the first shard is done.
    Ok((plan, Output::open(location)?))
}

/// The output, and the plan's id in it.
fn split_place(place: &str) -> Option<(&str, &str)> {
    let (folder, file) = place.rsplit_once("/_plan/").or_else(|| Some((".", place.strip_prefix("_plan/")?)))?;
    Some((folder, file.strip_suffix(".json").filter(|id| !id.is_empty() && !id.contains('/'))?))
}

/// A plan that is only `shard` of `plan`: the output's name is the shard's own, whatever plan it stands in.
fn alone(plan: &Plan, shard: &Shard) -> Plan {
    Plan {
        version: plan.version,
        id: plan.id.clone(),
        model: plan.model.clone(),
        options: plan.options.clone(),
        inputs: plan.inputs_of(shard).to_vec(),
        shards: vec![Shard { number: 0, input: 0, ..shard.clone() }],
    }
}

fn describe(model: &ModelIdentity) -> String {
    format!("{} ({}, {}…)", model.name, model.precision, model.sha256.get(..12).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_lies_in_its_output() {
        assert_eq!(split_place("/data/out/_plan/1f.json"), Some(("/data/out", "1f")));
        assert_eq!(split_place("s3://news/out/_plan/1f.json"), Some(("s3://news/out", "1f")));
        assert_eq!(split_place("_plan/1f.json"), Some((".", "1f")));
        for bad in ["/data/out", "/data/out/_plan/", "/data/out/_plan/1f", "/data/_plan/a/b.json", "/data/_plan/.json"]
        {
            assert_eq!(split_place(bad), None, "{bad}");
        }
    }
}
