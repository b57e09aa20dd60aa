//! Sixteen lanes in four 128-bit registers: 64-bit Arm with the dot products that every server and Mac since 2018 has.

// Each function's safety is that of `Simd`: the instruction set is there, and pointers are as long as it says. Saying so
// again at every intrinsic would bury the code.
#![expect(clippy::undocumented_unsafe_blocks, reason = "see above")]

use std::arch::aarch64::*;
use std::arch::asm;

use super::Simd;

/// NEON with dot products.
#[derive(Clone, Copy)]
pub(crate) struct Neon;

macro_rules! quarters {
    ($op:ident, $($arg:ident),+) => {
        unsafe { [$op($($arg[0]),+), $op($($arg[1]),+), $op($($arg[2]),+), $op($($arg[3]),+)] }
    };
}

/// `a` where it is greater, else `b`: as x86 has it, also for zeros of different sign.
#[inline(always)]
unsafe fn greater(a: float32x4_t, b: float32x4_t) -> float32x4_t {
    unsafe { vbslq_f32(vcgtq_f32(a, b), a, b) }
}

/// `a` where it is less, else `b`.
#[inline(always)]
unsafe fn less(a: float32x4_t, b: float32x4_t) -> float32x4_t {
    unsafe { vbslq_f32(vcltq_f32(a, b), a, b) }
}

/// Adds four products of signed bytes to each lane.
#[inline(always)]
unsafe fn sdot(mut sum: int32x4_t, w: int8x16_t, a: int8x16_t) -> int32x4_t {
    // The intrinsic is not stable yet.
    unsafe {
        asm!(
            ".arch_extension dotprod",
            "sdot {sum:v}.4s, {w:v}.16b, {a:v}.16b",
            sum = inout(vreg) sum,
            w = in(vreg) w,
            a = in(vreg) a,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

// SAFETY: sixteen lanes as the trait has them; the caller vouches for NEON and its dot products.
unsafe impl Simd for Neon {
    type F = [float32x4_t; 4];
    type I = [int32x4_t; 4];
    type A = int8x16_t;
    type W = [int8x16_t; 4];

    const INT8_TILE: (usize, usize) = (4, 1);
    const F32_TILE: (usize, usize) = (4, 1);

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::F {
        unsafe { [vdupq_n_f32(x); 4] }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::F {
        unsafe { [vld1q_f32(from), vld1q_f32(from.add(4)), vld1q_f32(from.add(8)), vld1q_f32(from.add(12))] }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, x: Self::F) {
        unsafe {
            for (quarter, x) in x.into_iter().enumerate() {
                vst1q_f32(to.add(4 * quarter), x);
            }
        }
    }

    #[inline(always)]
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        quarters!(vaddq_f32, a, b)
    }

    #[inline(always)]
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
        quarters!(vsubq_f32, a, b)
    }

    #[inline(always)]
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
        quarters!(vmulq_f32, a, b)
    }

    #[inline(always)]
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F {
        quarters!(vdivq_f32, a, b)
    }

    #[inline(always)]
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        quarters!(vfmaq_f32, c, a, b)
    }

    #[inline(always)]
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F {
        quarters!(greater, a, b)
    }

    #[inline(always)]
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F {
        quarters!(less, a, b)
    }

    #[inline(always)]
    unsafe fn round(x: Self::F) -> Self::I {
        quarters!(vcvtnq_s32_f32, x)
    }

    #[inline(always)]
    unsafe fn float(x: Self::I) -> Self::F {
        quarters!(vcvtq_f32_s32, x)
    }

    #[inline(always)]
    unsafe fn pow2(n: Self::I) -> Self::F {
        unsafe {
            let bias = vdupq_n_s32(127);
            n.map(|n| vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(n, bias))))
        }
    }

    #[inline(always)]
    unsafe fn store_bytes(to: *mut u8, x: Self::I) {
        unsafe {
            let words = |low, high| vcombine_s16(vmovn_s32(low), vmovn_s32(high));
            let bytes = vcombine_s8(vmovn_s16(words(x[0], x[1])), vmovn_s16(words(x[2], x[3])));
            vst1q_s8(to.cast(), bytes);
        }
    }

    #[inline(always)]
    unsafe fn zero() -> Self::I {
        unsafe { [vdupq_n_s32(0); 4] }
    }

    #[inline(always)]
    unsafe fn activations(from: *const u8) -> Self::A {
        // Seven bits: the same signed as unsigned.
        unsafe { vreinterpretq_s8_s32(vdupq_n_s32(from.cast::<i32>().read_unaligned())) }
    }

    #[inline(always)]
    unsafe fn weights(from: *const i8) -> Self::W {
        unsafe { [vld1q_s8(from), vld1q_s8(from.add(16)), vld1q_s8(from.add(32)), vld1q_s8(from.add(48))] }
    }

    #[inline(always)]
    unsafe fn dot8(sum: Self::I, a: [Self::A; 2], w: [Self::W; 2]) -> Self::I {
        unsafe { std::array::from_fn(|quarter| sdot(sdot(sum[quarter], w[0][quarter], a[0]), w[1][quarter], a[1])) }
    }
}
