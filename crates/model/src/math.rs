//! The element-wise arithmetic of the encoder on plain slices, shared by the running and the training encoder.
//!
//! Every loop is written so that the compiler vectorises it, and runs inside [`pulp`]'s dispatch, which compiles it
//! once per instruction set and picks at run time. No loop contracts or reorders arithmetic: sums go over a fixed
//! number of lanes, so a result depends on the row alone, not on the machine's vector width or on the row's place in
//! the batch.

use std::sync::LazyLock;

static ARCH: LazyLock<pulp::Arch> = LazyLock::new(pulp::Arch::new);

/// Partial sums kept side by side in a reduction: two 256-bit registers.
const LANES: usize = 16;

/// Runs `work` compiled for the best instruction set of this machine. What `work` calls must be `#[inline(always)]`
/// to be vectorised.
#[inline(always)]
pub fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    ARCH.dispatch(work)
}

/// `e` to the power of `x`, to 2 units in the last place; 0 below -87.3, and inputs above 88 count as 88.
///
/// Range reduction to `2^n * e^r` and the degree-5 polynomial of Cephes' `expf` (Moshier).
#[inline(always)]
#[must_use]
pub fn exp(x: f32) -> f32 {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    // ln 2 in two parts, so that n * ln 2 is subtracted without rounding.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding and subtracting 1.5 * 2^23 rounds to the nearest whole number.
    const ROUND: f32 = 12_582_912.0;

    let clamped = x.clamp(-87.3, 88.0);
    let n = (clamped * LOG2_E + ROUND) - ROUND;
    let r = clamped - n * LN2_HIGH - n * LN2_LOW;
    let mut p = 1.987_569_2e-4;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_6e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 5e-1;
    let e_r = p * (r * r) + r + 1.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "n is a whole number in -126..=127")]
    let two_n = f32::from_bits(((n as i32 + 127) as u32) << 23);
    if x < -87.3 { 0.0 } else { e_r * two_n }
}

/// The error function, to 5e-7 absolute.
///
/// Rational minimax approximation on [-4, 4] with the coefficients that Eigen uses for `erf` in single precision.
#[inline(always)]
#[must_use]
pub fn erf(x: f32) -> f32 {
    let x = x.clamp(-4.0, 4.0);
    let s = x * x;
    let mut p = -2.726_142_3e-10;
    p = p * s + 2.770_681_4e-8;
    p = p * s - 2.101_024e-6;
    p = p * s - 5.692_506_4e-5;
    p = p * s - 7.349_906_3e-4;
    p = p * s - 2.954_6e-3;
    p = p * s - 1.609_603_3e-2;
    let mut q = -1.456_607_2e-5;
    q = q * s - 2.133_740_5e-4;
    q = q * s - 1.682_826_9e-3;
    q = q * s - 7.373_329_4e-3;
    q = q * s - 1.426_473_9e-2;
    x * p / q
}

/// The exact GELU: `x * Φ(x)` (Hendrycks & Gimpel 2016).
#[inline(always)]
#[must_use]
pub fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// The derivative of [`gelu`]: `Φ(x) + x * φ(x)`.
#[inline(always)]
#[must_use]
pub fn gelu_derivative(x: f32) -> f32 {
    const INV_SQRT_2PI: f32 = 0.398_942_3;
    let cdf = 0.5 * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2));
    cdf + x * INV_SQRT_2PI * exp(-0.5 * x * x)
}

/// The GELU by tanh, as `gelu_new` has it.
#[inline(always)]
#[must_use]
pub fn gelu_tanh(x: f32) -> f32 {
    const SQRT_2_OVER_PI: f32 = 0.797_884_6;
    let inner = SQRT_2_OVER_PI * (x + 0.044_715 * x * x * x);
    // tanh(u) = 1 - 2 / (e^2u + 1)
    x * (1.0 - 1.0 / (exp(2.0 * inner) + 1.0))
}

/// The sum of a row, over a fixed number of lanes.
#[inline(always)]
#[must_use]
pub fn sum(row: &[f32]) -> f32 {
    reduce(row, 0.0, |total, x| total + x, |a, b| a + b)
}

/// The sum of products of two rows of the same length, over a fixed number of lanes.
#[inline(always)]
#[must_use]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (chunks_a, chunks_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (rest_a, rest_b) = (chunks_a.remainder(), chunks_b.remainder());
    for (chunk_a, chunk_b) in chunks_a.zip(chunks_b) {
        for lane in 0..LANES {
            lanes[lane] += chunk_a[lane] * chunk_b[lane];
        }
    }
    let rest: f32 = rest_a.iter().zip(rest_b).map(|(x, y)| x * y).sum();
    fold(lanes, |a, b| a + b) + rest
}

#[inline(always)]
fn reduce(row: &[f32], start: f32, step: impl Fn(f32, f32) -> f32, join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [start; LANES];
    let chunks = row.chunks_exact(LANES);
    let rest = chunks.remainder();
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] = step(lanes[lane], chunk[lane]);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane = step(*lane, x);
    }
    fold(lanes, join)
}

