//! The transformer encoder with its token-classification head, once for all families and for both modes.
//!
//! BERT, DistilBERT and RoBERTa differ in the names of their weights and in their embeddings, not in what a layer
//! computes, so one [`Encoder`] serves all. Running and training differ in the operations (fused, or differentiable)
//! and in where the tensors come from: both are traits, [`Ops`] and [`Weights`]. What runs for users computes the same on
//! the CPU by kernels and on GPUs by launches of its own; tests hold all of them to the same reference numbers.

use candle_core::{Device, Result, Tensor};

use crate::config::{Activation, EncoderConfig};
use crate::{ModelError, PackedBatch};

/// Where an encoder's tensors come from.
pub trait Weights {
    /// The tensor of that name (as Hugging Face's `*ForTokenClassification` has it) and shape, in f32.
    ///
    /// # Errors
    /// [`ModelError::Weights`] if it is missing, of another shape or damaged.
    fn get(&self, name: &str, shape: &[usize]) -> std::result::Result<Tensor, ModelError>;
}

/// `x * weightᵀ + bias`.
#[derive(Clone, Debug)]
pub struct Linear {
    /// `[out, in]`.
    pub weight: Tensor,
    /// `[out]`.
    pub bias: Tensor,
}

/// Layer normalisation over the last dimension.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    /// `[hidden]`.
    pub weight: Tensor,
    /// `[hidden]`.
    pub bias: Tensor,
    /// Added to the variance.
    pub eps: f64,
}

/// How attention is cut into windows and heads.
#[derive(Clone, Copy, Debug)]
pub struct AttentionShape<'b> {
    /// Where each window begins, and last the number of tokens.
    pub cu_seqlens: &'b [usize],
    /// Number of heads; divides the hidden size.
    pub heads: usize,
    /// Dropout on the probabilities, in training.
    pub dropout: f64,
}

/// The operations that the encoder is made of. Tensors are f32 and `[tokens, width]` unless said otherwise.
pub trait Ops {
    /// `x * weightᵀ + bias`: `[tokens, in]` to `[tokens, out]`.
    ///
    /// # Errors
    /// Those of candle: shapes or the device.
    fn linear(&self, x: &Tensor, linear: &Linear) -> Result<Tensor>;
    /// The non-linearity, element by element.
    ///
    /// # Errors
    /// As [`Ops::linear`].
    fn activate(&self, x: &Tensor, activation: Activation) -> Result<Tensor>;
    /// Layer normalisation of every row.
    ///
    /// # Errors
    /// As [`Ops::linear`].
    fn layer_norm(&self, x: &Tensor, norm: &LayerNorm) -> Result<Tensor>;
    /// Layer normalisation of `x + residual`.
    ///
    /// # Errors
    /// As [`Ops::linear`].
    fn add_layer_norm(&self, x: &Tensor, residual: &Tensor, norm: &LayerNorm) -> Result<Tensor>;
    /// The rows `ids` (u32, `[tokens]`) of `table` (`[rows, width]`).
    ///
    /// # Errors
    /// As [`Ops::linear`].
    fn embed(&self, table: &Tensor, ids: &Tensor) -> Result<Tensor>;
    /// Multi-head attention within each window, never across.
    ///
    /// # Errors
    /// As [`Ops::linear`].
    fn attention(&self, q: &Tensor, k: &Tensor, v: &Tensor, shape: &AttentionShape<'_>) -> Result<Tensor>;
    /// In training, zeroes elements at `rate` and scales the rest; otherwise the identity.
    ///
    /// # Errors
    /// As [`Ops::linear`].
    fn dropout(&self, x: Tensor, rate: f64) -> Result<Tensor>;
}

/// One transformer layer, post-norm.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) query: Linear,
    pub(crate) key: Linear,
    pub(crate) value: Linear,
    pub(crate) attention_output: Linear,
    pub(crate) attention_norm: LayerNorm,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
    pub(crate) output_norm: LayerNorm,
}

/// A transformer encoder with a linear head over its tags.
#[derive(Clone, Debug)]
pub struct Encoder {
    pub(crate) config: EncoderConfig,
    pub(crate) words: Tensor,
    pub(crate) positions: Tensor,
    pub(crate) types: Option<Tensor>,
    pub(crate) embeddings_norm: LayerNorm,
    pub(crate) layers: Vec<Layer>,
    pub(crate) classifier: Linear,
}

