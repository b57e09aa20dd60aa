//! The weights of the encoder's layers, packed for the kernels.

use dateline_kernels::{Activation as KernelActivation, F32Matrix, Int8Matrix, Matrix, Norm};

use super::balance::{Balance, Inputs};
use crate::config::{Activation, EncoderConfig};
use crate::encoder::Weights;
use crate::{ModelError, Precision, SafetensorsWeights};

/// One transformer layer, post-norm.
#[derive(Debug)]
pub(super) struct Layer {
    /// Query, key and value at once.
    pub(super) qkv: Matrix,
    pub(super) attention_output: Matrix,
    pub(super) attention_norm: Norm,
    pub(super) up: Matrix,
    pub(super) down: Matrix,
    pub(super) output_norm: Norm,
}

/// Where the weights come from, and what becomes of them.
pub(super) struct Source<'s> {
    config: &'s EncoderConfig,
    weights: &'s SafetensorsWeights<'s>,
    int8: bool,
    balance: Option<&'s Balance>,
}

impl<'s> Source<'s> {
    pub(super) fn new(
        config: &'s EncoderConfig,
        weights: &'s SafetensorsWeights<'s>,
        precision: Precision,
        balance: Option<&'s Balance>,
    ) -> Result<Self, ModelError> {
        let int8 = match precision {
            Precision::Int8 => true,
            Precision::F32 => false,
            Precision::Bf16 => {
                let detail = "the CPU computes in int8 or f32: give one of these, or another --device".to_owned();
                return Err(ModelError::Precision { precision: precision.to_string(), detail });
            }
        };
        Ok(Self { config, weights, int8, balance })
    }

    /// A layer's weights, `[out][in]`, and its bias.
    pub(super) fn values(&self, name: &str, out: usize, input: usize) -> Result<(Vec<f32>, Vec<f32>), ModelError> {
        let tensor = |part: &str, shape: &[usize]| -> Result<Vec<f32>, ModelError> {
            Ok(self.weights.get(&format!("{name}.{part}"), shape)?.flatten_all()?.to_vec1()?)
        };
        Ok((tensor("weight", &[out, input])?, tensor("bias", &[out])?))
    }

    pub(super) fn norm(&self, name: &str) -> Result<Norm, ModelError> {
        let vector = |part: &str| -> Result<Vec<f32>, ModelError> {
            Ok(self.weights.get(&format!("{name}.{part}"), &[self.config.hidden_size])?.to_vec1()?)
        };
        #[expect(clippy::cast_possible_truncation, reason = "it is added to f32 variances")]
        let eps = self.config.layer_norm_eps as f32;
        Ok(Norm { weight: vector("weight")?, bias: vector("bias")?, eps })
    }

    /// Matrices that read the same inputs, one below the other, as one.
    fn matrix(&self, names: &[String], out: usize, width: usize, inputs: Inputs) -> Result<Matrix, ModelError> {
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for name in names {
            let (own_weight, own_bias) = self.values(name, out, width)?;
            weight.extend(own_weight);
            bias.extend(own_bias);
        }
        Ok(if self.int8 {
            let balance = self.balance.map(|balance| balance.factors(inputs, width)).transpose()?;
            Matrix::Int8(Int8Matrix::quantise(&weight, &bias, width, balance))
        } else {
            Matrix::F32(F32Matrix::pack(&weight, &bias, width))
        })
    }

    pub(super) fn layer(&self, index: usize) -> Result<Layer, ModelError> {
        let EncoderConfig { family, hidden_size: hidden, intermediate_size: wide, .. } = *self.config;
        let names = family.layer_names();
        let name = |part: &str| family.layer_part(index, part);
        let qkv = [name(names.query), name(names.key), name(names.value)];
        let matrix = |part: &str, out, width, inputs| self.matrix(&[name(part)], out, width, inputs);
        Ok(Layer {
            qkv: self.matrix(&qkv, hidden, hidden, Inputs::attention(index))?,
            attention_output: matrix(names.attention_output, hidden, hidden, Inputs::context(index))?,
            attention_norm: self.norm(&name(names.attention_norm))?,
            up: matrix(names.up, wide, hidden, Inputs::feed_forward(index))?,
            down: matrix(names.down, hidden, wide, Inputs::inner(index))?,
            output_norm: self.norm(&name(names.output_norm))?,
        })
    }
}

impl From<Activation> for KernelActivation {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::Gelu => Self::Gelu,
            Activation::GeluTanh => Self::GeluTanh,
            Activation::Relu => Self::Relu,
        }
    }
}
