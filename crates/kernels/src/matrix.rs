//! The matrices of linear layers, packed as the products read them: panels of sixteen outputs, padded with zeros.

use crate::quantise::LEAST_RANGE;
use crate::simd::{LANES, WEIGHT_MAX};

/// Inner dimensions of int8 matrices, and rows of activations, are padded to a multiple of so many.
pub(crate) const INNER_STEP: usize = 16;

/// The matrix and the bias of a linear layer.
#[derive(Clone, Debug)]
pub enum Matrix {
    /// In f32.
    F32(F32Matrix),
    /// In int8.
    Int8(Int8Matrix),
}

impl Matrix {
    /// Inputs of the layer.
    #[must_use]
    pub const fn inputs(&self) -> usize {
        match self {
            Self::F32(matrix) => matrix.inputs,
            Self::Int8(matrix) => matrix.inputs,
        }
    }

    /// Outputs of the layer.
    #[must_use]
    pub const fn outputs(&self) -> usize {
        match self {
            Self::F32(matrix) => matrix.outputs,
            Self::Int8(matrix) => matrix.outputs,
        }
    }
}

/// An f32 matrix in panels: `[outputs / 16][inputs][16]`.
#[derive(Clone, Debug)]
pub struct F32Matrix {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) panels: Vec<f32>,
    /// Padded to whole panels.
    pub(crate) bias: Vec<f32>,
}

impl F32Matrix {
    /// Packs `weight` (`[outputs][inputs]`, as Hugging Face stores it) and `bias` (`[outputs]`).
    ///
    /// # Panics
    /// If `weight` is not as long as `bias` times `inputs`.
    #[must_use]
    pub fn pack(weight: &[f32], bias: &[f32], inputs: usize) -> Self {
        let outputs = bias.len();
        assert_eq!(weight.len(), outputs * inputs, "a weight for each input and output");
        let width = outputs.next_multiple_of(LANES);
        let mut panels = vec![0.0; width * inputs];
        for (output, row) in weight.chunks_exact(inputs.max(1)).enumerate() {
            let panel = output / LANES * LANES * inputs + output % LANES;
            for (input, &value) in row.iter().enumerate() {
                panels[panel + input * LANES] = value;
            }
        }
        Self { inputs, outputs, panels, bias: padded(bias, width) }
    }

    /// The greatest magnitude of the weights that each input is multiplied with.
    #[must_use]
    pub fn greatest_by_input(&self) -> Vec<f32> {
        let mut greatest = vec![0.0_f32; self.inputs];
        for panel in self.panels.chunks_exact((self.inputs * LANES).max(1)) {
            for (most, weights) in greatest.iter_mut().zip(panel.as_chunks::<LANES>().0) {
                *most = weights.iter().fold(*most, |most, weight| most.max(weight.abs()));
            }
        }
        greatest
    }
}

/// An int8 matrix, symmetric per output, in panels: `[outputs / 16][inputs / 4][16][4]`.
#[derive(Clone, Debug)]
pub struct Int8Matrix {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) panels: Vec<i8>,
    /// What one step of a weight is worth, per output; this and the following are padded to whole panels.
    pub(crate) scales: Vec<f32>,
    /// The sum of an output's weights, in f32: what an offset of all inputs adds to it.
    pub(crate) sums: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    /// What each input is multiplied with before it is quantised, if anything; padded with zeros.
    pub(crate) balance: Option<Vec<f32>>,
}

impl Int8Matrix {
    /// Quantises and packs `weight` (`[outputs][inputs]`) and `bias` (`[outputs]`).
    ///
    /// `balance`, if given, has a positive factor per input: inputs are multiplied with it before they are quantised,
    /// and the weights divided by it, so that inputs of very different size share a row's steps fairly (SmoothQuant:
    /// Xiao et al. 2023).
    ///
    /// # Panics
    /// If the lengths do not fit together.
    #[must_use]
    pub fn quantise(weight: &[f32], bias: &[f32], inputs: usize, balance: Option<&[f32]>) -> Self {
        let outputs = bias.len();
        assert_eq!(weight.len(), outputs * inputs, "a weight for each input and output");
        assert!(balance.is_none_or(|balance| balance.len() == inputs), "a factor for each input");
        let (width, depth) = (outputs.next_multiple_of(LANES), inputs.next_multiple_of(INNER_STEP));
        let mut panels = vec![0; width * depth];
        let (mut scales, mut sums) = (vec![0.0; width], vec![0.0; width]);
        let mut row = vec![0.0_f32; inputs];
        for (output, weights) in weight.chunks_exact(inputs.max(1)).enumerate() {
            row.copy_from_slice(weights);
            if let Some(balance) = balance {
                row.iter_mut().zip(balance).for_each(|(weight, factor)| *weight /= factor);
            }
            let largest = row.iter().fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
            #[expect(clippy::cast_precision_loss, reason = "a small constant")]
            let steps = WEIGHT_MAX as f32;
            let (scale, inverse) = if largest > LEAST_RANGE { (largest / steps, steps / largest) } else { (0.0, 0.0) };
            let mut sum = 0;
            for (input, weight) in row.iter().enumerate() {
                let value = quantised(weight * inverse);
                sum += i32::from(value);
                let at = output / LANES * LANES * depth + input / 4 * 4 * LANES + output % LANES * 4 + input % 4;
                panels[at] = value;
            }
            scales[output] = scale;
            #[expect(clippy::cast_precision_loss, reason = "a few thousand weights of six bits fit into 24 bits")]
            let sum = sum as f32;
            sums[output] = scale * sum;
        }
        let balance = balance.map(|balance| padded(balance, depth));
        Self { inputs, outputs, panels, scales, sums, bias: padded(bias, width), balance }
    }

    /// Bytes of a row of quantised inputs.
    pub(crate) const fn depth(&self) -> usize {
        self.inputs.next_multiple_of(INNER_STEP)
    }

    /// What each weight has become: `[outputs][inputs]`, the balance taken out again.
    #[must_use]
    pub fn weights(&self) -> Vec<f32> {
        let depth = self.depth();
        let mut weights = Vec::with_capacity(self.outputs * self.inputs);
        for output in 0..self.outputs {
            for input in 0..self.inputs {
                let at = output / LANES * LANES * depth + input / 4 * 4 * LANES + output % LANES * 4 + input % 4;
                let factor = self.balance.as_ref().map_or(1.0, |balance| balance[input]);
                weights.push(f32::from(self.panels[at]) * self.scales[output] * factor);
            }
        }
        weights
    }
}

/// The nearest whole number within the range of a weight.
#[expect(clippy::cast_possible_truncation, reason = "the range fits into i8")]
fn quantised(weight: f32) -> i8 {
    const { assert!(WEIGHT_MAX <= i8::MAX as i32) };
    (weight.round_ties_even() as i32).clamp(-WEIGHT_MAX, WEIGHT_MAX) as i8
}

fn padded(values: &[f32], width: usize) -> Vec<f32> {
    let mut padded = values.to_vec();
    padded.resize(width, 0.0);
    padded
}
