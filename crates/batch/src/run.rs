//! Runs a plan: reads ahead, annotates, writes, commits, each in a task of its own with little between them, so that the
//! devices wait for no disk and memory does not grow with anything.
//!
//! ```text
//! read chunks ──2──► annotate, 3 chunks on their way ──2──► write a shard ──► commit, 2 shards on their way
//! ```

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dateline_engine::{Engine, Lane};
use dateline_text::Label;
use futures::StreamExt;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinError, JoinSet, spawn_blocking};
use tokio_stream::wrappers::ReceiverStream;

use crate::annotate::{Annotating, Outcomes};
use crate::commit::{Committed, Sink};
use crate::error::{explain_io, with_causes};
use crate::progress::{Count, Event, Progress};
use crate::shard::{Plan, Shard};
use crate::{BatchError, Chunk, Object, Output, ReadError, ShardWriter, Tally, WriteError, WriteOptions, read};

/// Chunks between two tasks.
const BETWEEN: usize = 2;
/// Chunks that the engine has at once. While one comes to its end, and one is full of work, the next begins.
const ANNOTATED_AT_ONCE: usize = 3;
/// Shards whose outputs are on their way to their place.
const COMMITTED_AT_ONCE: usize = 2;
/// What part of a chunk is enough to tell the speed: it is for a person who waits.
const PART_FOR_SAMPLE: usize = 4;
/// So many shards that cannot be read, one after the other, are no fault of the shards.
const BROKEN_IN_A_ROW: usize = 5;

/// Which shards are whose: worker `index` of `count` has those whose number leaves `index` when divided by `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worker {
    index: usize,
    count: usize,
}

impl Worker {
    /// The only one.
    pub const ALONE: Self = Self { index: 0, count: 1 };

    /// Worker `index`, from 0, of `count`; `None` if there is none.
    #[must_use]
    pub const fn new(index: usize, count: usize) -> Option<Self> {
        if index < count { Some(Self { index, count }) } else { None }
    }

    /// Whether the shard of that number is its own.
    #[must_use]
    pub const fn has(self, shard: usize) -> bool {
        shard % self.count == self.index
    }

    /// Its number, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.index
    }

    /// How many there are.
    #[must_use]
    pub const fn count(self) -> usize {
        self.count
    }
}

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Run {
    /// The model, at index 0, on its devices.
    pub engine: Engine,
    /// The plan.
    pub plan: Arc<Plan>,
    /// Its inputs, in its order.
    pub objects: Arc<[Object]>,
    /// Where outputs go.
    pub output: Arc<Output>,
    /// Which shards are this one's.
    pub worker: Worker,
    /// About how much text goes through the stages at a time, in bytes: some batches for every device.
    pub chunk_bytes: usize,
}

/// What a run has done.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Done {
    /// What is in the outputs that this run computed, by shard.
    pub tallies: BTreeMap<usize, Tally>,
    /// Shards that cannot be read, each with the reason.
    pub broken: Vec<String>,
    /// Shards of the plan, of this worker or another, whose outputs are not there.
    pub missing: usize,
}

/// Some documents that were annotated to see how long that takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// How many.
    pub documents: u64,
    /// Bytes of their texts.
    pub text_bytes: u64,
    /// Their tokens.
    pub tokens: u64,
    /// How long it took.
    pub time: Duration,
}

impl Sample {
    /// How long a plan takes at this speed, on one machine: by rows if it knows them, otherwise by bytes. `None` if
    /// nothing was measured.
    #[must_use]
    pub fn time_for(&self, plan: &Plan) -> Option<Duration> {
        let share = match plan.rows() {
            Some(rows) if self.documents > 0 => rows as f64 / self.documents as f64,
            _ if self.text_bytes > 0 => plan.bytes() as f64 / self.text_bytes as f64,
            _ => return None,
        };
        Duration::try_from_secs_f64(self.time.as_secs_f64() * share).ok()
    }
}

