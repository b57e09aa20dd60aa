//! Dateline's own encoder: packed batches, no padding.

use std::num::NonZeroUsize;

use dateline_model::{Annotator, ModelFiles, PackedBatch, RunOptions};

use crate::engine::Engine;
use crate::failure::Failure;
use crate::tokens::Window;
use crate::{Precision, RunArgs};

/// An [`Annotator`], of which only the encoder is used.
pub(crate) struct Ours(Annotator);

impl Engine for Ours {
    type Batch = PackedBatch;
    type Logits = Vec<f32>;

    fn load(args: &RunArgs, threads: usize) -> Result<Self, Failure> {
        let precision = match args.precision {
            Precision::F32 => dateline_model::Precision::F32,
            Precision::Int8 => dateline_model::Precision::Int8,
        };
        let threads = NonZeroUsize::new(threads);
        let options = RunOptions { precision: Some(precision), threads, ..RunOptions::default() };
        Ok(Self(Annotator::load(&ModelFiles::read(&args.model)?, &options)?))
    }

    fn version() -> String {
        concat!("dateline ", env!("CARGO_PKG_VERSION")).to_owned()
    }

    fn has_streams() -> bool {
        false
    }

    fn prepare(&self, windows: &[&Window]) -> Result<PackedBatch, Failure> {
        let mut batch = PackedBatch::new();
        for window in windows {
            batch.push(&window.ids, &window.type_ids);
        }
        Ok(batch)
    }

    fn encode(&self, batch: &PackedBatch) -> Result<Vec<f32>, Failure> {
        Ok(self.0.encode(batch, &|| {})?)
    }

    fn rows(&self, windows: &[&Window], logits: Vec<f32>) -> Result<Vec<Vec<f32>>, Failure> {
        let tokens: usize = windows.iter().map(|window| window.ids.len()).sum();
        Ok(logits.chunks_exact(logits.len() / tokens.max(1)).map(<[f32]>::to_vec).collect())
    }
}
