//! Functions of single elements: sums, activations and dropout.

use dateline_model::config::Activation;
use dateline_model::math::{self, vectorised};
use rayon::prelude::*;

use super::BLOCK;

/// `into += from`.
pub(crate) fn add_assign(into: &mut [f32], from: &[f32]) {
    into.par_chunks_mut(BLOCK).zip(from.par_chunks(BLOCK)).for_each(|(into, from)| {
        vectorised(
            #[inline(always)]
            || {
                for (a, b) in into.iter_mut().zip(from) {
                    *a += b;
                }
            },
        );
    });
}

/// The derivative of [`math::gelu_tanh`].
#[inline(always)]
fn gelu_tanh_derivative(x: f32) -> f32 {
    const SQRT_2_OVER_PI: f32 = 0.797_884_6;
    let inner = SQRT_2_OVER_PI * (x + 0.044_715 * x * x * x);
    let slope = SQRT_2_OVER_PI * (1.0 + 3.0 * 0.044_715 * x * x);
    // (1 + tanh(u)) / 2 = 1 - 1 / (e^2u + 1), and tanh' = 1 - tanh^2.
    let half = 1.0 - 1.0 / (math::exp(2.0 * inner) + 1.0);
    half + 2.0 * x * half * (1.0 - half) * slope
}

/// The activation of every element.
pub(crate) fn activate(x: &[f32], activation: Activation) -> Vec<f32> {
    match activation {
        Activation::Gelu => map(x, math::gelu),
        Activation::GeluTanh => map(x, math::gelu_tanh),
        Activation::Relu => map(
            x,
            #[inline(always)]
            |x| x.max(0.0),
        ),
    }
}

/// Turns the gradient of [`activate`]'s result into that of its argument `x`, in place.
pub(crate) fn activate_backward(x: &[f32], activation: Activation, gradient: &mut [f32]) {
    match activation {
        Activation::Gelu => scale_by(x, gradient, math::gelu_derivative),
        Activation::GeluTanh => scale_by(x, gradient, gelu_tanh_derivative),
        Activation::Relu => scale_by(
            x,
            gradient,
            #[inline(always)]
            |x| f32::from(u8::from(x > 0.0)),
        ),
    }
}

/// `f` of every element.
fn map(x: &[f32], f: impl Fn(f32) -> f32 + Sync) -> Vec<f32> {
    let mut out = x.to_vec();
    out.par_chunks_mut(BLOCK).for_each(|out| {
        vectorised(
            #[inline(always)]
            || {
                for value in out {
                    *value = f(*value);
                }
            },
        );
    });
    out
}

/// Multiplies every element of `gradient` with `slope` of its element of `x`.
fn scale_by(x: &[f32], gradient: &mut [f32], slope: impl Fn(f32) -> f32 + Sync) {
    gradient.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK)).for_each(|(gradient, x)| {
        vectorised(
            #[inline(always)]
            || {
                for (gradient, &x) in gradient.iter_mut().zip(x) {
                    *gradient *= slope(x);
                }
            },
        );
    });
}

/// A dropout mask that is never stored: element `i` is kept or not by a hash of `i` and the key, so that the backward
/// pass draws the same mask again, on any number of threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    key: u32,
    below: u32,
    scale: f32,
}

impl Draw {
    /// The mask named `key` that drops a share `rate` of the elements and scales the others up.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate below 1 fits in 32 bits")]
    pub(crate) fn new(key: u64, rate: f64) -> Self {
        let below = (rate * 4_294_967_296.0) as u32;
        Self { key: (mix(key) >> 32) as u32, below, scale: (1.0 / (1.0 - rate)) as f32 }
    }

    /// The mask of part `part` under the same name.
    pub(crate) fn part(self, part: u64) -> Self {
        Self { key: (mix(u64::from(self.key) ^ (part << 32)) >> 32) as u32, ..self }
    }

    /// What element `index` is multiplied with.
    #[inline(always)]
    pub(super) fn factor(self, index: u32) -> f32 {
        let mut hash = index.wrapping_mul(0x9E37_79B1) ^ self.key;
        hash = (hash ^ (hash >> 16)).wrapping_mul(0x21F0_AAAD);
        hash = (hash ^ (hash >> 15)).wrapping_mul(0x735A_2D97);
        hash ^= hash >> 15;
        if hash < self.below { 0.0 } else { self.scale }
    }
}

/// A hash of 64 bits (`SplitMix64`).
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Multiplies every element with its factor in `draw`: dropout forward, and backward on the gradient.
#[expect(clippy::cast_possible_truncation, reason = "an index is only hashed")]
pub(crate) fn dropout(x: &mut [f32], draw: Draw) {
    x.par_chunks_mut(BLOCK).enumerate().for_each(|(block, x)| {
        let start = (block * BLOCK) as u32;
        vectorised(
            #[inline(always)]
            || {
                for (i, value) in (0_u32..).zip(x.iter_mut()) {
                    *value *= draw.factor(start.wrapping_add(i));
                }
            },
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activations_have_their_slopes() {
        let h = 1e-2_f32;
        for activation in [Activation::Gelu, Activation::GeluTanh, Activation::Relu] {
            for i in -30_i8..30 {
                let x = f32::from(i) * 0.2 + 0.07;
                let ends = activate(&[x - h, x + h], activation);
                let mut slope = [1.0];
                activate_backward(&[x], activation, &mut slope);
                assert!((slope[0] - (ends[1] - ends[0]) / (2.0 * h)).abs() < 2e-4, "{activation:?} at {x}");
            }
        }
    }

    #[test]
    fn dropout_drops_its_share_and_repeats() {
        let mut ones = vec![1.0; 100_000];
        dropout(&mut ones, Draw::new(7, 0.1));
        let dropped = ones.iter().filter(|&&x| x == 0.0).count();
        assert!((9_500..10_500).contains(&dropped), "{dropped}");
        let mut again = vec![1.0; 100_000];
        dropout(&mut again, Draw::new(7, 0.1));
        assert_eq!(ones, again);
        let mut other = vec![1.0; 100_000];
        dropout(&mut other, Draw::new(8, 0.1));
        assert_ne!(ones, other);
        let runs = ones.windows(2).filter(|pair| pair[0] == 0.0 && pair[1] == 0.0).count();
        assert!((800..1200).contains(&runs), "neighbours are independent: {runs}");
    }
}
