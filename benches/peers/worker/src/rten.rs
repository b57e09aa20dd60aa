//! rten on the ONNX file of the exported model: padded batches with a mask.

use std::sync::Arc;

use rten::{Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value};
use rten_tensor::NdTensor;
use rten_tensor::prelude::*;

use crate::RunArgs;
use crate::engine::{Engine, Padded, unpad};
use crate::failure::Failure;
use crate::tokens::Window;

/// A loaded graph and the threads that it runs on.
pub(crate) struct Rten {
    model: Model,
    /// Token ids, mask, token type ids.
    inputs: [NodeId; 3],
    output: NodeId,
    threads: Arc<ThreadPool>,
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::of("rten")(error)
}

impl Engine for Rten {
    type Batch = [NdTensor<i32, 2>; 3];
    type Logits = Value;

    fn load(args: &RunArgs, threads: usize) -> Result<Self, Failure> {
        let mut options = ModelOptions::with_all_ops();
        options.prepack_weights(true);
        let model = options.load_file(&args.model).map_err(failed)?;
        let node = |name| model.node_id(name).map_err(failed);
        let inputs = [node("input_ids")?, node("attention_mask")?, node("token_type_ids")?];
        let output = node("logits")?;
        Ok(Self { model, inputs, output, threads: Arc::new(ThreadPool::with_num_threads(threads)) })
    }

    fn version() -> String {
        "rten 0.27".to_owned()
    }

    fn has_streams() -> bool {
        true
    }

    fn prepare(&self, windows: &[&Window]) -> Result<Self::Batch, Failure> {
        let padded = Padded::new(windows);
        let shape = [padded.windows, padded.longest];
        let tensor =
            |values: Vec<u32>| NdTensor::from_data(shape, values.into_iter().map(u32::cast_signed).collect::<Vec<_>>());
        Ok([tensor(padded.ids), tensor(padded.mask), tensor(padded.type_ids)])
    }

    fn encode(&self, batch: &Self::Batch) -> Result<Value, Failure> {
        let inputs = self.inputs.into_iter().zip(batch).map(|(node, tensor)| (node, tensor.view().into())).collect();
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&self.threads)));
        let [logits] = self.model.run_n(inputs, [self.output], Some(options)).map_err(failed)?;
        Ok(logits)
    }

    fn rows(&self, windows: &[&Window], logits: Value) -> Result<Vec<Vec<f32>>, Failure> {
        let logits: NdTensor<f32, 3> = logits.try_into().map_err(failed)?;
        Ok(unpad(windows, &logits.to_vec()))
    }
}
