//! `int8.safetensors`: what makes a model's activations fit into int8, found on real text once and shipped beside its
//! weights.
//!
//! A few inputs of a linear layer are far larger than the others and would take all steps of a row for themselves. Each
//! input is therefore multiplied with a factor before it is quantised, and the weights that read it are divided by it:
//! `largest weight / largest input`, both to the power of one half (SmoothQuant: Xiao et al. 2023, with alpha 0.5).
//!
//! The factors of other weights would be applied without an error and find less, so the file says which ones it was
//! made for.

use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::ModelError;

/// The file's name in a model's folder.
pub const FILE: &str = "int8.safetensors";

/// What the file's metadata calls the temperature.
const TEMPERATURE: &str = "temperature";
/// And the checksum of the `model.safetensors` that it was made for, as eight hexadecimal digits.
const WEIGHTS: &str = "weights_crc32";

/// The linear layers of a transformer layer that read the same values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Inputs {
    layer: usize,
    part: &'static str,
}

impl Inputs {
    /// What query, key and value are made of.
    pub(crate) const fn attention(layer: usize) -> Self {
        Self { layer, part: "attention" }
    }

    /// What attention gives.
    pub(crate) const fn context(layer: usize) -> Self {
        Self { layer, part: "context" }
    }

    /// What the first feed-forward layer reads.
    pub(crate) const fn feed_forward(layer: usize) -> Self {
        Self { layer, part: "feed_forward" }
    }

    /// What the second feed-forward layer reads.
    pub(crate) const fn inner(layer: usize) -> Self {
        Self { layer, part: "inner" }
    }

    fn name(self) -> String {
        format!("layer.{}.{}", self.layer, self.part)
    }
}

/// A factor for each input of each linear layer, and the temperature that scores have in int8.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Balance {
    /// Whose it is, for messages.
    model: String,
    factors: BTreeMap<String, Vec<f32>>,
    /// The checksum of the weights that the factors were found for.
    weights: Option<u32>,
    /// Divides the logits of a model in int8 before they become probabilities; fitted on held-out text.
    pub temperature: Option<f64>,
}

impl Balance {
    /// Reads the bytes of an `int8.safetensors` of the model called `model`.
    ///
    /// # Errors
    /// [`ModelError::Balance`] if it is damaged or holds no positive numbers.
    pub fn parse(model: &str, file: &[u8]) -> Result<Self, ModelError> {
        let fail = |detail: String| ModelError::Balance { model: model.to_owned(), detail };
        let (_, head) = SafeTensors::read_metadata(file).map_err(|error| fail(error.to_string()))?;
        let tensors = SafeTensors::deserialize(file).map_err(|error| fail(error.to_string()))?;
        let said = |key| head.metadata().as_ref().and_then(|metadata| metadata.get(key));
        let weights = said(WEIGHTS)
            .map(|text| u32::from_str_radix(text, 16).map_err(|_| fail(format!("{WEIGHTS} {text:?} is no checksum"))))
            .transpose()?;
        let temperature = said(TEMPERATURE)
            .map(|text| text.parse().ok().filter(|value: &f64| value.is_finite() && *value > 0.0).ok_or(text))
            .transpose()
            .map_err(|text| fail(format!("its temperature {text:?} is no positive number")))?;
        let mut factors = BTreeMap::new();
        for (name, view) in tensors.iter() {
            if view.dtype() != Dtype::F32 {
                return Err(fail(format!("tensor {name:?} is {:?}, not F32", view.dtype())));
            }
            let values: Vec<f32> = view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
            if !values.iter().all(|factor| factor.is_normal() && *factor > 0.0) {
                return Err(fail(format!("tensor {name:?} holds values that are no positive numbers")));
            }
            factors.insert(name.to_owned(), values);
        }
        Ok(Self { model: model.to_owned(), factors, weights, temperature })
    }

