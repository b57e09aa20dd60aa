//! Sixteen lanes of f32 or i32, whatever registers the machine keeps them in: two of 256 bits, one of 512, four of 128,
//! or an array.
//!
//! Every kernel is written once over [`Simd`]. As all implementations have sixteen lanes, fuse the same products with
//! the same sums and round alike, a kernel's result is the same, bit for bit, on every instruction set; the tests hold
//! each to [`Scalar`].

#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
pub(crate) use scalar::Scalar;
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512Vnni, AvxVnni};

/// Lanes of a vector.
pub(crate) const LANES: usize = 16;

/// Largest value of a quantised activation.
///
/// Seven bits, and [`WEIGHT_MAX`] six and a sign: so four products fit into 16 bits, which is what AVX2 sums them in,
/// and all instruction sets can work with the same numbers.
pub(crate) const ACTIVATION_MAX: i32 = 127;

/// Largest magnitude of a quantised weight.
pub(crate) const WEIGHT_MAX: i32 = 64;

const _: () = assert!(4 * ACTIVATION_MAX * WEIGHT_MAX <= i16::MAX as i32, "AVX2 would saturate");

/// An instruction set's vectors of sixteen lanes.
///
/// # Safety
/// Every function may only run where the instruction set is there, and is inlined into a function that is compiled for
/// it. Pointers are valid for as many elements as the function's name or comment says; none needs to be aligned.
///
/// Numbers that are not finite are safe, too, but what becomes of them may differ between instruction sets.
pub(crate) unsafe trait Simd: Copy + 'static {
    /// Sixteen lanes of f32.
    type F: Copy;
    /// Sixteen lanes of i32.
    type I: Copy;
    /// Four activations, for every lane.
    type A: Copy;
    /// Four weights for each lane.
    type W: Copy;

    /// Rows of an int8 tile, and vectors of its columns: as many sums as the registers hold.
    const INT8_TILE: (usize, usize);
    /// Rows of an f32 tile, and vectors of its columns.
    const F32_TILE: (usize, usize);

    unsafe fn splat(x: f32) -> Self::F;
    unsafe fn load(from: *const f32) -> Self::F;
    unsafe fn store(to: *mut f32, x: Self::F);
    unsafe fn add(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn sub(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn mul(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn div(a: Self::F, b: Self::F) -> Self::F;
    /// `a * b + c`, rounded once.
    unsafe fn fma(a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    unsafe fn max(a: Self::F, b: Self::F) -> Self::F;
    unsafe fn min(a: Self::F, b: Self::F) -> Self::F;
    /// To the nearest whole number, halves to the even one; lanes are within ±2^30.
    unsafe fn round(x: Self::F) -> Self::I;
    unsafe fn float(x: Self::I) -> Self::F;
    /// 2 to the power of each lane, which is in -126..=127.
    unsafe fn pow2(n: Self::I) -> Self::F;
    /// Each lane, which is in 0..=255 or the least i32 (that is 0 then), to 16 bytes.
    unsafe fn store_bytes(to: *mut u8, x: Self::I);

    unsafe fn zero() -> Self::I;
    /// Four activations from 4 bytes.
    unsafe fn activations(from: *const u8) -> Self::A;
    /// Four weights for each lane, from 64 bytes.
    unsafe fn weights(from: *const i8) -> Self::W;
    /// Adds the eight products of `a` with `w` to each lane. Activations are at most [`ACTIVATION_MAX`], weights
    /// within ±[`WEIGHT_MAX`]: no sum is cut.
    unsafe fn dot8(sum: Self::I, a: [Self::A; 2], w: [Self::W; 2]) -> Self::I;

    /// The lanes as an array.
    #[inline(always)]
    unsafe fn lanes(x: Self::F) -> [f32; LANES] {
        let mut lanes = [0.0; LANES];
        // SAFETY: the array holds sixteen values.
        unsafe { Self::store(lanes.as_mut_ptr(), x) };
        lanes
    }

    /// The first `n` values from `from`, and `rest` in the other lanes.
    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize, rest: f32) -> Self::F {
        let mut lanes = [rest; LANES];
        for (lane, value) in lanes.iter_mut().enumerate().take(n) {
            // SAFETY: the caller vouches for `n` values.
            *value = unsafe { *from.add(lane) };
        }
        // SAFETY: the array holds sixteen values.
        unsafe { Self::load(lanes.as_ptr()) }
    }

    /// Stores the first `n` lanes.
    #[inline(always)]
    unsafe fn store_first(to: *mut f32, n: usize, x: Self::F) {
        // SAFETY: the caller vouches for `n` values.
        unsafe {
            for (lane, value) in Self::lanes(x).into_iter().enumerate().take(n) {
                *to.add(lane) = value;
            }
        }
    }
}
