//! How large the inputs of each linear layer get on real text: what an `int8.safetensors` is made of.

use std::collections::BTreeMap;

use dateline_kernels::Matrix;

use super::balance::{Balance, Inputs};
use super::{CpuEncoder, Room};
use crate::config::Activation;
use crate::{ModelError, PackedBatch, math};

/// The exponent of both sides of a factor.
const ALPHA: f32 = 0.5;
/// What stands in for inputs or weights that are all zero.
const LEAST: f32 = 1e-5;

/// The greatest magnitude of each input of each linear layer, over the batches that were observed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ranges {
    greatest: BTreeMap<Inputs, Vec<f32>>,
}

impl Ranges {
    fn widen(&mut self, inputs: Inputs, rows: &[f32], width: usize) {
        let greatest = self.greatest.entry(inputs).or_insert_with(|| vec![0.0; width]);
        for row in rows.chunks_exact(width) {
            greatest.iter_mut().zip(row).for_each(|(most, x)| *most = most.max(x.abs()));
        }
    }
}

impl CpuEncoder {
    /// Runs a batch, slowly, and notes how large everything gets that a linear layer reads. Of an f32 encoder only: the
    /// ranges are to be those of the model, not of what quantising makes of it. Gives the logits, so that a test can
    /// hold these steps to [`CpuEncoder::forward`]'s.
    ///
    /// # Errors
    /// As [`CpuEncoder::forward`].
    pub(crate) fn observe(&self, batch: &PackedBatch, ranges: &mut Ranges) -> Result<Vec<f32>, ModelError> {
        let (cpu, hidden, wide) = (self.cpu, self.config.hidden_size, self.config.intermediate_size);
        let tags = self.classifier.outputs();
        let mut logits = vec![0.0; batch.tokens() * tags];
        for window in batch.windows() {
            let own = window.start * tags..window.end * tags;
            let tokens = window.len();
            let mut room = Room::default();
            room.fit(tokens, hidden);
            self.embed(batch, window, &mut room.x, &mut room.y)?;
            let mut inner = vec![0.0; tokens * wide];
            for (index, layer) in self.layers.iter().enumerate() {
                let Room { x, qkv, y, context, scratch } = &mut room;
                ranges.widen(Inputs::attention(index), x, hidden);
                cpu.linear(x, &layer.qkv, scratch, qkv);
                cpu.attention(qkv, (self.config.heads, hidden), 0..tokens, scratch, context);
                ranges.widen(Inputs::context(index), context, hidden);
                cpu.linear(context, &layer.attention_output, scratch, y);
                cpu.add_layer_norm(x, y, &layer.attention_norm);
                ranges.widen(Inputs::feed_forward(index), x, hidden);
                cpu.linear(x, &layer.up, scratch, &mut inner);
                for x in &mut inner {
                    *x = match self.config.activation {
                        Activation::Gelu => math::gelu(*x),
                        Activation::GeluTanh => math::gelu_tanh(*x),
                        Activation::Relu => x.max(0.0),
                    };
                }
                ranges.widen(Inputs::inner(index), &inner, wide);
                cpu.linear(&inner, &layer.down, scratch, y);
                cpu.add_layer_norm(x, y, &layer.output_norm);
            }
            cpu.linear(&room.x, &self.classifier, &mut room.scratch, &mut logits[own]);
        }
        Ok(logits)
    }

    /// The factors that share out the steps of int8 fairly between inputs of those ranges.
    pub(crate) fn balance(&self, ranges: &Ranges) -> Balance {
        let mut balance = Balance::default();
        for (index, layer) in self.layers.iter().enumerate() {
            for (inputs, matrix) in [
                (Inputs::attention(index), &layer.qkv),
                (Inputs::context(index), &layer.attention_output),
                (Inputs::feed_forward(index), &layer.up),
                (Inputs::inner(index), &layer.down),
            ] {
                if let (Some(inputs_most), Matrix::F32(matrix)) = (ranges.greatest.get(&inputs), matrix) {
                    balance.insert(inputs, factors(inputs_most, &matrix.greatest_by_input()));
                }
            }
        }
        balance
    }
}

/// A factor per input, their geometric mean 1.
fn factors(inputs: &[f32], weights: &[f32]) -> Vec<f32> {
    let factors: Vec<f32> = inputs
        .iter()
        .zip(weights)
        .map(|(input, weight)| weight.max(LEAST).powf(1.0 - ALPHA) / input.max(LEAST).powf(ALPHA))
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "some thousand inputs")]
    let mean = (factors.iter().map(|factor| factor.ln()).sum::<f32>() / factors.len() as f32).exp();
    factors.into_iter().map(|factor| factor / mean).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use candle_core::Device;

    use super::*;
    use crate::{ModelConfig, ModelFiles, Precision, SafetensorsWeights};

    /// What is observed is what the model computes, though the steps are written out once more.
    #[test]
    fn the_steps_are_those_of_the_encoder() {
        for model in ["bert-casing", "distilbert-relu", "roberta-gelu-new", "xlm-roberta"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parity").join(model);
            let files = ModelFiles::read(&folder).unwrap();
            let config = ModelConfig::parse(model, &files.config).unwrap();
            let weights = SafetensorsWeights::open(model, &files.weights, &Device::Cpu).unwrap();
            let encoder = CpuEncoder::load(&config.encoder, config.tags.len(), &weights, Precision::F32, None).unwrap();
            let mut batch = PackedBatch::new();
            for tokens in [7, 1, 12] {
                batch.push(&(3..3 + tokens).collect::<Vec<_>>(), &vec![0; tokens as usize]);
            }
            let mut ranges = Ranges::default();
            let observed = encoder.observe(&batch, &mut ranges).unwrap();
            let logits = encoder.forward(&batch, &|| {}).unwrap();
            let apart = observed.iter().zip(&logits).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(observed.len() == logits.len() && apart < 1e-4, "{model}: {apart}");
            assert_eq!(ranges.greatest.len(), 4 * encoder.layers.len());
        }
    }

    #[test]
    fn large_inputs_get_small_factors() {
        let factors = factors(&[4.0, 1.0, 0.0], &[1.0, 1.0, 0.0]);
        assert!(factors[0] < factors[1] && factors.iter().all(|factor| factor.is_normal()), "{factors:?}");
        assert!((factors.iter().map(|factor| factor.ln()).sum::<f32>()).abs() < 1e-5);
    }
}