impl Done {
    /// What is in all outputs that this run computed.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let mut all = Tally::default();
        self.tallies.values().for_each(|tally| all.add(tally));
        all
    }
}

impl Run {
    /// Does all of this worker's shards whose outputs are not there yet. What it has committed stays, whatever happens;
    /// dropping the future leaves the shards under way undone.
    ///
    /// # Errors
    /// [`BatchError`] if it cannot go on. A shard that cannot be read is no error of the run; it is told in [`Done`].
    pub async fn all(&self, progress: &Arc<Progress>) -> Result<Done, BatchError> {
        let present: HashSet<String> = self.output.files().await?.into_keys().collect();
        let own: Vec<usize> =
            self.plan.shards.iter().map(|shard| shard.number).filter(|shard| self.worker.has(*shard)).collect();
        let mut done = self.shards(own, present, progress).await?;
        done.missing = missing(&self.plan, &self.output).await?.len();
        Ok(done)
    }

    /// Does one shard, whosever it is, unless its output is there: a task of a scheduler that knows no workers. What
    /// else is missing is not looked at.
    ///
    /// # Errors
    /// As [`Run::all`].
    pub async fn one(&self, shard: usize, progress: &Arc<Progress>) -> Result<Done, BatchError> {
        self.shards(vec![shard], HashSet::new(), progress).await
    }

    async fn shards(
        &self,
        own: Vec<usize>,
        present: HashSet<String>,
        progress: &Arc<Progress>,
    ) -> Result<Done, BatchError> {
        progress.add(Count::Shards, own.len() as u64);
        progress.add(Count::PlannedBytes, own.iter().map(|&shard| self.plan.shards[shard].bytes).sum());

        let (read, to_annotate) = mpsc::channel(BETWEEN);
        let (annotated, to_write) = mpsc::channel(BETWEEN);
        let mut tasks = JoinSet::new();
        let clashed = Arc::new(AtomicBool::new(false));
        let reading = Reading {
            run: self.clone(),
            progress: Arc::clone(progress),
            present,
            clashed: Arc::clone(&clashed),
            to: read,
        };
        tasks.spawn(reading.all(own.into()));
        let annotating = Annotating::new(self.engine.clone(), self.plan.options.filter());
        tasks.spawn(annotate_all(annotating, Arc::clone(progress), to_annotate, annotated));
        let mut writing = Writing::new(self.clone(), Arc::clone(progress), clashed);
        // In this future and not in a task: it comes to its end first, or knows first why the others cannot go on.
        writing.all(to_write).await?;
        while let Some(ended) = tasks.join_next().await {
            ended.map_err(|error| BatchError::Internal(error.to_string()))??;
        }
        Ok(writing.done)
    }

    /// Annotates the first documents of the plan and writes nothing: how fast this machine is, on these texts.
    ///
    /// # Errors
    /// [`BatchError`] if they cannot be read or the device fails.
    pub async fn sample(&self) -> Result<Sample, BatchError> {
        let Some(shard) = self.plan.shards.first() else { return Ok(Sample::default()) };
        let kind = self.plan.inputs[shard.input].kind.0;
        let options = self.plan.options.read(self.chunk_bytes / PART_FOR_SAMPLE);
        let mut chunks = read(self.objects_of(shard), kind, shard.part, options);
        let Some(chunk) = chunks.next().await else { return Ok(Sample::default()) };
        let chunk = chunk.map_err(|error| BatchError::Inputs(vec![with_causes(&error)]))?;
        self.engine.ready().await;
        let (begun, before) = (Instant::now(), self.engine.tokens(Lane::Bulk));
        let annotating = Annotating::new(self.engine.clone(), self.plan.options.filter());
        let documents = annotating.outcomes(&chunk).await?.len();
        let time = begun.elapsed();
        let text_bytes = chunk.texts.iter().flatten().map(|text| text.len() as u64).sum();
        Ok(Sample { documents: documents as u64, text_bytes, tokens: self.engine.tokens(Lane::Bulk) - before, time })
    }

