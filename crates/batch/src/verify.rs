//! Proves that every row of the inputs is in the outputs exactly once: both are read again, shard by shard, and their rows
//! compared in the order in which they were written, in memory that does not grow with them.

use std::collections::HashSet;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};

use crate::error::with_causes;
use crate::inputs::find_input;
use crate::manifest::{MANIFEST, Manifest, SUCCESS};
use crate::plan::{PLANS, stored};
use crate::shard::{Plan, Shard};
use crate::{BatchError, Object, Output, ReadError, Stores, Tally, output_positions, output_tally, positions};

/// Shards that are compared at once.
const AT_ONCE: usize = 4;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verified {
    /// The plan's id.
    pub plan: String,
    /// Shards that were compared.
    pub shards: usize,
    /// Rows of the inputs that are in the outputs exactly once.
    pub rows: u64,
    /// What is in the outputs that could be read.
    pub tally: Tally,
    /// What is wrong; nothing, if every row is there exactly once.
    pub problems: Vec<String>,
    /// What is no fault, but worth knowing.
    pub notes: Vec<String>,
}

/// Compares the outputs in `output` with the inputs of their plan: the plan called `plan`, the one that the manifest names,
/// or the only one there is. `step` is told after each shard.
///
/// # Errors
/// [`BatchError`] if there is no plan, or a store cannot be asked. What is wrong with outputs and inputs is told in
/// [`Verified`].
pub async fn verify(
    stores: &Stores,
    output: &Output,
    plan: Option<&str>,
    mut step: impl FnMut(&Shard, &Plan),
) -> Result<Verified, BatchError> {
    let manifest = Manifest::read(output).await?;
    let plan = choose(output, plan, manifest.as_ref()).await?;
    let mut verified = Verified { plan: plan.id.clone(), ..Verified::default() };
    let of = &plan;
    let compared = futures::stream::iter(&plan.shards)
        .map(|shard| async move { (shard, compare(stores, output, of, shard).await) })
        .buffered(AT_ONCE);
    let mut compared = std::pin::pin!(compared);
    while let Some((shard, compared)) = compared.next().await {
        let compared = compared?;
        verified.shards += 1;
        verified.rows += compared.good;
        verified.tally.add(&compared.tally);
        let name = output.location().join(&shard.output).name;
        verified.problems.extend(compared.problems.into_iter().map(|problem| format!("{name}: {problem}")));
        step(shard, &plan);
    }
    check_manifest(output, &plan, manifest.as_ref(), &mut verified).await?;
    check_others(output, &plan, &mut verified).await?;
    Ok(verified)
}

async fn choose(output: &Output, asked: Option<&str>, manifest: Option<&Manifest>) -> Result<Plan, BatchError> {
    let place = || output.location().join(PLANS).name;
    let ids: Vec<String> = output.names_in(PLANS).await?;
    let ids: Vec<&str> = ids.iter().filter_map(|name| name.strip_suffix(".json")).collect();
    let id = match (asked, manifest, &ids[..]) {
        (Some(id), ..) => id,
        (None, Some(manifest), _) => &manifest.plan,
        (None, None, [only]) => only,
        (None, None, []) => {
            return Err(BatchError::Usage(format!("there is no plan in {}: no batch was written there", place())));
        }
        (None, None, _) => {
            return Err(BatchError::Usage(format!(
                "{} holds several plans and none is finished: say which with --plan: {}",
                place(),
                ids.join(", ")
            )));
        }
    };
    let none = || BatchError::Usage(format!("there is no plan {id} in {}: there are {}", place(), ids.join(", ")));
    stored(output, id).await?.ok_or_else(none)
}

/// How a shard compares.
#[derive(Default)]
struct Compared {
    good: u64,
    tally: Tally,
    problems: Vec<String>,
}

async fn compare(stores: &Stores, output: &Output, plan: &Plan, shard: &Shard) -> Result<Compared, BatchError> {
    let mut compared = Compared::default();
    let Some(object) = output.object(&shard.output).await? else {
        compared.problems.push(format!("it is missing, with all rows of {}", plan.describe(shard)));
        return Ok(compared);
    };
    let mut inputs: Vec<Object> = Vec::with_capacity(shard.files);
    for input in plan.inputs_of(shard) {
        match find_input(stores, input).await {
            Ok(input) => inputs.push(input),
            Err(why) => {
                compared.problems.push(format!("its input cannot be compared: {why}"));
                return Ok(compared);
            }
        }
    }
    match output_tally(&object).await {
        Ok(tally) => compared.tally = tally,
        Err(error) => {
            compared.problems.push(with_causes(&error));
            return Ok(compared);
        }
    }
    let expected = positions(inputs, plan.inputs[shard.input].kind.0, shard.part);
    match rows(expected, output_positions(object)).await {
        Ok(rows) => {
            compared.good = rows.good;
            compared.problems.extend(rows.problems());
        }
        Err(error) => compared.problems.push(with_causes(&error)),
    }
    Ok(compared)
}

/// What came of comparing rows: how many, and the first of each.
#[derive(Debug, Default, PartialEq, Eq)]
struct Rows {
    good: u64,
    missing: (u64, u64),
    twice: (u64, u64),
    foreign: (u64, u64),
}

