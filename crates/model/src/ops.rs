//! The tensor operations of the encoder in run mode: fused loops on the CPU, compositions of candle's own operations on
//! other devices. None of them can be differentiated; training brings its own [`Ops`].
//!
//! Rows are shared out over the rayon pool that the caller installed; which thread takes a row changes nothing.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, D, Error, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use crate::config::Activation;
use crate::encoder::{AttentionShape, LayerNorm, Linear, Ops};
use crate::math;

/// Rows that one thread takes at a time: enough to hide the cost of handing them out.
const ROWS_PER_TASK: usize = 16;

/// The encoder's operations in run mode.
#[derive(Clone, Copy, Debug, Default)]
pub struct RunOps;

/// Layer normalisation of every row by candle's own operations, which run on any device and have gradients.
///
/// # Errors
/// Those of candle: shapes or the device.
pub fn layer_norm(x: &Tensor, norm: &LayerNorm) -> Result<Tensor> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let variance = centred.sqr()?.mean_keepdim(D::Minus1)?;
    let scaled = centred.broadcast_div(&(variance + norm.eps)?.sqrt()?)?;
    scaled.broadcast_mul(&norm.weight)?.broadcast_add(&norm.bias)
}

/// Whether a linear layer has so few outputs that its product is computed by [`NarrowLinear`].
#[must_use]
const fn is_narrow(outputs: usize) -> bool {
    outputs <= 64
}

impl Ops for RunOps {
    /// The `gemm` crate sums along the inner dimension in blocks that depend on the number of rows for up to 64 rows and
    /// columns, so narrow layers have a product of their own on the CPU.
    fn linear(&self, x: &Tensor, linear: &Linear) -> Result<Tensor> {
        if x.device().is_cpu() && is_narrow(linear.weight.dim(0)?) {
            return x.apply_op3_no_bwd(&linear.weight, &linear.bias, &NarrowLinear);
        }
        let product = x.matmul(&linear.weight.t()?)?;
        if x.device().is_cpu() {
            product.apply_op2_no_bwd(&linear.bias, &AddBias)
        } else {
            product.broadcast_add(&linear.bias)
        }
    }

    fn activate(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        match activation {
            Activation::Relu => x.relu(),
            Activation::Gelu | Activation::GeluTanh if x.device().is_cpu() => x.apply_op1_no_bwd(&Activate(activation)),
            Activation::Gelu => x.gelu_erf(),
            Activation::GeluTanh => x.gelu(),
        }
    }

    fn layer_norm(&self, x: &Tensor, norm: &LayerNorm) -> Result<Tensor> {
        if x.device().is_cpu() {
            return x.apply_op3_no_bwd(&norm.weight, &norm.bias, &Normalise { eps: norm.eps });
        }
        layer_norm(x, norm)
    }

    fn add_layer_norm(&self, x: &Tensor, residual: &Tensor, norm: &LayerNorm) -> Result<Tensor> {
        self.layer_norm(&(x + residual)?, norm)
    }

    fn embed(&self, table: &Tensor, ids: &Tensor) -> Result<Tensor> {
        table.index_select(ids, 0)
    }

    fn attention(&self, q: &Tensor, k: &Tensor, v: &Tensor, shape: &AttentionShape<'_>) -> Result<Tensor> {
        let windows: Vec<_> = shape.cu_seqlens.windows(2).map(|pair| (pair[0], pair[1] - pair[0])).collect();
        let one = |&(start, len): &(usize, usize)| {
            attend(&q.narrow(0, start, len)?, &k.narrow(0, start, len)?, &v.narrow(0, start, len)?, shape.heads)
        };
        let contexts = if q.device().is_cpu() {
            windows.par_iter().map(one).collect::<Result<Vec<_>>>()?
        } else {
            windows.iter().map(one).collect::<Result<Vec<_>>>()?
        };
        Tensor::cat(&contexts, 0)
    }

    fn dropout(&self, x: Tensor, _rate: f64) -> Result<Tensor> {
        Ok(x)
    }
}

/// Scaled dot-product attention (Vaswani et al. 2017) within one window: `[tokens, hidden]` each, and so the result.
fn attend(q: &Tensor, k: &Tensor, v: &Tensor, heads: usize) -> Result<Tensor> {
    let (tokens, hidden) = q.dims2()?;
    let width = hidden / heads;
    let by_head = |x: &Tensor| x.reshape((tokens, heads, width))?.transpose(0, 1)?.contiguous();
    #[expect(clippy::cast_precision_loss, reason = "a head is some dozens wide")]
    let scale = 1.0 / (width as f64).sqrt();
    let scores = by_head(q)?.matmul(&by_head(k)?.t()?)?;
    let probabilities = if q.device().is_cpu() {
        scores.apply_op1_no_bwd(&Softmax { scale })?
    } else {
        let scaled = (scores * scale)?;
        let powers = scaled.broadcast_sub(&scaled.max_keepdim(D::Minus1)?)?.exp()?;
        powers.broadcast_div(&powers.sum_keepdim(D::Minus1)?)?
    };
    probabilities.matmul(&by_head(v)?)?.transpose(0, 1)?.reshape((tokens, hidden))
}

