//! `dateline batch`: inputs to a plan, a plan to outputs, until all of them are there. The work is the batch crate's; here
//! the model is loaded, progress is shown, and signals are heard.

mod display;
mod report;
mod verify;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dateline_batch::{
    BatchError, Inputs, Manifest, ModelIdentity, Output, Planned, Progress, Run, Stores, Survey, list_inputs, plan,
};
use dateline_engine::{Engine, EngineModel, EngineOptions, Lane};
use dateline_model::{Annotator, ModelConfig, RunOptions};
use tokio::runtime::Runtime;

use self::display::{Display, Planning};
use self::report::Report;
use super::annotate::check_labels;
use crate::args::{BatchConfig, BatchProgress, BatchTask};
use crate::failure::Failure;
use crate::logging::{self, LogFormat};
use crate::model::ModelChoice;
use crate::signals::Signals;
use crate::terminal;

/// English has about so many bytes a token.
const BYTES_PER_TOKEN: usize = 4;
/// How many batches of every device a chunk is worth: enough to sort by length, and to keep a device busy while the next
/// chunk comes.
const BATCHES_PER_CHUNK: usize = 16;
/// Bounds of a chunk: smaller ones cost more than they save, larger ones only memory.
const CHUNK_BYTES: std::ops::RangeInclusive<usize> = 256 << 10..=16 << 20;
/// Chunks that the engine must have room for: those on their way, and the long documents in them.
const CHUNKS_IN_QUEUE: usize = 8;
/// How often progress is shown.
const TICK: Duration = Duration::from_millis(250);

/// Does what `task` says.
pub(super) fn run(task: BatchTask) -> Result<(), Failure> {
    // What goes wrong in the engine is told, and never with a text.
    let _traces = logging::init(LogFormat::Text, "error", None)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("dateline-batch")
        .enable_all()
        .build()
        .map_err(Failure::work)?;
    let result = match task {
        BatchTask::Run(config) => batch(&runtime, &config),
        BatchTask::Verify(config) => verify::run(&runtime, &config),
    };
    // A request that hangs is no reason to stay.
    runtime.shutdown_background();
    result
}

fn batch(runtime: &Runtime, config: &BatchConfig) -> Result<(), Failure> {
    let stores = Stores::of_this_process();
    let place = stores.locate(&config.output).map_err(failure)?;
    let inputs = runtime.block_on(list_inputs(&stores, &config.inputs, config.input, &place)).map_err(failure)?;
    if inputs.unknown > 0 {
        terminal::say(format_args!(
            "{} files were left out: their names do not say what they hold (--input does)",
            inputs.unknown
        ));
    }
    let output = Arc::new(if config.dry_run { Output::at(place) } else { Output::open(place).map_err(failure)? });
    if !config.dry_run {
        match output.sweep().map_err(failure)? {
            0 => {}
            files => terminal::say(format_args!("{files} unfinished files of runs that were killed are removed")),
        }
    }
    if config.plan_only {
        let identity = identity(&config.model)?;
        check_labels(&config.options.filter(), &identity.labels)?;
        let planned = runtime.block_on(make_plan(config, identity, inputs, &output)).map_err(failure)?;
        return Ok(writeln!(io::stdout(), "{}", planned.place(&output))?);
    }
    let model = Loaded::load(&config.model)?;
    check_labels(&config.options.filter(), &model.identity.labels)?;
    let planned = runtime.block_on(make_plan(config, model.identity.clone(), inputs, &output)).map_err(failure)?;
    let chunk_bytes = model.chunk_bytes();
    let engine = model.start(chunk_bytes)?;
    let run = Run {
        engine,
        plan: Arc::new(planned.plan),
        objects: planned.objects.into(),
        output,
        worker: config.worker,
        chunk_bytes,
    };
    if config.dry_run {
        let sample = runtime.block_on(run.sample()).map_err(failure)?;
        let mut out = io::stdout().lock();
        return Ok(write!(out, "{}", report::plan(&run, &sample))?);
    }
    runtime.block_on(run_and_show(&run, config.progress))
}

async fn make_plan(
    config: &BatchConfig,
    model: ModelIdentity,
    inputs: Inputs,
    output: &Output,
) -> Result<Planned, BatchError> {
    let survey = Survey::default();
    let mut planning = Planning::new(config.progress, inputs.files.len() as u64);
    let mut work = std::pin::pin!(plan(model, config.options.clone(), inputs, output, &survey));
    let mut ticks = tokio::time::interval(TICK);
    let planned = loop {
        tokio::select! {
            planned = &mut work => break planned?,
            _ = ticks.tick() => planning.show(&survey),
        }
    };
    drop(planning);
    if !config.dry_run {
        planned.keep(output).await?;
    }
    Ok(planned)
}

