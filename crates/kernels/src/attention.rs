//! Scaled dot-product attention (Vaswani et al. 2017) of one window, in f32.
//!
//! A head's keys and values are packed as the panels of a product, so that scores and contexts are the same tiled
//! products as everything else. The probabilities of some queries at a time are kept; they are divided by their sum
//! only when the context is stored.

use std::ops::Range;

use crate::isa::kernel;
use crate::linear::at_least;
use crate::math::{exp2, fold};
use crate::product::{self, FloatPanels, FloatRows, Output};
use crate::simd::{LANES, Simd};
use crate::{Cpu, Scratch};

/// Queries whose probabilities are kept at a time.
const QUERIES: usize = 24;

/// Between rows of probabilities: see `linear.rs`.
const ROW_PADDING: usize = 16;

impl Cpu {
    /// Multi-head attention of the tokens `queries` of a window over all its tokens. `qkv` has, for each token of the
    /// window, its query, key and value side by side (`[tokens][3][hidden]`), heads side by side within each; `out`
    /// becomes `[queries][hidden]`.
    ///
    /// # Panics
    /// If the lengths do not fit together.
    pub fn attention(
        self,
        qkv: &[f32],
        (heads, hidden): (usize, usize),
        queries: Range<usize>,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        assert!(heads > 0 && hidden > 0 && hidden.is_multiple_of(heads), "heads share the hidden size evenly");
        let tokens = qkv.len() / (3 * hidden);
        assert_eq!(qkv.len(), tokens * 3 * hidden, "a query, a key and a value for every token");
        assert!(queries.start <= queries.end && queries.end <= tokens, "queries are tokens of the window");
        assert_eq!(out.len(), queries.len() * hidden, "room for every query's context");
        if queries.is_empty() {
            return;
        }
        attend(self, Window { qkv, tokens, heads, hidden }, queries, &mut scratch.head, out);
    }
}

/// What is attended to.
#[derive(Clone, Copy)]
struct Window<'w> {
    qkv: &'w [f32],
    tokens: usize,
    heads: usize,
    hidden: usize,
}

#[inline(always)]
unsafe fn generic<S: Simd>(window: Window<'_>, queries: Range<usize>, room: &mut Vec<f32>, out: &mut [f32]) {
    let Window { qkv, tokens, heads, hidden } = window;
    let (width, stride) = (hidden / heads, 3 * hidden);
    #[expect(clippy::cast_precision_loss, reason = "a head is some dozens wide")]
    let scale = 1.0 / (width as f32).sqrt();
    let tokens_padded = tokens.next_multiple_of(LANES);
    let row = tokens_padded + ROW_PADDING;
    let (keys_len, values_len) = (tokens_padded * width, width.next_multiple_of(LANES) * tokens);
    let room = at_least(room, keys_len + values_len + QUERIES * row + QUERIES);
    let (keys, room) = room.split_at_mut(keys_len);
    let (values, room) = room.split_at_mut(values_len);
    let (scores, inverses) = room.split_at_mut(QUERIES * row);
    for head in 0..heads {
        let query = head * width;
        pack_keys(&qkv[hidden + query..], (tokens, stride), width, keys);
        pack_values(&qkv[2 * hidden + query..], (tokens, stride), width, values);
        let mut first = queries.start;
        while first < queries.end {
            let rows = (queries.end - first).min(QUERIES);
            // SAFETY: the caller's; the lengths were checked, and keys, values and scores have the room that they need.
            unsafe {
                let from = qkv.as_ptr().add(first * stride + query);
                let keys = FloatPanels {
                    values: keys.as_ptr(),
                    inputs: width,
                    outputs: tokens_padded,
                    bias: std::ptr::null(),
                };
                let output = Output { to: scores.as_mut_ptr(), stride: row };
                let asking = FloatRows { rows, values: from, stride, scales: std::ptr::null() };
                product::f32::<S>(asking, keys, (), output);
                for (r, inverse) in inverses.iter_mut().enumerate().take(rows) {
                    *inverse = powers::<S>(scores[r * row..].as_mut_ptr(), tokens, scale);
                }
                let values =
                    FloatPanels { values: values.as_ptr(), inputs: tokens, outputs: width, bias: std::ptr::null() };
                let at = (first - queries.start) * hidden + query;
                let output = Output { to: out[at..].as_mut_ptr(), stride: hidden };
                let rows = FloatRows { rows, values: scores.as_ptr(), stride: row, scales: inverses.as_ptr() };
                product::f32::<S>(rows, values, (), output);
            }
            first += rows;
        }
    }
}

