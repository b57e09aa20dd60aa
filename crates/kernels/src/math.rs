//! The functions of one variable that the kernels apply lane by lane, and sums over lanes.

use crate::Activation;
use crate::simd::{LANES, Simd};

/// 2 to the power of `x`, to 2 units in the last place; what is below -126 counts as -126, what is above 127 as 127.
///
/// The whole part goes into the exponent, the rest, within ±1/2, through the Taylor polynomial of degree 6.
///
/// # Safety
/// That of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn exp2<S: Simd>(x: S::F) -> S::F {
    // ln(2)^k / k!, k from 6 down to 0.
    const POLYNOMIAL: [f32; 7] =
        [1.540_353e-4, 1.333_355_8e-3, 9.618_129e-3, 5.550_411e-2, 2.402_265e-1, 6.931_472e-1, 1.0];
    // SAFETY: the caller's.
    unsafe {
        let x = S::min(S::max(x, S::splat(-126.0)), S::splat(127.0));
        let n = S::round(x);
        S::mul(horner::<S, 7>(POLYNOMIAL, S::sub(x, S::float(n))), S::pow2(n))
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
                let power = exp2::<S>(S::mul(inner, S::splat(-std::f32::consts::LOG2_E)));
                S::div(x, S::add(power, S::splat(1.0)))
            }
        }
    }
}

/// The non-linearity before quantising: a GELU of either kind to 1.2e-3, a tenth of the steps that follow; ReLU exactly.
///
/// `x * Φ(x)`, where Φ is 1/2 and an odd polynomial of degree 11 that reaches its ends at ±3.6: fitted by us to the
/// least greatest error of the product, which is 5.8e-4 for the exact GELU.
///
/// # Safety
/// That of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn activate_roughly<S: Simd>(x: S::F, activation: Activation) -> S::F {
    const END: f32 = 3.6;
    const ODD: [f32; 6] = [-4.469_213e-7, 2.530_252e-5, -5.959_22e-4, 7.716_863e-3, -6.224_171e-2, 3.961_87e-1];
    // SAFETY: the caller's.
    unsafe {
        match activation {
            Activation::Relu => S::max(x, S::splat(0.0)),
            Activation::Gelu | Activation::GeluTanh => {
                let t = S::min(S::max(x, S::splat(-END)), S::splat(END));
                S::mul(x, S::fma(t, horner::<S, 6>(ODD, S::mul(t, t)), S::splat(0.5)))
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