/// The values of a contiguous f32 tensor on the CPU.
///
/// # Errors
/// If the tensor is of another type or not contiguous.
pub fn cpu_values<'s>(storage: &'s CpuStorage, layout: &Layout, op: &'static str) -> Result<&'s [f32]> {
    let (start, end) = layout.contiguous_offsets().ok_or(Error::RequiresContiguous { op })?;
    Ok(&storage.as_slice::<f32>()?[start..end])
}

/// Applies `work` to every row of `values`, in parallel.
pub fn for_each_row(values: &mut [f32], width: usize, work: impl Fn(usize, &mut [f32]) + Sync) {
    values.par_chunks_mut(width * ROWS_PER_TASK).enumerate().for_each(|(task, rows)| {
        math::vectorised(
            #[inline(always)]
            || {
                for (row, values) in rows.chunks_exact_mut(width).enumerate() {
                    work(task * ROWS_PER_TASK + row, values);
                }
            },
        );
    });
}

fn last_dim(layout: &Layout) -> usize {
    layout.dims().last().copied().unwrap_or(1)
}

fn done(values: Vec<f32>, layout: &Layout) -> (CpuStorage, Shape) {
    (CpuStorage::F32(values), layout.shape().clone())
}

/// A linear layer of few outputs: a sum of products for each.
struct NarrowLinear;

impl CustomOp3 for NarrowLinear {
    fn name(&self) -> &'static str {
        "narrow-linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        weight: &CpuStorage,
        lw: &Layout,
        bias: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight) = (cpu_values(x, lx, self.name())?, cpu_values(weight, lw, self.name())?);
        let bias = cpu_values(bias, lb, self.name())?;
        let (tokens, inner) = lx.shape().dims2()?;
        let outputs = bias.len();
        let mut values = vec![0.0; tokens * outputs];
        for_each_row(
            &mut values,
            outputs,
            #[inline(always)]
            |token, row| {
                let x = &x[token * inner..(token + 1) * inner];
                for ((y, weight), bias) in row.iter_mut().zip(weight.chunks_exact(inner)).zip(bias) {
                    *y = math::dot(x, weight) + bias;
                }
            },
        );
        Ok((CpuStorage::F32(values), (tokens, outputs).into()))
    }
}

/// Adds a bias to every row.
struct AddBias;

impl CustomOp2 for AddBias {
    fn name(&self) -> &'static str {
        "add-bias"
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout, bias: &CpuStorage, lb: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut values = cpu_values(x, lx, self.name())?.to_vec();
        let bias = cpu_values(bias, lb, self.name())?;
        for_each_row(
            &mut values,
            last_dim(lx),
            #[inline(always)]
            |_, row| row.iter_mut().zip(bias).for_each(|(x, b)| *x += b),
        );
        Ok(done(values, lx))
    }
}

/// A GELU.
struct Activate(Activation);

impl CustomOp1 for Activate {
    fn name(&self) -> &'static str {
        "activate"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut values = cpu_values(x, layout, self.name())?.to_vec();
        let width = last_dim(layout);
        match self.0 {
            Activation::GeluTanh => for_each_row(
                &mut values,
                width,
                #[inline(always)]
                |_, row| row.iter_mut().for_each(|x| *x = math::gelu_tanh(*x)),
            ),
            _ => for_each_row(
                &mut values,
                width,
                #[inline(always)]
                |_, row| row.iter_mut().for_each(|x| *x = math::gelu(*x)),
            ),
        }
        Ok(done(values, layout))
    }
}

/// Layer normalisation of every row.
struct Normalise {
    eps: f64,
}

impl CustomOp3 for Normalise {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        lx: &Layout,
        weight: &CpuStorage,
        lw: &Layout,
        bias: &CpuStorage,
        lb: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let mut values = cpu_values(x, lx, self.name())?.to_vec();
        let (weight, bias) = (cpu_values(weight, lw, self.name())?, cpu_values(bias, lb, self.name())?);
        #[expect(clippy::cast_possible_truncation, reason = "eps is added to f32 variances")]
        let eps = self.eps as f32;
        for_each_row(
            &mut values,
            last_dim(lx),
            #[inline(always)]
            |_, row| math::layer_norm(row, weight, bias, eps),
        );
        Ok(done(values, lx))
    }
}

/// Softmax of every row, after scaling.
struct Softmax {
    scale: f64,
}

impl CustomOp1 for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut values = cpu_values(x, layout, self.name())?.to_vec();
        #[expect(clippy::cast_possible_truncation, reason = "the scale is one over the root of a small number")]
        let scale = self.scale as f32;
        for_each_row(
            &mut values,
            last_dim(layout),
            #[inline(always)]
            |_, row| math::softmax(row, scale),
        );
        Ok(done(values, layout))
    }
}
