//! The encoder's operations in training on any device, composed of candle's own differentiable operations.
//!
//! Slower than [`crate::tape`] on the CPU, and the way to train on a GPU. candle's fused layer norm and softmax are
//! avoided: they have no backward pass and would stop gradients without a word. Attention pads the windows of a batch
//! to the longest, because a GPU is faster on one large product than on many small ones.

use candle_core::{D, DType, Device, Result, Tensor};
use dateline_model::Ops;
use dateline_model::config::Activation;
use dateline_model::encoder::{AttentionShape, LayerNorm, Linear};

/// What is added to the scores of padding: finite, so that a row without any token is not NaN, and far below any score.
const MASKED: f32 = -1e9;

/// The encoder's operations, recorded by candle.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GraphOps;

impl Ops for GraphOps {
    fn linear(&self, x: &Tensor, linear: &Linear) -> Result<Tensor> {
        x.matmul(&linear.weight.t()?)?.broadcast_add(&linear.bias)
    }

    fn activate(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        match activation {
            Activation::Gelu => x.gelu_erf(),
            Activation::GeluTanh => x.gelu(),
            Activation::Relu => x.relu(),
        }
    }

    fn layer_norm(&self, x: &Tensor, norm: &LayerNorm) -> Result<Tensor> {
        dateline_model::ops::layer_norm(x, norm)
    }

    fn add_layer_norm(&self, x: &Tensor, residual: &Tensor, norm: &LayerNorm) -> Result<Tensor> {
        self.layer_norm(&(x + residual)?, norm)
    }

    fn embed(&self, table: &Tensor, ids: &Tensor) -> Result<Tensor> {
        table.index_select(ids, 0)
    }

    fn attention(&self, q: &Tensor, k: &Tensor, v: &Tensor, shape: &AttentionShape<'_>) -> Result<Tensor> {
        let (_, hidden) = q.dims2()?;
        let width = hidden / shape.heads;
        let padding = Padding::new(shape.cu_seqlens, q.device())?;
        let (windows, longest) = (padding.windows, padding.longest);
        let spread = |x: &Tensor| {
            let rows = x.index_select(&padding.gather, 0)?;
            rows.reshape((windows, longest, shape.heads, width))?.transpose(1, 2)?.contiguous()
        };
        #[expect(clippy::cast_precision_loss, reason = "a head is some dozens wide")]
        let scale = 1.0 / (width as f64).sqrt();
        let scores = (spread(q)?.matmul(&spread(k)?.t()?.contiguous()?)? * scale)?.broadcast_add(&padding.mask)?;
        // The largest score is only subtracted for range; the result does not depend on it, so neither does a gradient.
        let powers = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
        let probabilities = powers.broadcast_div(&powers.sum_keepdim(D::Minus1)?)?;
        let probabilities = self.dropout(probabilities, shape.dropout)?;
        let context = probabilities.matmul(&spread(v)?)?.transpose(1, 2)?.reshape((windows * longest, hidden))?;
        context.index_select(&padding.scatter, 0)
    }

    fn dropout(&self, x: Tensor, rate: f64) -> Result<Tensor> {
        if rate == 0.0 {
            return Ok(x);
        }
        let mask = (x.rand_like(0.0, 1.0)?.ge(rate)?.to_dtype(DType::F32)? / (1.0 - rate))?;
        x * mask.detach()
    }
}

/// How packed windows become rows of equal length and come back.
struct Padding {
    windows: usize,
    longest: usize,
    /// For each padded place, the token that stands there (any token, where it is padding).
    gather: Tensor,
    /// For each token, its padded place.
    scatter: Tensor,
    /// `[windows, 1, 1, longest]`: 0 for tokens, [`MASKED`] for padding.
    mask: Tensor,
}

impl Padding {
    fn new(cu_seqlens: &[usize], device: &Device) -> Result<Self> {
        let windows: Vec<_> = cu_seqlens.windows(2).map(|pair| pair[0]..pair[1]).collect();
        let longest = windows.iter().map(ExactSizeIterator::len).max().unwrap_or(0);
        let (mut gather, mut scatter, mut mask) = (Vec::new(), Vec::new(), Vec::new());
        for (index, window) in windows.iter().enumerate() {
            for place in 0..longest {
                let token = window.start + place;
                let real = token < window.end;
                gather.push(index_u32(if real { token } else { window.start })?);
                mask.push(if real { 0.0 } else { MASKED });
                if real {
                    scatter.push(index_u32(index * longest + place)?);
                }
            }
        }
        Ok(Self {
            windows: windows.len(),
            longest,
            gather: Tensor::new(gather, device)?,
            scatter: Tensor::new(scatter, device)?,
            mask: Tensor::from_vec(mask, (windows.len(), 1, 1, longest), device)?,
        })
    }
}

fn index_u32(index: usize) -> Result<u32> {
    u32::try_from(index).map_err(candle_core::Error::wrap)
}