/// Keys as panels of sixteen tokens: `[tokens / 16][width][16]`.
#[inline(always)]
fn pack_keys(keys: &[f32], (tokens, stride): (usize, usize), width: usize, panels: &mut [f32]) {
    for (panel, first) in panels.chunks_exact_mut(width * LANES).zip((0..tokens).step_by(LANES)) {
        let there = (tokens - first).min(LANES);
        // The last key stands in for those that are not there: what comes of it is not read.
        let key = |lane: usize| &keys[(first + lane.min(there - 1)) * stride..][..width];
        let keys: [&[f32]; LANES] = std::array::from_fn(key);
        for (i, column) in panel.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            for (to, key) in column.iter_mut().zip(keys) {
                // SAFETY: there are `width` columns in a panel and values in a key.
                *to = unsafe { *key.get_unchecked(i) };
            }
        }
    }
}

/// Values as panels of sixteen columns: `[width / 16][tokens][16]`, padded with zeros.
#[inline(always)]
fn pack_values(values: &[f32], (tokens, stride): (usize, usize), width: usize, panels: &mut [f32]) {
    for (panel, first) in panels.chunks_exact_mut(tokens * LANES).zip((0..width).step_by(LANES)) {
        let there = (width - first).min(LANES);
        for (token, to) in panel.chunks_exact_mut(LANES).enumerate() {
            to[..there].copy_from_slice(&values[token * stride + first..][..there]);
            to[there..].fill(0.0);
        }
    }
}

/// Turns `n` scores into `e^(scale * (score - greatest score))`, in place; one over their sum. What is behind them up to
/// the next whole vector becomes nonsense that nothing reads.
#[inline(always)]
unsafe fn powers<S: Simd>(row: *mut f32, n: usize, scale: f32) -> f32 {
    let whole = n / LANES * LANES;
    // SAFETY: the caller's: there are whole vectors, and at least one score.
    unsafe {
        let mut greatest = S::load_first(row.add(whole), n - whole, f32::MIN);
        let mut at = 0;
        while at < whole {
            greatest = S::max(greatest, S::load(row.add(at)));
            at += LANES;
        }
        let greatest = S::splat(fold(S::lanes(greatest), f32::max));
        let scale = S::splat(scale * std::f32::consts::LOG2_E);
        let mut sums = S::splat(0.0);
        let mut at = 0;
        while at < whole {
            let powers = power::<S>(S::load(row.add(at)), greatest, scale);
            S::store(row.add(at), powers);
            sums = S::add(sums, powers);
            at += LANES;
        }
        if whole < n {
            S::store(row.add(whole), power::<S>(S::load(row.add(whole)), greatest, scale));
            sums = S::add(sums, S::load_first(row.add(whole), n - whole, 0.0));
        }
        1.0 / fold(S::lanes(sums), |a, b| a + b)
    }
}

#[inline(always)]
unsafe fn power<S: Simd>(x: S::F, greatest: S::F, scale: S::F) -> S::F {
    // SAFETY: the caller's.
    unsafe { exp2::<S>(S::mul(S::sub(x, greatest), scale)) }
}

kernel! {
    fn attend(window: Window<'_>, queries: Range<usize>, room: &mut Vec<f32>, out: &mut [f32]) = generic
}
