//! The functions of one variable that the kernels apply lane by lane, and sums over lanes.

use crate::Activation;
use crate::simd::{LANES, Simd};

/// `e` to the power of `x`, to 2 units in the last place; what is below -87 counts as -87, what is above 88 as 88.
///
/// Range reduction to `2^n * e^r` and the degree-5 polynomial of Cephes' `expf` (Moshier).
///
/// # Safety
/// That of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn exp<S: Simd>(x: S::F) -> S::F {
    // ln 2 in two parts, so that n * ln 2 is subtracted without rounding.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    const POLYNOMIAL: [f32; 6] = [1.987_569_2e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5e-1];
    // SAFETY: the caller's.
    unsafe {
        let x = S::min(S::max(x, S::splat(-87.0)), S::splat(88.0));
        let n = S::round(S::mul(x, S::splat(std::f32::consts::LOG2_E)));
        let whole = S::float(n);
        let r = S::fma(whole, S::splat(-LN2_HIGH), x);
        let r = S::fma(whole, S::splat(-LN2_LOW), r);
        let p = S::fma(horner::<S, 6>(POLYNOMIAL, r), S::mul(r, r), r);
        S::mul(S::add(p, S::splat(1.0)), S::pow2(n))
    }
}

/// A polynomial, the coefficient of the highest power first.
#[inline(always)]
unsafe fn horner<S: Simd, const N: usize>(coefficients: [f32; N], x: S::F) -> S::F {
    // SAFETY: the caller's.
    unsafe {
        let mut p = S::splat(coefficients[0]);
        for &coefficient in &coefficients[1..] {
            p = S::fma(p, x, S::splat(coefficient));
        }
        p
    }
}

/// The error function, to 5e-7 absolute.
///
/// Rational minimax approximation on [-4, 4] with the coefficients that Eigen uses for `erf` in single precision.
#[inline(always)]
unsafe fn erf<S: Simd>(x: S::F) -> S::F {
    const P: [f32; 7] = [
        -2.726_142_3e-10,
        2.770_681_4e-8,
        -2.101_024e-6,
        -5.692_506_4e-5,
        -7.349_906_3e-4,
        -2.954_6e-3,
        -1.609_603_3e-2,
    ];
    const Q: [f32; 5] = [-1.456_607_2e-5, -2.133_740_5e-4, -1.682_826_9e-3, -7.373_329_4e-3, -1.426_473_9e-2];
    // SAFETY: the caller's.
    unsafe {
        let x = S::min(S::max(x, S::splat(-4.0)), S::splat(4.0));
        let s = S::mul(x, x);
        S::div(S::mul(x, horner::<S, 7>(P, s)), horner::<S, 5>(Q, s))
    }
}

/// The non-linearity.
///
/// # Safety
/// That of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn activate<S: Simd>(x: S::F, activation: Activation) -> S::F {
    // SAFETY: the caller's.
    unsafe {
        match activation {
            Activation::Relu => S::max(x, S::splat(0.0)),
            Activation::Gelu => {
                let half = S::mul(x, S::splat(0.5));
                S::fma(half, erf::<S>(S::mul(x, S::splat(std::f32::consts::FRAC_1_SQRT_2))), half)
            }
            Activation::GeluTanh => {
                const SQRT_2_OVER_PI: f32 = 0.797_884_6;
                let cube = S::mul(S::mul(x, x), x);
                let inner = S::mul(S::fma(cube, S::splat(0.044_715), x), S::splat(2.0 * SQRT_2_OVER_PI));
                // (1 + tanh(u)) / 2 = 1 / (1 + e^-2u)
                let power = exp::<S>(S::sub(S::splat(0.0), inner));
                S::div(x, S::add(power, S::splat(1.0)))
            }
        }
    }
}

/// The lanes joined by `join` in a fixed order.
#[inline(always)]
pub(crate) fn fold(mut lanes: [f32; LANES], join: fn(f32, f32) -> f32) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            lanes[lane] = join(lanes[lane], lanes[lane + width]);
        }
        width /= 2;
    }
    lanes[0]
}