    pub(crate) fn objects_of(&self, shard: &Shard) -> Vec<Object> {
        self.objects[shard.input..shard.input + shard.files].to_vec()
    }
}

/// The shards of the plan, whosever they are, whose outputs are not there.
///
/// # Errors
/// [`BatchError::Place`] if the output cannot be looked at.
pub async fn missing(plan: &Plan, output: &Output) -> Result<Vec<usize>, BatchError> {
    let present = output.files().await?;
    let listable = output.location().listable;
    let mut missing = Vec::new();
    for shard in plan.shards.iter().filter(|shard| !present.contains_key(&shard.output)) {
        if listable || !output.has(&shard.output).await? {
            missing.push(shard.number);
        }
    }
    Ok(missing)
}

/// What goes from stage to stage, in order.
enum Passed<T> {
    /// Rows of a shard.
    Rows(usize, T),
    /// The shard is whole.
    End(usize),
    /// The shard cannot be read, or not to its end.
    Broken(usize, ReadError),
}

/// Sends on; false if nobody listens any more, because the next stage has ended and says why.
async fn pass<T>(to: &mpsc::Sender<T>, value: T) -> bool {
    to.send(value).await.is_ok()
}

struct Reading {
    run: Run,
    progress: Arc<Progress>,
    present: HashSet<String>,
    /// Somebody else is at the same shards: see [`Writing`].
    clashed: Arc<AtomicBool>,
    to: mpsc::Sender<Passed<Chunk>>,
}

impl Reading {
    async fn all(self, mut own: VecDeque<usize>) -> Result<(), BatchError> {
        let plan = Arc::clone(&self.run.plan);
        let (mut broken, mut last) = (0, String::new());
        while let Some(number) = own.pop_front() {
            let shard = &plan.shards[number];
            // Asked again right before the work: another runner may have done it meanwhile.
            if self.present.contains(&shard.output) || self.run.output.has(&shard.output).await? {
                self.progress.add(Count::Skipped, 1);
                self.progress.take(Count::PlannedBytes, shard.bytes);
                self.progress.tell(Event::Skipped { shard: number });
                continue;
            }
            match self.shard(shard).await {
                Ok(true) => {
                    broken = 0;
                    self.keep_clear(&mut own);
                }
                Ok(false) => return Ok(()),
                Err(error) => {
                    (broken, last) = (broken + 1, with_causes(&error));
                    if !pass(&self.to, Passed::Broken(number, error)).await {
                        return Ok(());
                    }
                }
            }
            if broken == BROKEN_IN_A_ROW {
                return Err(BatchError::TooManyBroken { count: broken, last });
            }
        }
        Ok(())
    }

    /// Goes on somewhere else if another runner is where this one is: two that go through the same shards in the same
    /// order would do most of them twice.
    fn keep_clear(&self, own: &mut VecDeque<usize>) {
        if self.clashed.swap(false, Ordering::Relaxed) && !own.is_empty() {
            // As random as the keys of a hash map.
            let random = RandomState::new().hash_one(own.len());
            own.rotate_left(usize::try_from(random % own.len() as u64).unwrap_or(0));
        }
    }

    /// Reads a shard; false if nobody wants it any more.
    async fn shard(&self, shard: &Shard) -> Result<bool, ReadError> {
        let plan = &self.run.plan;
        let kind = plan.inputs[shard.input].kind.0;
        let mut chunks = read(self.run.objects_of(shard), kind, shard.part, plan.options.read(self.run.chunk_bytes));
        while let Some(chunk) = chunks.next().await {
            if !pass(&self.to, Passed::Rows(shard.number, chunk?)).await {
                return Ok(false);
            }
        }
        Ok(pass(&self.to, Passed::End(shard.number)).await)
    }
}

