//! Layer normalisation of rows.

use crate::Cpu;
use crate::isa::kernel;
use crate::math::fold;
use crate::simd::{LANES, Simd};

/// Rows of f32 in memory, `stride` apart.
#[derive(Clone, Copy)]
pub(crate) struct Floats {
    pub(crate) from: *const f32,
    pub(crate) rows: usize,
    pub(crate) width: usize,
    pub(crate) stride: usize,
}

/// Weight, bias and epsilon of a layer normalisation.
#[derive(Clone, Debug)]
pub struct Norm {
    /// One per column.
    pub weight: Vec<f32>,
    /// One per column.
    pub bias: Vec<f32>,
    /// Added to the variance.
    pub eps: f32,
}

impl Cpu {
    /// Layer normalisation of every row of `x` (`[rows][width]`), in place: `(x - mean) / sqrt(variance + eps) * weight
    /// + bias` (Ba et al. 2016), the variance taken around the mean.
    ///
    /// # Panics
    /// If `x` is no whole number of rows.
    pub fn layer_norm(self, x: &mut [f32], norm: &Norm) {
        normalise(self, x, None, norm);
    }

    /// As [`Cpu::layer_norm`], of `x + residual`.
    ///
    /// # Panics
    /// If `x` is no whole number of rows, or `residual` not as long as `x`.
    pub fn add_layer_norm(self, x: &mut [f32], residual: &[f32], norm: &Norm) {
        assert_eq!(x.len(), residual.len(), "a residual for every value");
        normalise(self, x, Some(residual), norm);
    }
}

#[inline(always)]
unsafe fn generic<S: Simd>(x: &mut [f32], residual: Option<&[f32]>, norm: &Norm) {
    let width = norm.weight.len();
    assert!(norm.bias.len() == width && width > 0, "a weight and a bias for every column");
    assert_eq!(x.len() % width, 0, "whole rows of {width}");
    for (row, values) in x.chunks_exact_mut(width).enumerate() {
        if let Some(residual) = residual {
            // SAFETY: the caller's; both are `width` long.
            unsafe { add::<S>(values, &residual[row * width..(row + 1) * width]) };
        }
        // SAFETY: the caller's.
        unsafe { normalise_row::<S>(values, norm) };
    }
}

#[inline(always)]
unsafe fn add<S: Simd>(row: &mut [f32], other: &[f32]) {
    let whole = row.len() / LANES * LANES;
    let mut at = 0;
    while at < whole {
        // SAFETY: sixteen values are left in both.
        unsafe {
            let to = row.as_mut_ptr().add(at);
            S::store(to, S::add(S::load(to), S::load(other.as_ptr().add(at))));
        }
        at += LANES;
    }
    row[whole..].iter_mut().zip(&other[whole..]).for_each(|(x, y)| *x += y);
}

#[inline(always)]
unsafe fn normalise_row<S: Simd>(row: &mut [f32], norm: &Norm) {
    let n = row.len();
    let whole = n / LANES * LANES;
    #[expect(clippy::cast_precision_loss, reason = "rows are a few thousand wide at most")]
    let width = n as f32;
    let from = row.as_mut_ptr();
    // SAFETY: the caller's; whole vectors and then the rest of the row are read and written.
    unsafe {
        let mut sums = S::load_first(from.add(whole), n - whole, 0.0);
        let mut at = 0;
        while at < whole {
            sums = S::add(sums, S::load(from.add(at)));
            at += LANES;
        }
        let mean = fold(S::lanes(sums), |a, b| a + b) / width;
        let mean_of_all = S::splat(mean);
        let rest = S::sub(S::load_first(from.add(whole), n - whole, mean), mean_of_all);
        let mut squares = S::mul(rest, rest);
        let mut at = 0;
        while at < whole {
            let centred = S::sub(S::load(from.add(at)), mean_of_all);
            squares = S::fma(centred, centred, squares);
            at += LANES;
        }
        let variance = fold(S::lanes(squares), |a, b| a + b) / width;
        let inverse = S::splat(1.0 / (variance + norm.eps).sqrt());
        let (weight, bias) = (norm.weight.as_ptr(), norm.bias.as_ptr());
        let mut at = 0;
        while at < whole {
            let to = from.add(at);
            let scaled = S::mul(S::sub(S::load(to), mean_of_all), inverse);
            S::store(to, S::fma(scaled, S::load(weight.add(at)), S::load(bias.add(at))));
            at += LANES;
        }
        if whole < n {
            let left = n - whole;
            let scaled = S::mul(S::sub(S::load_first(from.add(whole), left, 0.0), mean_of_all), inverse);
            let weight = S::load_first(weight.add(whole), left, 0.0);
            let bias = S::load_first(bias.add(whole), left, 0.0);
            S::store_first(from.add(whole), left, S::fma(scaled, weight, bias));
        }
    }
}

kernel! {
    fn normalise(x: &mut [f32], residual: Option<&[f32]>, norm: &Norm) = generic
}
