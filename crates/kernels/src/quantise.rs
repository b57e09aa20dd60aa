//! Rows of activations to seven bits, between the least and the greatest value of each row.

use crate::math::fold;
use crate::simd::{ACTIVATION_MAX, LANES, Simd};

/// A range below which a row counts as constant: its steps would have no finite inverse, and nobody would miss them.
pub(crate) const LEAST_RANGE: f32 = 1e-30;

/// Quantises a row of `n` values, each multiplied with its factor in `balance` (null for none): the value of a step,
/// and what zero stands for. `to` has room for `n` bytes rounded up to whole vectors; `balance` is as long.
///
/// # Safety
/// That of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn quantise<S: Simd>(row: *const f32, n: usize, balance: *const f32, to: *mut u8) -> (f32, f32) {
    let whole = n / LANES * LANES;
    // SAFETY: the caller's; the tail is read value by value.
    unsafe {
        let factor = |at: usize| if balance.is_null() { S::splat(1.0) } else { S::load(balance.add(at)) };
        // What stands in for values behind the row's end must not widen its range.
        let filler = *row;
        let tail = S::load_first(row.add(whole), n - whole, filler);
        let tail_factor = {
            let first = if balance.is_null() { 1.0 } else { *balance };
            let from = if balance.is_null() { std::ptr::null() } else { balance.add(whole) };
            if balance.is_null() { S::splat(1.0) } else { S::load_first(from, n - whole, first) }
        };
        let tail = S::mul(tail, tail_factor);
        let first = S::splat(filler * if balance.is_null() { 1.0 } else { *balance });
        let (mut least, mut greatest) = (S::min(first, tail), S::max(first, tail));
        let mut at = 0;
        while at < whole {
            let x = S::mul(S::load(row.add(at)), factor(at));
            least = S::min(least, x);
            greatest = S::max(greatest, x);
            at += LANES;
        }
        let least = fold(S::lanes(least), f32::min);
        let greatest = fold(S::lanes(greatest), f32::max);
        #[expect(clippy::cast_precision_loss, reason = "a small constant")]
        let steps = ACTIVATION_MAX as f32;
        let range = greatest - least;
        let (scale, inverse) = if range > LEAST_RANGE { (range / steps, steps / range) } else { (0.0, 0.0) };
        let (offset, inverse) = (S::splat(least), S::splat(inverse));
        let quantised = |x| S::round(S::mul(S::sub(x, offset), inverse));
        let mut at = 0;
        while at < whole {
            let x = S::mul(S::load(row.add(at)), factor(at));
            S::store_bytes(to.add(at), quantised(x));
            at += LANES;
        }
        if whole < n {
            S::store_bytes(to.add(whole), quantised(tail));
        }
        (scale, least)
    }
}
