//! Sixteen lanes in arrays: what the other instruction sets are held to, and what runs where there is none of them.

use super::{LANES, Simd};

/// No vectors at all.
#[derive(Clone, Copy)]
pub(crate) struct Scalar;

#[inline(always)]
fn each(mut f: impl FnMut(usize) -> f32) -> [f32; LANES] {
    std::array::from_fn(&mut f)
}

// SAFETY: nothing here needs an instruction set.
unsafe impl Simd for Scalar {
    type F = [f32; LANES];
    type I = [i32; LANES];
    type A = [u8; 4];
    type W = [[i8; 4]; LANES];

    const INT8_TILE: (usize, usize) = (2, 1);
    const F32_TILE: (usize, usize) = (2, 1);

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::F {
        [x; LANES]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::F {
        // SAFETY: the caller vouches for sixteen values.
        unsafe { from.cast::<Self::F>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, x: Self::F) {
        // SAFETY: the caller vouches for sixteen values.
        unsafe { to.cast::<Self::F>().write_unaligned(x) }
    }

    #[inline(always)]
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        each(|lane| a[lane] + b[lane])
    }

    #[inline(always)]
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
        each(|lane| a[lane] - b[lane])
    }

    #[inline(always)]
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
        each(|lane| a[lane] * b[lane])
    }

    #[inline(always)]
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F {
        each(|lane| a[lane] / b[lane])
    }

    #[inline(always)]
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        each(|lane| a[lane].mul_add(b[lane], c[lane]))
    }

    #[inline(always)]
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F {
        // As x86 has it, also for zeros of different sign.
        each(|lane| if a[lane] > b[lane] { a[lane] } else { b[lane] })
    }

    #[inline(always)]
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F {
        each(|lane| if a[lane] < b[lane] { a[lane] } else { b[lane] })
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "lanes are within ±2^30")]
    unsafe fn round(x: Self::F) -> Self::I {
        std::array::from_fn(|lane| x[lane].round_ties_even() as i32)
    }

    #[inline(always)]
    #[expect(clippy::cast_precision_loss, reason = "rounds to nearest, as the vector instructions do")]
    unsafe fn float(x: Self::I) -> Self::F {
        each(|lane| x[lane] as f32)
    }

    #[inline(always)]
    #[expect(clippy::cast_sign_loss, reason = "lanes are at least -126")]
    unsafe fn pow2(n: Self::I) -> Self::F {
        each(|lane| f32::from_bits(((n[lane] + 127) as u32) << 23))
    }

    #[inline(always)]
    unsafe fn store_bytes(to: *mut u8, x: Self::I) {
        for (lane, [low, ..]) in x.map(i32::to_le_bytes).into_iter().enumerate() {
            // SAFETY: the caller vouches for 16 bytes.
            unsafe { *to.add(lane) = low };
        }
    }

    #[inline(always)]
    unsafe fn zero() -> Self::I {
        [0; LANES]
    }

    #[inline(always)]
    unsafe fn activations(from: *const u8) -> Self::A {
        // SAFETY: the caller vouches for 4 bytes.
        unsafe { from.cast::<Self::A>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn weights(from: *const i8) -> Self::W {
        // SAFETY: the caller vouches for 64 bytes.
        unsafe { from.cast::<Self::W>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn dot8(sum: Self::I, a: [Self::A; 2], w: [Self::W; 2]) -> Self::I {
        std::array::from_fn(|lane| {
            let products =
                |step: usize| -> i32 { (0..4).map(|k| i32::from(a[step][k]) * i32::from(w[step][lane][k])).sum() };
            sum[lane] + products(0) + products(1)
        })
    }
}
