//! The one model of an executor, on its one device.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use dateline_batch::ModelIdentity;
use dateline_engine::{Engine, EngineModel, EngineOptions};
use dateline_model::{Annotator, DeviceSpec, ModelFiles, Precision, RunOptions};

use crate::failure::Failure;
use crate::worker::Worker;

/// Tokens of a batch on a GPU, which wants large ones.
const GPU_BATCH_TOKENS: usize = 16 << 10;
/// English has about so many bytes a token.
const BYTES_PER_TOKEN: usize = 4;
/// How many batches a chunk is worth: enough to sort by length, and to keep a device busy while the next chunk comes.
const BATCHES_PER_CHUNK: usize = 16;
/// Bounds of a chunk: smaller ones cost more than they save, larger ones only memory.
const CHUNK_BYTES: std::ops::RangeInclusive<usize> = 256 << 10..=16 << 20;
/// Chunks that the engine must have room for: those on their way, and the long documents in them.
const CHUNKS_IN_QUEUE: usize = 8;

/// The arguments that choose a model. It must be the one that plans were made with.
#[derive(Debug, Args)]
#[command(next_help_heading = "Model")]
pub(crate) struct ModelArgs {
    /// A model folder, or an id on a hub.
    #[arg(short, long, env = "DATELINE_MODEL", value_name = "FOLDER|OWNER/NAME", value_hint = ValueHint::DirPath)]
    model: PathBuf,
    /// Where to run: cpu, cuda or cuda:N. Of the GPUs that CUDA_VISIBLE_DEVICES lists, cuda is the first: start an
    /// executor for each with a list of one.
    #[arg(long, env = "DATELINE_DEVICE", default_value_t)]
    device: DeviceSpec,
    /// How exactly to compute: int8, bf16 or f32 [default: that of `dateline batch`].
    #[arg(long, env = "DATELINE_PRECISION")]
    precision: Option<Precision>,
    /// Threads on the CPU [default: one per core].
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Tokens that go through the model at once: more use a GPU better and take more memory.
    #[arg(long, value_name = "N")]
    batch_tokens: Option<NonZeroUsize>,
}

impl ModelArgs {
    /// Loads the model and starts its thread. Blocks for as long as that takes.
    pub(crate) fn start(&self) -> Result<Worker, Failure> {
        let batch_tokens = match self.device {
            DeviceSpec::Cpu => RunOptions::default().max_batch_tokens,
            _ => GPU_BATCH_TOKENS,
        };
        let run = RunOptions {
            device: self.device,
            precision: self.precision,
            threads: self.threads,
            max_batch_tokens: self.batch_tokens.map_or(batch_tokens, NonZeroUsize::get),
        };
        let files = files(&self.model)?;
        let annotator = Annotator::load(&files, &run)?;
        let identity = ModelIdentity {
            name: files.name.clone(),
            sha256: files.sha256(),
            precision: annotator.info().precision.to_string(),
            labels: annotator.info().labels.clone(),
        };
        let chunk_bytes = (run.max_batch_tokens * BYTES_PER_TOKEN * BATCHES_PER_CHUNK)
            .clamp(*CHUNK_BYTES.start(), *CHUNK_BYTES.end());
        let options = EngineOptions {
            devices: vec![self.device.to_string()],
            max_batch_tokens: run.max_batch_tokens,
            queue_bytes: chunk_bytes * CHUNKS_IN_QUEUE,
            ..EngineOptions::default()
        };
        let model = EngineModel { name: files.name, replicas: vec![annotator] };
        let engine = Engine::start(vec![model], options).map_err(Failure::work)?;
        Ok(Worker::new(engine, identity, chunk_bytes))
    }
}

fn files(model: &Path) -> Result<ModelFiles, Failure> {
    #[cfg(feature = "hub")]
    if !model.is_dir()
        && let Some(id) =
            model.to_str().filter(|name| name.split('/').count() == 2 && !name.starts_with(['.', '/', '~']))
    {
        use dateline_model::hub::{HubOptions, download};
        let folder = download(id, &HubOptions::default())?;
        return Ok(ModelFiles { name: id.to_owned(), ..ModelFiles::read(&folder)? });
    }
    Ok(ModelFiles::read(model)?)
}
