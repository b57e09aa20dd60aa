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
    /// ranges are to be those of the model, not of what quantising makes of it.
    ///
    /// # Errors
    /// As [`CpuEncoder::forward`].
    pub(crate) fn observe(&self, batch: &PackedBatch, ranges: &mut Ranges) -> Result<(), ModelError> {
        let (cpu, hidden, wide) = (self.cpu, self.config.hidden_size, self.config.intermediate_size);
        for window in batch.windows() {
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
        }
        Ok(())
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
    use super::*;

    #[test]
    fn large_inputs_get_small_factors() {
        let factors = factors(&[4.0, 1.0, 0.0], &[1.0, 1.0, 0.0]);
        assert!(factors[0] < factors[1] && factors.iter().all(|factor| factor.is_normal()), "{factors:?}");
        assert!((factors.iter().map(|factor| factor.ln()).sum::<f32>()).abs() < 1e-5);
    }
}
