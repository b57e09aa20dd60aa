//! The trained tensors by name, and their way into files.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{Device, Tensor, Var};
use dateline_model::{Encoder, ModelConfig, ModelError, Weights};
use half::f16;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::{Deserialize, Serialize};

use crate::{Recipe, TrainError};

/// Number format of exported weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Half: half the size, and no measurable loss.
    #[default]
    F16,
    /// Single, as trained.
    F32,
}

/// Weights by their Hugging Face names, on the host.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct NamedWeights(pub(crate) BTreeMap<String, (Vec<usize>, Vec<f32>)>);

impl NamedWeights {
    /// The bytes of a safetensors file.
    pub(crate) fn to_safetensors(&self, precision: Precision) -> Result<Vec<u8>, TrainError> {
        // "format" is what transformers asks for before it loads a file.
        self.with_metadata(precision, [("format".to_owned(), "pt".to_owned())].into())
    }

    /// The same with other metadata.
    pub(crate) fn with_metadata(
        &self,
        precision: Precision,
        metadata: HashMap<String, String>,
    ) -> Result<Vec<u8>, TrainError> {
        let dtype = match precision {
            Precision::F16 => Dtype::F16,
            Precision::F32 => Dtype::F32,
        };
        let tensors: Vec<(&str, &[usize], Vec<u8>)> = self
            .0
            .iter()
            .map(|(name, (shape, values))| {
                let bytes = match precision {
                    Precision::F16 => values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect(),
                    Precision::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
                };
                (name.as_str(), shape.as_slice(), bytes)
            })
            .collect();
        let views: Result<Vec<_>, _> = tensors
            .iter()
            .map(|(name, shape, bytes)| TensorView::new(dtype, shape.to_vec(), bytes).map(|view| (*name, view)))
            .collect();
        views.and_then(|views| safetensors::serialize(views, Some(metadata))).map_err(|error| damaged(&error))
    }

    /// Reads the bytes of a safetensors file of f32 tensors.
    pub(crate) fn from_safetensors(bytes: &[u8]) -> Result<Self, TrainError> {
        let file = safetensors::SafeTensors::deserialize(bytes).map_err(|error| damaged(&error))?;
        let read = |view: &TensorView<'_>| {
            let values = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            (view.shape().to_vec(), values)
        };
        Ok(Self(file.iter().map(|(name, view)| (name.to_owned(), read(&view))).collect()))
    }

    /// What is left of the weights in a file of this precision.
    pub(crate) fn rounded(&self, precision: Precision) -> Self {
        let mut rounded = self.clone();
        if precision == Precision::F16 {
            for value in rounded.0.values_mut().flat_map(|(_, values)| values) {
                *value = f16::from_f32(*value).to_f32();
            }
        }
        rounded
    }

    /// The mean of several sets of the same tensors.
    pub(crate) fn mean(sets: &[Self]) -> Self {
        let mut mean = sets[0].clone();
        #[expect(clippy::cast_precision_loss, reason = "a handful of seeds")]
        let share = 1.0 / sets.len() as f32;
        for (name, (_, values)) in &mut mean.0 {
            values.iter_mut().for_each(|value| *value *= share);
            for (_, other) in sets[1..].iter().filter_map(|set| set.0.get(name)) {
                values.iter_mut().zip(other).for_each(|(value, other)| *value += other * share);
            }
        }
        mean
    }
}

fn damaged(error: &safetensors::SafeTensorError) -> TrainError {
    TrainError::Compute(candle_core::Error::Msg(error.to_string()))
}

impl Weights for NamedWeights {
    fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        match self.0.get(name) {
            Some((stored, values)) if stored == shape => Ok(Tensor::from_slice(values, shape, &Device::Cpu)?),
            _ => Err(ModelError::Weights {
                model: "training".to_owned(),
                detail: format!("there is no tensor {name:?} of shape {shape:?}"),
            }),
        }
    }
}

/// Hands out variables in place of plain tensors and keeps them by name.
struct Collector<'w> {
    source: &'w dyn Weights,
    device: &'w Device,
    taken: RefCell<BTreeMap<String, Var>>,
}

impl Weights for Collector<'_> {
    fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        let var = Var::from_tensor(&self.source.get(name, shape)?.to_device(self.device)?)?;
        let tensor = var.as_tensor().clone();
        self.taken.borrow_mut().insert(name.to_owned(), var);
        Ok(tensor)
    }
}

/// The encoder over variables, and the variables by name.
pub(crate) fn trainable(
    config: &ModelConfig,
    recipe: &Recipe,
    source: &dyn Weights,
    device: &Device,
) -> Result<(Encoder, Vec<(String, Var)>), TrainError> {
    let mut shape = config.encoder.clone();
    shape.hidden_dropout = recipe.dropout;
    shape.attention_dropout = recipe.attention_dropout;
    let collector = Collector { source, device, taken: RefCell::default() };
    let encoder = Encoder::load(&shape, config.tags.len(), &collector)?;
    Ok((encoder, collector.taken.into_inner().into_iter().collect()))
}

/// Writes a file as a whole or not at all: beside its place first, then moved over it.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let beside = path.with_extension("part");
    std::fs::write(&beside, bytes).map_err(TrainError::write(&beside))?;
    std::fs::rename(&beside, path).map_err(TrainError::write(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_survive_a_file_and_average() {
        let set = |by: f32| NamedWeights([("a".to_owned(), (vec![1, 3], vec![by, 2.0 * by, -by]))].into());
        let bytes = set(1.5).to_safetensors(Precision::F32).unwrap();
        assert_eq!(NamedWeights::from_safetensors(&bytes).unwrap(), set(1.5));
        assert_eq!(NamedWeights::mean(&[set(1.0), set(2.0)]), set(1.5));
        let half = set(1.5).to_safetensors(Precision::F16).unwrap();
        assert_eq!(half.len() + 6, bytes.len());
    }
}
