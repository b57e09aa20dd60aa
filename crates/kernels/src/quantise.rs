//! Rows of activations to seven bits, between the least and the greatest value of each row.

use std::ops::Range;

use crate::Activation;
use crate::math::{activate_roughly, fold};
use crate::product::{Finish, Output, get, put};
use crate::simd::{ACTIVATION_MAX, LANES, Simd};

/// A range below which a row counts as constant: its steps would have no finite inverse, and nobody would miss them.
pub(crate) const LEAST_RANGE: f32 = 1e-30;

/// The least and the greatest of what has been seen, lane by lane.
#[derive(Clone, Copy)]
struct Extent<F> {
    least: F,
    greatest: F,
}

impl<F: Copy> Extent<F> {
    #[inline(always)]
    unsafe fn widen<S: Simd<F = F>>(&mut self, x: F) {
        // SAFETY: the caller's.
        unsafe {
            self.least = S::min(self.least, x);
            self.greatest = S::max(self.greatest, x);
        }
    }

    /// What zero stands for, what a step is worth, and one over that.
    #[inline(always)]
    unsafe fn steps<S: Simd<F = F>>(self) -> Steps {
        // SAFETY: the caller's.
        let (least, greatest) = unsafe { (S::lanes(self.least), S::lanes(self.greatest)) };
        let (least, greatest) = (fold(least, f32::min), fold(greatest, f32::max));
        #[expect(clippy::cast_precision_loss, reason = "a small constant")]
        let steps = ACTIVATION_MAX as f32;
        let range = greatest - least;
        let (scale, inverse) = if range > LEAST_RANGE { (range / steps, steps / range) } else { (0.0, 0.0) };
        Steps { offset: least, scale, inverse }
    }
}

/// How a row is quantised.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    /// What zero stands for.
    pub(crate) offset: f32,
    /// What a step is worth.
    pub(crate) scale: f32,
    /// One over the scale, or 0.
    inverse: f32,
}

/// Quantises a row of `n` values, each multiplied with its factor in `balance` (null for none). `to` has room for `n`
/// bytes rounded up to whole vectors; `balance` is as long.
///
/// # Safety
/// That of [`Simd`]; there is at least one value.
#[inline(always)]
pub(crate) unsafe fn quantise<S: Simd>(row: *const f32, n: usize, balance: *const f32, to: *mut u8) -> Steps {
    // SAFETY: the caller's.
    unsafe {
        let first = S::splat(if balance.is_null() { *row } else { *row * *balance });
        let mut extent = Extent { least: first, greatest: first };
        let mut at = 0;
        while at < n {
            extent.widen::<S>(balanced::<S>(row, n, balance, at));
            at += LANES;
        }
        let steps = extent.steps::<S>();
        let mut at = 0;
        while at < n {
            put_bytes::<S>(to.add(at), balanced::<S>(row, n, balance, at), steps);
            at += LANES;
        }
        steps
    }
}

/// Up to sixteen values of a row of `n` from `at` on, each multiplied with its factor.
#[inline(always)]
unsafe fn balanced<S: Simd>(row: *const f32, n: usize, balance: *const f32, at: usize) -> S::F {
    // What stands in for values behind the row's end must not widen its range: the first one does not.
    // SAFETY: the caller's.
    unsafe {
        let x = get::<S>(row.add(at), n - at, *row);
        if balance.is_null() { x } else { S::mul(x, get::<S>(balance.add(at), n - at, *balance)) }
    }
}

#[inline(always)]
unsafe fn put_bytes<S: Simd>(to: *mut u8, x: S::F, steps: Steps) {
    // SAFETY: the caller's.
    unsafe {
        let scaled = S::mul(S::sub(x, S::splat(steps.offset)), S::splat(steps.inverse));
        S::store_bytes(to, S::round(scaled));
    }
}

/// The non-linearity of a feed-forward block, balanced for the layer that reads its results, and the extent of each row
/// on the way: one walk over the results instead of three.
pub(crate) struct ActivateAndMeasure<'r> {
    activation: Activation,
    /// Null for none.
    balance: *const f32,
    /// `[rows][2][16]`: least and greatest.
    extents: &'r mut [f32],
}

impl<'r> ActivateAndMeasure<'r> {
    /// Room in `extents` per row.
    pub(crate) const ROOM: usize = 2 * LANES;

    pub(crate) const fn new(activation: Activation, balance: *const f32, extents: &'r mut [f32]) -> Self {
        Self { activation, balance, extents }
    }

    /// Quantises a row of `n` results.
    ///
    /// # Safety
    /// As [`quantise`]; all of the row's columns are finished.
    #[inline(always)]
    pub(crate) unsafe fn quantise<S: Simd>(&self, row: usize, from: *const f32, n: usize, to: *mut u8) -> Steps {
        // SAFETY: the caller's; there is an extent for each row.
        unsafe {
            let extent = self.extents[row * Self::ROOM..].as_ptr();
            let extent = Extent { least: S::load(extent), greatest: S::load(extent.add(LANES)) };
            let steps = extent.steps::<S>();
            let mut at = 0;
            while at < n {
                put_bytes::<S>(to.add(at), get::<S>(from.add(at), n - at, *from), steps);
                at += LANES;
            }
            steps
        }
    }
}

impl<S: Simd> Finish<S> for ActivateAndMeasure<'_> {
    #[inline(always)]
    unsafe fn finish(&mut self, rows: usize, columns: Range<usize>, Output { to, stride }: Output) {
        for row in 0..rows {
            let extent_of_row = self.extents[row * Self::ROOM..].as_mut_ptr();
            // SAFETY: the caller's; there is an extent for each row.
            unsafe {
                let from = to.add(row * stride);
                let mut extent = Extent { least: S::load(extent_of_row), greatest: S::load(extent_of_row.add(LANES)) };
                let mut column = columns.start;
                while column < columns.end {
                    let (at, n) = (from.add(column), columns.end - column);
                    let first = *at;
                    let mut x = activate_roughly::<S>(get::<S>(at, n, first), self.activation);
                    if !self.balance.is_null() {
                        x = S::mul(x, get::<S>(self.balance.add(column), n, *self.balance.add(column)));
                    }
                    if column == 0 {
                        extent = Extent { least: x, greatest: x };
                    }
                    extent.widen::<S>(x);
                    put::<S>(at, n, x);
                    column += LANES;
                }
                S::store(extent_of_row, extent.least);
                S::store(extent_of_row.add(LANES), extent.greatest);
            }
        }
    }
}