impl Encoder {
    /// Takes the tensors of an encoder with `tags` outputs from `weights`.
    ///
    /// # Errors
    /// Those of [`Weights::get`].
    pub fn load(config: &EncoderConfig, tags: usize, weights: &dyn Weights) -> std::result::Result<Self, ModelError> {
        let source = Source { config, weights };
        let hidden = config.hidden_size;
        let part = |name: &str| config.family.embeddings_part(name);
        let table = |name: &str, rows| weights.get(&part(&format!("{name}.weight")), &[rows, hidden]);
        Ok(Self {
            words: table("word_embeddings", config.vocab_size)?,
            positions: table("position_embeddings", config.position_rows)?,
            types: match config.type_vocab_size {
                0 => None,
                rows => Some(table("token_type_embeddings", rows)?),
            },
            embeddings_norm: source.norm(&part("LayerNorm"))?,
            layers: (0..config.layers).map(|index| source.layer(index)).collect::<std::result::Result<_, _>>()?,
            classifier: source.linear("classifier", tags, hidden)?,
            config: config.clone(),
        })
    }

    /// The logits of every token of the batch: `[tokens, tags]`, f32.
    ///
    /// # Errors
    /// Those of candle: the device ran out of memory, or a token id is outside the word table.
    pub fn forward(&self, ops: &dyn Ops, batch: &PackedBatch, device: &Device) -> Result<Tensor> {
        let config = &self.config;
        let mut x = self.embed(ops, batch, device)?;
        let attention =
            AttentionShape { cu_seqlens: &batch.cu_seqlens, heads: config.heads, dropout: config.attention_dropout };
        for layer in &self.layers {
            x = layer.forward(ops, &x, &attention, config)?;
        }
        ops.linear(&ops.dropout(x, config.hidden_dropout)?, &self.classifier)
    }

    fn embed(&self, ops: &dyn Ops, batch: &PackedBatch, device: &Device) -> Result<Tensor> {
        let tokens = batch.tokens();
        let offset = u32::try_from(self.config.position_offset).map_err(candle_core::Error::wrap)?;
        let positions: Vec<u32> = batch.position_ids.iter().map(|position| position + offset).collect();
        let words = ops.embed(&self.words, &Tensor::from_slice(&batch.token_ids, tokens, device)?)?;
        let mut sum = (words + ops.embed(&self.positions, &Tensor::from_vec(positions, tokens, device)?)?)?;
        if let Some(types) = &self.types {
            sum = (sum + ops.embed(types, &Tensor::from_slice(&batch.type_ids, tokens, device)?)?)?;
        }
        ops.dropout(ops.layer_norm(&sum, &self.embeddings_norm)?, self.config.hidden_dropout)
    }
}

impl Layer {
    fn forward(
        &self,
        ops: &dyn Ops,
        x: &Tensor,
        attention: &AttentionShape<'_>,
        config: &EncoderConfig,
    ) -> Result<Tensor> {
        let (q, k, v) = (ops.linear(x, &self.query)?, ops.linear(x, &self.key)?, ops.linear(x, &self.value)?);
        let context = ops.linear(&ops.attention(&q, &k, &v, attention)?, &self.attention_output)?;
        let x = ops.add_layer_norm(&ops.dropout(context, config.hidden_dropout)?, x, &self.attention_norm)?;
        let wide = ops.activate(&ops.linear(&x, &self.up)?, config.activation)?;
        let narrow = ops.dropout(ops.linear(&wide, &self.down)?, config.hidden_dropout)?;
        ops.add_layer_norm(&narrow, &x, &self.output_norm)
    }
}

/// The weights under the names that a family gives them.
struct Source<'s> {
    config: &'s EncoderConfig,
    weights: &'s dyn Weights,
}

impl Source<'_> {
    fn linear(&self, name: &str, out: usize, input: usize) -> std::result::Result<Linear, ModelError> {
        Ok(Linear {
            weight: self.weights.get(&format!("{name}.weight"), &[out, input])?,
            bias: self.weights.get(&format!("{name}.bias"), &[out])?,
        })
    }

    fn norm(&self, name: &str) -> std::result::Result<LayerNorm, ModelError> {
        let shape = [self.config.hidden_size];
        Ok(LayerNorm {
            weight: self.weights.get(&format!("{name}.weight"), &shape)?,
            bias: self.weights.get(&format!("{name}.bias"), &shape)?,
            eps: self.config.layer_norm_eps,
        })
    }

    fn layer(&self, index: usize) -> std::result::Result<Layer, ModelError> {
        let EncoderConfig { family, hidden_size: hidden, intermediate_size: wide, .. } = *self.config;
        let names = family.layer_names();
        let name = |part: &str| family.layer_part(index, part);
        Ok(Layer {
            query: self.linear(&name(names.query), hidden, hidden)?,
            key: self.linear(&name(names.key), hidden, hidden)?,
            value: self.linear(&name(names.value), hidden, hidden)?,
            attention_output: self.linear(&name(names.attention_output), hidden, hidden)?,
            attention_norm: self.norm(&name(names.attention_norm))?,
            up: self.linear(&name(names.up), wide, hidden)?,
            down: self.linear(&name(names.down), hidden, wide)?,
            output_norm: self.norm(&name(names.output_norm))?,
        })
    }
}