/// Runs the plan to its end, or until a signal comes.
async fn run_and_show(run: &Run, how: BatchProgress) -> Result<(), Failure> {
    let begun = Instant::now();
    let display = Arc::new(Display::new(how, begun));
    let listener = Arc::clone(&display);
    let progress = Arc::new(Progress::new(move |event| listener.event(event)));
    let mut signals = Signals::new();
    let work = async {
        run.reopen().await?;
        let done = run.all(&progress).await?;
        let manifest = run.conclude(&done).await?;
        Ok::<_, BatchError>((done, manifest))
    };
    let mut work = std::pin::pin!(work);
    let mut ticks = tokio::time::interval(TICK);
    let ended = loop {
        tokio::select! {
            ended = &mut work => break Some(ended),
            () = signals.next() => break None,
            _ = ticks.tick() => display.show(&progress.snapshot(), run.engine.tokens(Lane::Bulk)),
        }
    };
    display.end();
    let (done, manifest) = match ended {
        Some(Ok(ended)) => ended,
        Some(Err(error)) => {
            stopped(&progress);
            return Err(failure(error));
        }
        None => {
            stopped(&progress);
            return Err(Failure::work("told to stop"));
        }
    };
    let report = Report::new(run, &progress.snapshot(), &done, manifest.as_ref(), begun.elapsed());
    let mut out = io::stdout().lock();
    match how {
        BatchProgress::Json => writeln!(out, "{}", report.json())?,
        _ => write!(out, "{report}")?,
    }
    out.flush()?;
    conclusion(run, &report, manifest.as_ref())
}

/// Says what is lost, and what is not, by a run that ends early.
fn stopped(progress: &Progress) {
    let now = progress.snapshot();
    terminal::say(format_args!(
        "{} of {} shards are done ({} by this run) and stay; run the same command again to go on",
        now.committed + now.already + now.skipped,
        now.shards,
        now.committed
    ));
}

/// The exit code says whether anything is left to be looked at.
fn conclusion(run: &Run, report: &Report, manifest: Option<&Manifest>) -> Result<(), Failure> {
    if report.broken > 0 {
        return Err(Failure::work(format!(
            "{} shards could not be read; each is named above. Mend the files, and run the same command again: what is \
             done stays",
            report.broken
        )));
    }
    if report.failed > 0 {
        return Err(Failure::work(format!(
            "{} of {} documents failed; their rows in the outputs say why",
            report.failed, report.documents
        )));
    }
    if manifest.is_none() {
        terminal::say(format_args!(
            "{} of {} shards are still missing: those of other workers, who write {}/_SUCCESS when the last is done",
            report.missing,
            run.plan.shards.len(),
            run.output.location().name
        ));
    }
    Ok(())
}

/// The model as plans name it, for devices that need not be on this machine.
fn identity(choice: &ModelChoice) -> Result<ModelIdentity, Failure> {
    let files = choice.files()?;
    let config = ModelConfig::parse(&files.name, &files.config)?;
    Ok(ModelIdentity {
        name: choice.located.name(),
        sha256: files.sha256(),
        precision: choice.run.precision_for(&files).to_string(),
        labels: config.tags.labels().to_vec(),
    })
}

/// The model on each of its devices, not running yet.
struct Loaded {
    identity: ModelIdentity,
    replicas: Vec<Annotator>,
    devices: Vec<String>,
    max_batch_tokens: usize,
}

impl Loaded {
    fn load(choice: &ModelChoice) -> Result<Self, Failure> {
        let devices = choice.run.device.each()?;
        let files = choice.files()?;
        let load = |&device| Annotator::load(&files, &RunOptions { device, ..choice.run.clone() });
        let replicas = devices.iter().map(load).collect::<Result<Vec<_>, _>>()?;
        let info = replicas.first().expect("there is a device").info();
        let identity = ModelIdentity {
            name: choice.located.name(),
            sha256: files.sha256(),
            precision: info.precision.to_string(),
            labels: info.labels.clone(),
        };
        let devices = devices.iter().map(ToString::to_string).collect();
        Ok(Self { identity, replicas, devices, max_batch_tokens: choice.run.max_batch_tokens })
    }

    fn chunk_bytes(&self) -> usize {
        let bytes = self.devices.len() * self.max_batch_tokens * BYTES_PER_TOKEN * BATCHES_PER_CHUNK;
        bytes.clamp(*CHUNK_BYTES.start(), *CHUNK_BYTES.end())
    }

    fn start(self, chunk_bytes: usize) -> Result<Engine, Failure> {
        let options = EngineOptions {
            devices: self.devices,
            max_batch_tokens: self.max_batch_tokens,
            queue_bytes: chunk_bytes * CHUNKS_IN_QUEUE,
            ..EngineOptions::default()
        };
        let model = EngineModel { name: self.identity.name, replicas: self.replicas };
        Engine::start(vec![model], options).map_err(Failure::work)
    }
}

/// Wrong arguments and inputs that cannot be read at all are nothing begun.
fn failure(error: BatchError) -> Failure {
    match error {
        BatchError::Usage(why) => Failure::Usage(why),
        BatchError::Inputs(_) => Failure::Usage(error.to_string()),
        _ => Failure::work(error),
    }
}
