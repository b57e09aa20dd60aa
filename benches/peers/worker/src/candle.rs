//! candle's stock BERT (candle-transformers), with the classifier that it lacks: padded batches with a mask.

use candle_core::{DType, Device, Tensor};
use candle_nn::{Linear, Module, VarBuilder, linear};
use candle_transformers::models::bert::{BertModel, Config};

use crate::engine::{Engine, Padded, unpad};
use crate::failure::Failure;
use crate::tokens::Window;
use crate::{Precision, RunArgs};

/// The encoder and the classifier.
pub(crate) struct Candle {
    bert: BertModel,
    classifier: Linear,
}

/// The tensors of a batch.
pub(crate) struct Inputs {
    ids: Tensor,
    type_ids: Tensor,
    /// None for windows of the same length: the mask would do nothing.
    mask: Option<Tensor>,
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure::of("candle-transformers")(error)
}

impl Engine for Candle {
    type Batch = Inputs;
    type Logits = Tensor;

    /// candle has one number of threads for the whole process, RAYON_NUM_THREADS, which the orchestrator sets.
    fn load(args: &RunArgs, _threads: usize) -> Result<Self, Failure> {
        if args.precision == Precision::Int8 {
            return Err(Failure::Usage("candle-transformers has no int8 BERT".to_owned()));
        }
        let file = args.model.join("config.json");
        let name = file.display().to_string();
        let bytes = std::fs::read(&file).map_err(Failure::io(name.clone()))?;
        let json: serde_json::Value = serde_json::from_slice(&bytes).map_err(Failure::json(name.clone()))?;
        let tags = json["id2label"].as_object().map_or(0, serde_json::Map::len);
        let config: Config = serde_json::from_value(json).map_err(Failure::json(name))?;
        let weights = std::fs::read(args.model.join("model.safetensors")).map_err(Failure::io("model.safetensors"))?;
        let weights = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu).map_err(failed)?;
        let bert = BertModel::load(weights.clone(), &config).map_err(failed)?;
        let classifier = linear(config.hidden_size, tags, weights.pp("classifier")).map_err(failed)?;
        Ok(Self { bert, classifier })
    }

    fn version() -> String {
        "candle-transformers 0.11.1".to_owned()
    }

    fn has_streams() -> bool {
        false
    }

    fn prepare(&self, windows: &[&Window]) -> Result<Inputs, Failure> {
        let padded = Padded::new(windows);
        let shape = (padded.windows, padded.longest);
        let tensor = |values: Vec<u32>| Tensor::from_vec(values, shape, &Device::Cpu).map_err(failed);
        let mask = padded.mask.contains(&0).then(|| tensor(padded.mask)).transpose()?;
        Ok(Inputs { ids: tensor(padded.ids)?, type_ids: tensor(padded.type_ids)?, mask })
    }

    fn encode(&self, batch: &Inputs) -> Result<Tensor, Failure> {
        let states = self.bert.forward(&batch.ids, &batch.type_ids, batch.mask.as_ref()).map_err(failed)?;
        self.classifier.forward(&states).map_err(failed)
    }

    fn rows(&self, windows: &[&Window], logits: Tensor) -> Result<Vec<Vec<f32>>, Failure> {
        let values: Vec<f32> = logits.flatten_all().and_then(|flat| flat.to_vec1()).map_err(failed)?;
        Ok(unpad(windows, &values))
    }
}
