//! Sixteen lanes in two 256-bit registers (AVX2, with or without AVX-VNNI) or in one of 512 bits (AVX-512 VNNI).

// Each function's safety is that of `Simd`: the instruction set is there, and pointers are as long as it says. Saying so
// again at every intrinsic would bury the code.
#![expect(clippy::undocumented_unsafe_blocks, reason = "see above")]

use std::arch::asm;
use std::arch::x86_64::*;

use super::Simd;

/// AVX2 with FMA.
#[derive(Clone, Copy)]
pub(crate) struct Avx2;

/// AVX2 with FMA and the 256-bit dot products of AVX-VNNI.
#[derive(Clone, Copy)]
pub(crate) struct AvxVnni;

/// AVX-512 (F, BW, DQ, VL) with VNNI.
#[derive(Clone, Copy)]
pub(crate) struct Avx512Vnni;

/// Both 256-bit halves of sixteen lanes.
type Pair<T> = [T; 2];

macro_rules! halves {
    ($op:ident, $($arg:ident),+) => {
        unsafe { [$op($($arg[0]),+), $op($($arg[1]),+)] }
    };
}

/// What AVX2 and AVX-VNNI have in common.
macro_rules! float_lanes_of_256_bits {
    () => {
        type F = Pair<__m256>;
        type I = Pair<__m256i>;
        type A = __m256i;
        type W = Pair<__m256i>;

        const INT8_TILE: (usize, usize) = (4, 1);
        const F32_TILE: (usize, usize) = (6, 1);

        #[inline(always)]
        unsafe fn splat(x: f32) -> Self::F {
            unsafe { [_mm256_set1_ps(x); 2] }
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self::F {
            unsafe { [_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))] }
        }

        #[inline(always)]
        unsafe fn store(to: *mut f32, x: Self::F) {
            unsafe {
                _mm256_storeu_ps(to, x[0]);
                _mm256_storeu_ps(to.add(8), x[1]);
            }
        }

        #[inline(always)]
        unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
            halves!(_mm256_add_ps, a, b)
        }

        #[inline(always)]
        unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
            halves!(_mm256_sub_ps, a, b)
        }

        #[inline(always)]
        unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
            halves!(_mm256_mul_ps, a, b)
        }

        #[inline(always)]
        unsafe fn div(a: Self::F, b: Self::F) -> Self::F {
            halves!(_mm256_div_ps, a, b)
        }

        #[inline(always)]
        unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
            halves!(_mm256_fmadd_ps, a, b, c)
        }

        #[inline(always)]
        unsafe fn max(a: Self::F, b: Self::F) -> Self::F {
            halves!(_mm256_max_ps, a, b)
        }

        #[inline(always)]
        unsafe fn min(a: Self::F, b: Self::F) -> Self::F {
            halves!(_mm256_min_ps, a, b)
        }

        #[inline(always)]
        unsafe fn round(x: Self::F) -> Self::I {
            halves!(_mm256_cvtps_epi32, x)
        }

        #[inline(always)]
        unsafe fn float(x: Self::I) -> Self::F {
            halves!(_mm256_cvtepi32_ps, x)
        }

        #[inline(always)]
        unsafe fn pow2(n: Self::I) -> Self::F {
            unsafe {
                let bias = _mm256_set1_epi32(127);
                n.map(|n| _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(n, bias))))
            }
        }

        #[inline(always)]
        unsafe fn store_bytes(to: *mut u8, x: Self::I) {
            unsafe {
                let words = _mm256_packs_epi32(x[0], x[1]);
                // Within 128 bits each: quarters of four lanes come out as 0, 2, 1, 3.
                let bytes = _mm256_packus_epi16(words, words);
                let bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 0, 4, 1, 5));
                _mm_storeu_si128(to.cast(), _mm256_castsi256_si128(bytes));
            }
        }

        #[inline(always)]
        unsafe fn zero() -> Self::I {
            unsafe { [_mm256_setzero_si256(); 2] }
        }

        #[inline(always)]
        unsafe fn activations(from: *const u8) -> Self::A {
            unsafe { _mm256_set1_epi32(from.cast::<i32>().read_unaligned()) }
        }

        #[inline(always)]
        unsafe fn weights(from: *const i8) -> Self::W {
            unsafe { [_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(32).cast())] }
        }
    };
}