#[inline(always)]
fn fold(mut lanes: [f32; LANES], join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = join(lanes[lane], lanes[lane + width]);
        }
        width /= 2;
    }
    lanes[0]
}

/// Turns a row of scores into probabilities: `softmax(scale * row)`, in place. An empty row stays empty.
#[inline(always)]
pub fn softmax(row: &mut [f32], scale: f32) {
    let highest = reduce(row, f32::NEG_INFINITY, f32::max, f32::max);
    for x in row.iter_mut() {
        *x = exp((*x - highest) * scale);
    }
    let inverse = 1.0 / sum(row);
    for x in row.iter_mut() {
        *x *= inverse;
    }
}

/// Mean and inverse standard deviation of a row, the variance taken around the mean (two passes).
#[inline(always)]
#[must_use]
pub fn moments(row: &[f32], eps: f32) -> (f32, f32) {
    #[expect(clippy::cast_precision_loss, reason = "rows are a few thousand wide at most")]
    let width = row.len() as f32;
    let mean = sum(row) / width;
    let squares = reduce(row, 0.0, |total, x| total + (x - mean) * (x - mean), |a, b| a + b);
    (mean, 1.0 / (squares / width + eps).sqrt())
}

/// Layer normalisation of a row, in place: `(row - mean) / sqrt(variance + eps) * weight + bias` (Ba et al. 2016).
#[inline(always)]
pub fn layer_norm(row: &mut [f32], weight: &[f32], bias: &[f32], eps: f32) {
    let (mean, inverse) = moments(row, eps);
    for ((x, &w), &b) in row.iter_mut().zip(weight).zip(bias) {
        *x = (*x - mean) * inverse * w + b;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The error function by its Maclaurin series in double precision: slow, and right to 1e-12 for |x| < 4.
    fn erf_reference(x: f64) -> f64 {
        let (mut term, mut total) = (x, x);
        for n in 1..200_i32 {
            term *= -x * x / f64::from(n);
            total += term / f64::from(2 * n + 1);
        }
        total * std::f64::consts::FRAC_2_SQRT_PI
    }

    #[test]
    fn exp_and_erf_hold_their_bounds() {
        for step in -88_000..=88_000_i32 {
            let x = f64::from(step) / 1000.0;
            let exact = x.exp();
            let got = f64::from(exp(x as f32));
            let exact_of_rounded = f64::from(x as f32).exp();
            if x > -87.3 {
                assert!((got - exact_of_rounded).abs() <= 3e-7 * exact, "exp({x}) = {got}");
            }
        }
        for step in -39_000..=39_000_i32 {
            let x = step as f32 / 10_000.0;
            let error = (f64::from(erf(x)) - erf_reference(f64::from(x))).abs();
            assert!(error < 5e-7, "erf({x}) is off by {error}");
        }
        assert_eq!(exp(-200.0), 0.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert!((erf(30.0) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn gelu_derivative_is_that_of_gelu() {
        for step in -600..=600_i16 {
            let x = f32::from(step) / 100.0;
            let h = 1e-2;
            let slope = (gelu(x + h) - gelu(x - h)) / (2.0 * h);
            assert!((slope - gelu_derivative(x)).abs() < 1e-4, "at {x}: {slope} and {}", gelu_derivative(x));
        }
    }

    proptest! {
        #[test]
        fn softmax_is_a_distribution(row in prop::collection::vec(-50.0_f32..50.0, 1..200), scale in 0.05_f32..2.0) {
            let mut probabilities = row.clone();
            vectorised(|| softmax(&mut probabilities, scale));
            let total: f64 = row.iter().map(|&x| f64::from(x * scale).exp()).sum();
            for (&p, &x) in probabilities.iter().zip(&row) {
                prop_assert!((f64::from(p) - f64::from(x * scale).exp() / total).abs() < 1e-5);
            }
        }

        #[test]
        fn layer_norm_matches_double_precision(row in prop::collection::vec(-5.0_f32..5.0, 2..100)) {
            let weight: Vec<f32> = (0..row.len()).map(|i| 0.5 + i as f32 / 50.0).collect();
            let bias: Vec<f32> = (0..row.len()).map(|i| i as f32 / 20.0 - 1.0).collect();
            let mut got = row.clone();
            vectorised(|| layer_norm(&mut got, &weight, &bias, 1e-5));
            let n = row.len() as f64;
            let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
            let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
            for i in 0..row.len() {
                let exact = (f64::from(row[i]) - mean) / (variance + 1e-5).sqrt() * f64::from(weight[i]) + f64::from(bias[i]);
                prop_assert!((f64::from(got[i]) - exact).abs() < 1e-4 * exact.abs().max(1.0));
            }
        }

        #[test]
        fn vector_width_changes_nothing(row in prop::collection::vec(-5.0_f32..5.0, 0..100)) {
            prop_assert_eq!(sum(&row).to_bits(), vectorised(|| sum(&row)).to_bits());
            prop_assert_eq!(dot(&row, &row).to_bits(), vectorised(|| dot(&row, &row)).to_bits());
        }
    }
}
