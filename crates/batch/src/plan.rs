//! Makes the plan, the same one whoever makes it, or finds the one that was made before.
//!
//! A plan is called by a hash of what is known before any input is opened: the model, the options, and the inputs with
//! their versions. Whoever is asked for the same work looks it up in the output under that name, or makes it and puts it
//! there. So a rerun need not count the records of compressed files again, workers on other machines agree without
//! talking to each other, and `verify` finds in the output all that it has to know.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::StreamExt;

use crate::inputs::{Input, Inputs};
use crate::options::{ModelIdentity, Options};
use crate::progress::Survey;
use crate::shard::{Plan, Shard, VERSION, output_name};
use crate::{BatchError, Format, Object, Output, Part, Piece, ReadError, split};

/// Where plans lie in the output.
pub(crate) const PLANS: &str = "_plan";
/// Files that are opened at once to be split.
const AT_ONCE: usize = 8;
/// The most files of text in a shard, however small they are.
const MOST_FILES: usize = 4096;
/// What a file weighs beside its text: opening it in an object store takes as long as reading so much.
const FILE_WEIGHT: u64 = 4 << 10;

/// A plan, with its inputs ready to be read.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The plan.
    pub plan: Plan,
    /// Its inputs, in its order.
    pub objects: Vec<Object>,
    /// Whether it was found in the output and not made now.
    pub found: bool,
}

/// The plan for `inputs`, found in `output` or made. It is not put there: [`Planned::keep`] does that. `survey` says how far
/// it is: files that are read whole for it may take a while.
///
/// # Errors
/// [`BatchError::Inputs`] with a reason for every input that cannot be split.
pub async fn plan(
    model: ModelIdentity,
    options: Options,
    inputs: Inputs,
    output: &Output,
    survey: &Survey,
) -> Result<Planned, BatchError> {
    let mut files = inputs.files;
    // Texts come last and by kind, so that those which can share a shard lie side by side.
    files.sort_by(|(a, _), (b, _)| sort_key(a).cmp(&sort_key(b)));
    let (inputs, objects): (Vec<Input>, Vec<Object>) = files.into_iter().unzip();
    let id = Plan::id_for(&model, &options, &inputs);
    if let Some(plan) = stored(output, &id).await? {
        return Ok(Planned { plan, objects, found: true });
    }
    let mut shards = tables((&model, &options), &inputs, &objects, survey).await?;
    shards.extend(texts(&model, &options, &inputs));
    for (number, shard) in shards.iter_mut().enumerate() {
        shard.number = number;
    }
    let plan = Plan { version: VERSION, id, model, options, inputs, shards };
    Ok(Planned { plan, objects, found: false })
}

/// The plan called `id`, if it lies in the output.
///
/// # Errors
/// [`BatchError`] if it cannot be read, or is no plan.
pub async fn stored(output: &Output, id: &str) -> Result<Option<Plan>, BatchError> {
    let name = file_name(id);
    let Some(json) = output.read(&name).await? else { return Ok(None) };
    Plan::from_json(&json, &output.location().join(&name).name).map(Some)
}

fn file_name(id: &str) -> String {
    format!("{PLANS}/{id}.json")
}

impl Planned {
    /// Puts the plan into the output, if it is not there.
    ///
    /// # Errors
    /// [`BatchError::Place`] if it cannot be written.
    pub async fn keep(&self, output: &Output) -> Result<(), BatchError> {
        if !self.found {
            output.create(&file_name(&self.plan.id), self.plan.to_json().into_bytes()).await?;
        }
        Ok(())
    }

    /// Where it lies when it is kept, as a person writes it.
    #[must_use]
    pub fn place(&self, output: &Output) -> String {
        output.location().join(&file_name(&self.plan.id)).name
    }
}

fn sort_key(input: &Input) -> (bool, String, &str) {
    let is_text = input.kind.0.format == Format::Text;
    (is_text, if is_text { input.kind.0.to_string() } else { String::new() }, &input.name)
}

/// The shards of all files that hold more than one document.
async fn tables(
    (model, options): (&ModelIdentity, &Options),
    inputs: &[Input],
    objects: &[Object],
    survey: &Survey,
) -> Result<Vec<Shard>, BatchError> {
    let tables = inputs.iter().zip(objects).enumerate().filter(|(_, (input, _))| input.kind.0.format != Format::Text);
    // What each future needs is its own: they outlive no borrow of the stream's.
    let work: Vec<_> = tables.map(|(index, (input, object))| (index, input.kind.0, object.clone())).collect();
    let read = options.read(0);
    let target = options.shard_bytes.get();
    let mut found = futures::stream::iter(work)
        .map(|(index, kind, object)| {
            let (read, fetched) = (read.clone(), Arc::clone(&survey.bytes));
            async move { (index, split(&object, kind, &read, target, &fetched).await) }
        })
        .buffered(AT_ONCE);
    let (mut shards, mut broken) = (Vec::new(), Vec::new());
    while let Some((index, pieces)) = found.next().await {
        let pieces: Result<Vec<Piece>, ReadError> = pieces;
        let input = &inputs[index..=index];
        survey.files.fetch_add(1, Ordering::Relaxed);
        match pieces {
            Ok(pieces) => shards.extend(pieces.into_iter().enumerate().map(|(number, piece)| Shard {
                number: 0,
                input: index,
                files: 1,
                part: piece.part,
                rows: piece.rows,
                bytes: piece.bytes,
                output: output_name((model, options), input, &piece.part, number),
            })),
            Err(error) => broken.push(crate::error::with_causes(&error)),
        }
    }
    if broken.is_empty() { Ok(shards) } else { Err(BatchError::Inputs(broken)) }
}

/// The shards of files of text: neighbours share one.
fn texts(model: &ModelIdentity, options: &Options, inputs: &[Input]) -> Vec<Shard> {
    let first = inputs.iter().position(|input| input.kind.0.format == Format::Text).unwrap_or(inputs.len());
    let mut shards: Vec<Shard> = Vec::new();
    let mut open = None;
    for (index, input) in inputs.iter().enumerate().skip(first) {
        let weight = input.size + FILE_WEIGHT;
        let fits = |shard: &&mut Shard| {
            open == Some(input.kind)
                && shard.files < MOST_FILES
                && shard.bytes + shard.files as u64 * FILE_WEIGHT + weight <= options.shard_bytes.get()
        };
        match shards.last_mut().filter(fits) {
            Some(shard) => {
                shard.files += 1;
                shard.bytes += input.size;
                shard.rows = Some(shard.files as u64);
            }
            None => {
                open = Some(input.kind);
                shards.push(Shard {
                    number: 0,
                    input: index,
                    files: 1,
                    part: Part::Files,
                    rows: Some(1),
                    bytes: input.size,
                    output: String::new(),
                });
            }
        }
    }
    for (number, shard) in shards.iter_mut().enumerate() {
        let own = &inputs[shard.input..shard.input + shard.files];
        shard.output = output_name((model, options), own, &shard.part, number);
    }
    shards
}