impl Rows {
    fn note(count: &mut (u64, u64), position: u64) {
        if count.0 == 0 {
            count.1 = position;
        }
        count.0 += 1;
    }

    fn problems(&self) -> Vec<String> {
        let all = [
            (self.missing, "rows of the input are missing"),
            (self.twice, "rows are there more than once or out of order"),
            (self.foreign, "rows are not of its input"),
        ];
        let found = all.iter().filter(|((count, _), _)| *count > 0);
        found.map(|((count, first), what)| format!("{count} {what}, the first at {first}")).collect()
    }
}

type Positions = BoxStream<'static, Result<Vec<u64>, ReadError>>;

/// Compares two ascending runs of positions.
async fn rows(expected: Positions, found: Positions) -> Result<Rows, ReadError> {
    let flat = |positions: Positions| {
        positions.map_ok(|chunk| futures::stream::iter(chunk.into_iter().map(Ok::<_, ReadError>))).try_flatten()
    };
    let (mut expected, mut found) = (std::pin::pin!(flat(expected)), std::pin::pin!(flat(found)));
    let mut rows = Rows::default();
    let mut next = expected.try_next().await?;
    let mut last = None;
    while let Some(position) = found.try_next().await? {
        if last.is_some_and(|last| position <= last) {
            Rows::note(&mut rows.twice, position);
            continue;
        }
        last = Some(position);
        while let Some(missing) = next.filter(|next| *next < position) {
            Rows::note(&mut rows.missing, missing);
            next = expected.try_next().await?;
        }
        if next == Some(position) {
            rows.good += 1;
            next = expected.try_next().await?;
        } else {
            Rows::note(&mut rows.foreign, position);
        }
    }
    while let Some(missing) = next {
        Rows::note(&mut rows.missing, missing);
        next = expected.try_next().await?;
    }
    Ok(rows)
}

async fn check_manifest(
    output: &Output,
    plan: &Plan,
    manifest: Option<&Manifest>,
    verified: &mut Verified,
) -> Result<(), BatchError> {
    match manifest.filter(|manifest| manifest.plan == plan.id) {
        None => verified.notes.push(format!("there is no {MANIFEST} of this plan: the batch was not finished")),
        Some(manifest) if verified.problems.is_empty() && manifest.tally() != verified.tally => {
            verified.problems.push(format!(
                "{MANIFEST} counts {} rows and {} mentions, the outputs hold {} and {}",
                manifest.rows,
                manifest.tally().all_mentions(),
                verified.tally.rows,
                verified.tally.all_mentions()
            ));
        }
        Some(_) if output.read(SUCCESS).await?.is_none() => {
            verified.notes.push(format!("there is no {SUCCESS}: run the batch again to have it written"));
        }
        Some(_) => {}
    }
    Ok(())
}

/// Looks for what else lies in the folder: who reads all of it would read rows twice.
async fn check_others(output: &Output, plan: &Plan, verified: &mut Verified) -> Result<(), BatchError> {
    let mut others: HashSet<String> = output.files().await?.into_keys().collect();
    others.retain(|name| name.starts_with("part-"));
    plan.shards.iter().for_each(|shard| _ = others.remove(&shard.output));
    let mut of_plans = 0;
    for id in output.names_in(PLANS).await?.iter().filter_map(|name| name.strip_suffix(".json")) {
        if id == plan.id || others.is_empty() {
            continue;
        }
        if let Some(other) = stored(output, id).await? {
            of_plans += other.shards.iter().filter(|shard| others.remove(&shard.output)).count();
        }
    }
    if of_plans > 0 {
        verified.notes.push(format!(
            "{of_plans} outputs of other plans (another model, other options, other inputs) lie here, too: read the files \
             that {MANIFEST} lists, not all there are"
        ));
    }
    let mut others: Vec<_> = others.into_iter().collect();
    others.sort();
    if let Some(first) = others.first() {
        verified.problems.push(format!("{} outputs are of no plan here, such as {first}", others.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(chunks: &[&[u64]]) -> Positions {
        let chunks: Vec<Result<Vec<u64>, ReadError>> = chunks.iter().map(|chunk| Ok(chunk.to_vec())).collect();
        futures::stream::iter(chunks).boxed()
    }

    #[tokio::test]
    async fn every_row_is_there_once_or_it_is_said() {
        let expected = || stream(&[&[0, 5, 9], &[], &[12]]);
        let good = rows(expected(), stream(&[&[0], &[5, 9, 12]])).await.unwrap();
        assert_eq!((good.good, good.problems()), (4, vec![]));
        let bad = rows(expected(), stream(&[&[5, 5, 7, 12, 9, 20]])).await.unwrap();
        assert_eq!(bad.good, 2);
        assert_eq!(
            bad.problems(),
            [
                "2 rows of the input are missing, the first at 0",
                "2 rows are there more than once or out of order, the first at 5",
                "2 rows are not of its input, the first at 7",
            ]
        );
        let none = rows(expected(), stream(&[])).await.unwrap();
        assert_eq!(none.missing, (4, 0));
    }
}