/// The sums of neighbouring pairs of words.
///
/// `_mm256_madd_epi16` with ones from memory: of the intrinsic, the compiler keeps the ones in a register, of which the
/// tiles need all sixteen, and spills a sum at every step instead (a fifth of the speed).
#[target_feature(enable = "avx2")]
#[inline]
fn pair_sums(words: __m256i) -> __m256i {
    #[repr(align(32))]
    struct Aligned([i16; 16]);
    static ONES: Aligned = Aligned([1; 16]);
    let sums: __m256i;
    unsafe {
        asm!(
            "vpmaddwd {sums}, {words}, ymmword ptr [{ones}]",
            sums = lateout(ymm_reg) sums,
            words = in(ymm_reg) words,
            ones = in(reg) ONES.0.as_ptr(),
            options(pure, readonly, nostack, preserves_flags)
        );
    }
    sums
}

// SAFETY: sixteen lanes as the trait has them; the caller vouches for AVX2 and FMA.
unsafe impl Simd for Avx2 {
    float_lanes_of_256_bits!();

    #[inline(always)]
    unsafe fn dot8(sum: Self::I, a: [Self::A; 2], w: [Self::W; 2]) -> Self::I {
        unsafe {
            let half = |half: usize| {
                // Four products to 16 bits: see `ACTIVATION_MAX`.
                let words =
                    _mm256_add_epi16(_mm256_maddubs_epi16(a[0], w[0][half]), _mm256_maddubs_epi16(a[1], w[1][half]));
                _mm256_add_epi32(sum[half], pair_sums(words))
            };
            [half(0), half(1)]
        }
    }
}

// SAFETY: as `Avx2`; the caller vouches for AVX-VNNI, too.
unsafe impl Simd for AvxVnni {
    float_lanes_of_256_bits!();

    #[inline(always)]
    unsafe fn dot8(sum: Self::I, a: [Self::A; 2], w: [Self::W; 2]) -> Self::I {
        unsafe {
            let half = |half: usize| {
                _mm256_dpbusd_avx_epi32(_mm256_dpbusd_avx_epi32(sum[half], a[0], w[0][half]), a[1], w[1][half])
            };
            [half(0), half(1)]
        }
    }
}

// SAFETY: sixteen lanes as the trait has them; the caller vouches for AVX-512 F, BW, DQ, VL and VNNI.
unsafe impl Simd for Avx512Vnni {
    type F = __m512;
    type I = __m512i;
    type A = __m512i;
    type W = __m512i;

    const INT8_TILE: (usize, usize) = (12, 2);
    const F32_TILE: (usize, usize) = (12, 2);

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::F {
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::F {
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, x: Self::F) {
        unsafe { _mm512_storeu_ps(to, x) }
    }

    #[inline(always)]
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F {
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn round(x: Self::F) -> Self::I {
        unsafe { _mm512_cvtps_epi32(x) }
    }

    #[inline(always)]
    unsafe fn float(x: Self::I) -> Self::F {
        unsafe { _mm512_cvtepi32_ps(x) }
    }

    #[inline(always)]
    unsafe fn pow2(n: Self::I) -> Self::F {
        unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_add_epi32(n, _mm512_set1_epi32(127)))) }
    }

    #[inline(always)]
    unsafe fn store_bytes(to: *mut u8, x: Self::I) {
        unsafe { _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(x)) }
    }

    #[inline(always)]
    unsafe fn zero() -> Self::I {
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn activations(from: *const u8) -> Self::A {
        unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn weights(from: *const i8) -> Self::W {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn dot8(sum: Self::I, a: [Self::A; 2], w: [Self::W; 2]) -> Self::I {
        unsafe { _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(sum, a[0], w[0]), a[1], w[1]) }
    }
}