async fn annotate_all(
    annotating: Annotating,
    progress: Arc<Progress>,
    from: mpsc::Receiver<Passed<Chunk>>,
    to: mpsc::Sender<Result<Passed<(Chunk, Outcomes)>, BatchError>>,
) -> Result<(), BatchError> {
    let (annotating, progress) = (&annotating, &progress);
    let mut annotated = ReceiverStream::new(from)
        .map(|passed| async move {
            Ok(match passed {
                Passed::End(shard) => Passed::End(shard),
                Passed::Broken(shard, error) => Passed::Broken(shard, error),
                Passed::Rows(shard, chunk) => {
                    let outcomes = annotating.outcomes(&chunk).await?;
                    let bytes: usize = chunk.texts.iter().flatten().map(|text| text.len()).sum();
                    progress.add(Count::Documents, outcomes.len() as u64);
                    progress.add(Count::Failed, outcomes.iter().filter(|outcome| outcome.is_err()).count() as u64);
                    progress.add(Count::TextBytes, bytes as u64);
                    Passed::Rows(shard, (chunk, outcomes))
                }
            })
        })
        .buffered(ANNOTATED_AT_ONCE);
    while let Some(passed) = annotated.next().await {
        if !pass(&to, passed).await {
            break;
        }
    }
    Ok(())
}

/// A shard that is being written.
struct Open {
    writer: ShardWriter<Sink>,
    text_bytes: u64,
}

struct Writing {
    run: Run,
    progress: Arc<Progress>,
    labels: Arc<[Label]>,
    open: Option<Open>,
    commits: JoinSet<Result<(usize, Tally), BatchError>>,
    room: Arc<Semaphore>,
    /// Set when a shard's output was there before this run's.
    clashed: Arc<AtomicBool>,
    done: Done,
}

impl Writing {
    fn new(run: Run, progress: Arc<Progress>, clashed: Arc<AtomicBool>) -> Self {
        let labels = run.plan.model.labels.as_slice().into();
        let room = Arc::new(Semaphore::new(COMMITTED_AT_ONCE));
        Self { run, progress, labels, open: None, commits: JoinSet::new(), room, clashed, done: Done::default() }
    }

    async fn all(
        &mut self,
        mut from: mpsc::Receiver<Result<Passed<(Chunk, Outcomes)>, BatchError>>,
    ) -> Result<(), BatchError> {
        while let Some(passed) = from.recv().await {
            match passed? {
                Passed::Rows(shard, (chunk, outcomes)) => self.write(shard, chunk, outcomes).await?,
                Passed::End(shard) => self.end(shard).await?,
                Passed::Broken(shard, error) => self.broken(shard, &error),
            }
            while let Some(committed) = self.commits.try_join_next() {
                self.committed(committed)?;
            }
        }
        while let Some(committed) = self.commits.join_next().await {
            self.committed(committed)?;
        }
        Ok(())
    }

    fn committed(&mut self, ended: Result<Result<(usize, Tally), BatchError>, JoinError>) -> Result<(), BatchError> {
        let (shard, tally) = ended.map_err(|error| BatchError::Internal(error.to_string()))??;
        self.done.tallies.insert(shard, tally);
        Ok(())
    }

    async fn write(&mut self, shard: usize, chunk: Chunk, outcomes: Outcomes) -> Result<(), BatchError> {
        let open = self.open.take();
        let run = self.run.clone();
        let (labels, progress) = (Arc::clone(&self.labels), Arc::clone(&self.progress));
        let written = spawn_blocking(move || {
            let mut open = match open {
                Some(open) => open,
                None => run.begin(shard, chunk.carried.schema(), &labels)?,
            };
            open.text_bytes += chunk.texts.iter().flatten().map(|text| text.len() as u64).sum::<u64>();
            open.writer.write(&chunk, &outcomes).map_err(|error| run.unwritten(shard, &error))?;
            run.tell_failed(shard, &chunk, &outcomes, &progress);
            Ok::<_, BatchError>(open)
        });
        self.open = Some(written.await.map_err(|error| BatchError::Internal(error.to_string()))??);
        Ok(())
    }