    /// Says that the factors were found for the `model.safetensors` with these bytes.
    #[must_use]
    pub fn made_for(mut self, weights: &[u8]) -> Self {
        self.weights = Some(crc32fast::hash(weights));
        self
    }

    /// Whether the factors were found for the `model.safetensors` with these bytes.
    ///
    /// # Errors
    /// [`ModelError::Balance`] if they were not, or if the file does not say.
    pub(crate) fn check(&self, weights: &[u8]) -> Result<(), ModelError> {
        if self.weights == Some(crc32fast::hash(weights)) {
            return Ok(());
        }
        let detail = "it was not made for the model.safetensors beside it".to_owned();
        Err(ModelError::Balance { model: self.model.clone(), detail })
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// [`ModelError::Balance`] if the format cannot hold it.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ModelError> {
        let fail = |error: safetensors::SafeTensorError| ModelError::Balance {
            model: self.model.clone(),
            detail: error.to_string(),
        };
        let bytes: Vec<(&String, usize, Vec<u8>)> = self
            .factors
            .iter()
            .map(|(name, values)| (name, values.len(), values.iter().flat_map(|value| value.to_le_bytes()).collect()))
            .collect();
        let views = bytes
            .iter()
            .map(|(name, len, bytes)| Ok((*name, TensorView::new(Dtype::F32, vec![*len], bytes).map_err(fail)?)))
            .collect::<Result<Vec<_>, ModelError>>()?;
        let temperature = self.temperature.map(|value| (TEMPERATURE.to_owned(), value.to_string()));
        let weights = self.weights.map(|crc| (WEIGHTS.to_owned(), format!("{crc:08x}")));
        let metadata: HashMap<String, String> = temperature.into_iter().chain(weights).collect();
        safetensors::serialize(views, Some(metadata)).map_err(fail)
    }

    pub(crate) fn insert(&mut self, inputs: Inputs, factors: Vec<f32>) {
        self.factors.insert(inputs.name(), factors);
    }

    /// The factors for those inputs, of which there are `width`.
    pub(crate) fn factors(&self, inputs: Inputs, width: usize) -> Result<&[f32], ModelError> {
        let name = inputs.name();
        let fail = |detail| ModelError::Balance { model: self.model.clone(), detail };
        let factors = self.factors.get(&name).ok_or_else(|| fail(format!("it has no tensor {name:?}")))?;
        if factors.len() != width {
            return Err(fail(format!("tensor {name:?} has {} values, but the model {width}", factors.len())));
        }
        Ok(factors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_what_is_damaged_is_refused() {
        let mut balance = Balance { model: "m".to_owned(), temperature: Some(1.25), ..Balance::default() };
        assert!(balance.check(b"weights").is_err(), "it does not say what it was made for");
        balance = balance.made_for(b"weights");
        balance.insert(Inputs::attention(0), vec![0.5, 2.0]);
        balance.insert(Inputs::inner(3), vec![1.0; 7]);
        let bytes = balance.to_bytes().unwrap();
        assert_eq!(Balance::parse("m", &bytes).unwrap(), balance);
        balance.check(b"weights").unwrap();
        let message = balance.check(b"other weights").unwrap_err().to_string();
        assert!(
            message.contains("not made for the model.safetensors") && message.contains("dateline quantise"),
            "{message}"
        );
        assert_eq!(balance.factors(Inputs::attention(0), 2).unwrap(), [0.5, 2.0]);
        for (inputs, width) in [(Inputs::attention(0), 3), (Inputs::context(0), 2)] {
            assert!(balance.factors(inputs, width).unwrap_err().to_string().contains("layer.0."));
        }
        assert!(Balance::parse("m", &bytes[..bytes.len() - 1]).is_err());
        balance.insert(Inputs::context(0), vec![0.0]);
        let message = Balance::parse("m", &balance.to_bytes().unwrap()).unwrap_err().to_string();
        assert!(message.contains("layer.0.context"), "{message}");
    }
}