    async fn end(&mut self, shard: usize) -> Result<(), BatchError> {
        let open = self.open.take();
        let (run, labels) = (self.run.clone(), Arc::clone(&self.labels));
        let finished = spawn_blocking(move || {
            let open = match open {
                Some(open) => open,
                // A part without a row is an output without one.
                None => run.begin(shard, Arc::new(arrow_schema::Schema::empty()), &labels)?,
            };
            let finished = open.writer.finish().map_err(|error| run.unwritten(shard, &error))?;
            Ok::<_, BatchError>((finished, open.text_bytes))
        });
        let ((sink, tally), text_bytes) = finished.await.map_err(|error| BatchError::Internal(error.to_string()))??;
        let permit = Arc::clone(&self.room).acquire_owned().await.expect("the semaphore is never closed");
        let (run, progress, clashed) = (self.run.clone(), Arc::clone(&self.progress), Arc::clone(&self.clashed));
        self.commits.spawn(async move {
            let _permit = permit;
            let Shard { output, bytes, .. } = &run.plan.shards[shard];
            let already = run.output.commit(output, sink).await? == Committed::Already;
            if run.output.is_newly_unconditional() {
                progress.tell(Event::Unconditional);
            }
            clashed.fetch_or(already, Ordering::Relaxed);
            progress.add(if already { Count::Already } else { Count::Committed }, 1);
            progress.add(Count::PlannedDone, *bytes);
            progress.add(Count::TextDone, text_bytes);
            progress.tell(Event::Committed { shard, output: output.clone(), tally: tally.clone(), already });
            Ok((shard, tally))
        });
        Ok(())
    }

    fn broken(&mut self, shard: usize, error: &ReadError) {
        let shard_bytes = self.run.plan.shards[shard].bytes;
        self.open = None;
        let error = with_causes(error);
        self.progress.add(Count::Broken, 1);
        self.progress.take(Count::PlannedBytes, shard_bytes);
        self.progress.tell(Event::Broken { shard, error: error.clone() });
        self.done.broken.push(error);
    }
}

impl Run {
    fn begin(&self, shard: usize, carried: arrow_schema::SchemaRef, labels: &[Label]) -> Result<Open, BatchError> {
        let sink = self.output.begin()?;
        let writer = ShardWriter::new(sink, &self.write_options(shard), &carried, labels)
            .map_err(|error| self.unwritten(shard, &error))?;
        Ok(Open { writer, text_bytes: 0 })
    }

    /// What an output says of itself is the same whoever writes it, and in whichever plan.
    fn write_options(&self, shard: usize) -> WriteOptions {
        let Plan { model, options, .. } = &*self.plan;
        let shard = &self.plan.shards[shard];
        let metadata = [
            ("dateline.model", model.name.clone()),
            ("dateline.model.sha256", model.sha256.clone()),
            ("dateline.model.precision", model.precision.clone()),
            ("dateline.options", serde_json::to_string(options).expect("options can be JSON")),
            ("dateline.input", self.plan.describe(shard)),
        ];
        options.write(metadata.map(|(key, value)| (key.to_owned(), value)).to_vec())
    }

    fn unwritten(&self, shard: usize, error: &WriteError) -> BatchError {
        if let WriteError::Sink(error) = error {
            return BatchError::Place {
                action: "cannot write to",
                place: self.output.location().name.clone(),
                why: explain_io(error),
            };
        }
        BatchError::Write { shard: self.plan.describe(&self.plan.shards[shard]), why: with_causes(error) }
    }

    fn tell_failed(&self, shard: usize, chunk: &Chunk, outcomes: &Outcomes, progress: &Progress) {
        let failed =
            chunk.positions.iter().zip(outcomes).filter_map(|(row, outcome)| Some((row, outcome.as_ref().err()?)));
        for (&position, error) in failed {
            let place = self.plan.place_of(&self.plan.shards[shard], position);
            progress.tell(Event::Failed { place, error: error.clone() });
        }
    }
}
