//! Attention per window and head, forward and backward. The backward pass computes the probabilities again instead of
//! keeping them: they are cheaper to make than to store.

use std::ops::Range;

use dateline_model::math::{self, vectorised};
use rayon::prelude::*;

use super::Draw;
use super::small::{Strided, matmul, padded, transpose};

/// The shape of an attention over packed windows.
#[derive(Clone, Debug)]
pub(crate) struct AttentionArgs {
    /// Where each window begins, and last the number of tokens.
    pub(crate) cu_seqlens: Vec<usize>,
    /// Number of heads.
    pub(crate) heads: usize,
    /// Width of a token's vector; all heads together.
    pub(crate) hidden: usize,
    /// Dropout on the probabilities.
    pub(crate) draw: Option<Draw>,
}

/// One head's matrices in one window, padded with zeros.
#[derive(Default)]
struct Head {
    tokens: usize,
    /// Padded number of tokens and width of a head.
    rows: usize,
    width: usize,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    turned: Vec<f32>,
    probabilities: Vec<f32>,
    panel: Vec<f32>,
}

impl AttentionArgs {
    fn head_width(&self) -> usize {
        self.hidden / self.heads
    }

    fn windows(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.cu_seqlens.windows(2).map(|pair| pair[0]..pair[1])
    }

    /// Cuts `[tokens, hidden]` at the windows, for writing.
    fn split<'m>(&self, mut matrix: &'m mut [f32]) -> Vec<&'m mut [f32]> {
        let mut parts = Vec::with_capacity(self.cu_seqlens.len());
        for window in self.windows() {
            let (part, rest) = matrix.split_at_mut(window.len() * self.hidden);
            parts.push(part);
            matrix = rest;
        }
        parts
    }

    fn mask(&self, window: usize, head: usize) -> Option<Draw> {
        self.draw.map(|draw| draw.part((window * self.heads + head) as u64))
    }
}

/// Copies head `head` of `tokens` rows from `from` (rows of `hidden`) into a padded matrix, times `scale`.
#[inline(always)]
fn take_head(from: &[f32], args: &AttentionArgs, head: usize, scale: f32, into: &mut Vec<f32>, size: (usize, usize)) {
    let (rows, width) = size;
    let used = args.head_width();
    into.clear();
    into.resize(rows * width, 0.0);
    for (row, from) in into.chunks_exact_mut(width).zip(from.chunks_exact(args.hidden)) {
        for (value, from) in row.iter_mut().zip(&from[head * used..(head + 1) * used]) {
            *value = from * scale;
        }
    }
}

/// Copies a padded head back to its columns, times `scale`.
#[inline(always)]
fn put_head(head: usize, args: &AttentionArgs, from: &[f32], width: usize, scale: f32, into: &mut [f32]) {
    let used = args.head_width();
    for (row, from) in into.chunks_exact_mut(args.hidden).zip(from.chunks_exact(width)) {
        for (value, from) in row[head * used..(head + 1) * used].iter_mut().zip(from) {
            *value = from * scale;
        }
    }
}

impl Head {
    /// Loads one head of a window and computes its probabilities, before dropout.
    #[inline(always)]
    fn load(&mut self, q: &[f32], k: &[f32], v: &[f32], args: &AttentionArgs, head: usize) {
        self.tokens = q.len() / args.hidden;
        (self.rows, self.width) = (padded(self.tokens), padded(args.head_width()));
        let size = (self.rows, self.width);
        take_head(q, args, head, scale(args), &mut self.q, size);
        take_head(k, args, head, 1.0, &mut self.k, size);
        take_head(v, args, head, 1.0, &mut self.v, size);
        self.turned.resize(self.width * self.rows, 0.0);
        transpose(&self.k, self.width, &mut self.turned, self.rows);
        self.probabilities.resize(self.rows * self.rows, 0.0);
        let Self { q, turned, probabilities, panel, .. } = self;
        matmul(probabilities, Strided::rows(q, self.width), turned, self.rows, panel);
        for row in probabilities.chunks_exact_mut(self.rows) {
            let (used, padding) = row.split_at_mut(self.tokens);
            math::softmax(used, 1.0);
            padding.fill(0.0);
        }
    }
}

fn scale(args: &AttentionArgs) -> f32 {
    1.0 / (args.head_width() as f32).sqrt()
}

/// Multiplies a square matrix with its dropout mask.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "an index is only hashed")]
fn drop_out(matrix: &mut [f32], draw: Draw) {
    for (i, value) in matrix.iter_mut().enumerate() {
        *value *= draw.factor(i as u32);
    }
}

/// `softmax(q k^T / sqrt(width)) v` per window and head; all matrices `[tokens, hidden]`.
pub(crate) fn attention(q: &[f32], k: &[f32], v: &[f32], args: &AttentionArgs) -> Vec<f32> {
    let mut out = vec![0.0; q.len()];
    let parts = args.split(&mut out);
    let windows: Vec<_> = args.windows().zip(parts).enumerate().collect();
    windows.into_par_iter().for_each_init(
        || (Head::default(), Vec::new()),
        |(head, context), (window, (tokens, out))| {
            let rows = tokens.start * args.hidden..tokens.end * args.hidden;
            let (q, k, v) = (&q[rows.clone()], &k[rows.clone()], &v[rows]);
            vectorised(
                #[inline(always)]
                || {
                    for h in 0..args.heads {
                        head.load(q, k, v, args, h);
                        if let Some(draw) = args.mask(window, h) {
                            drop_out(&mut head.probabilities, draw);
                        }
                        context.resize(head.rows * head.width, 0.0);
                        matmul(
                            context,
                            Strided::rows(&head.probabilities, head.rows),
                            &head.v,
                            head.width,
                            &mut head.panel,
                        );
                        put_head(h, args, context, head.width, 1.0, out);
                    }
                },
            );
        },
    );
    out
}

/// The gradients of `q`, `k` and `v` from that of [`attention`]'s result.
pub(crate) fn attention_backward(
    q: &[f32],
    k: &[f32],
    v: &[f32],
    gradient: &[f32],
    args: &AttentionArgs,
) -> [Vec<f32>; 3] {
    let mut out = [(); 3].map(|()| vec![0.0; q.len()]);
    let [dq, dk, dv] = &mut out;
    let parts = args.split(dq).into_iter().zip(args.split(dk)).zip(args.split(dv));
    let windows: Vec<_> = args.windows().zip(parts).enumerate().collect();
    windows.into_par_iter().for_each_init(
        || (Head::default(), Backward::default()),
        |(head, backward), (window, (tokens, ((dq, dk), dv)))| {
            let rows = tokens.start * args.hidden..tokens.end * args.hidden;
            let (q, k, v, gradient) = (&q[rows.clone()], &k[rows.clone()], &v[rows.clone()], &gradient[rows]);
            vectorised(
                #[inline(always)]
                || {
                    for h in 0..args.heads {
                        head.load(q, k, v, args, h);
                        take_head(gradient, args, h, 1.0, &mut backward.gradient, (head.rows, head.width));
                        backward.run(head, args.mask(window, h));
                        put_head(h, args, &backward.q, head.width, scale(args), dq);
                        put_head(h, args, &backward.k, head.width, 1.0, dk);
                        put_head(h, args, &backward.v, head.width, 1.0, dv);
                    }
                },
            );
        },
    );
    out
}

/// One head's gradients in one window, padded.
#[derive(Default)]
struct Backward {
    gradient: Vec<f32>,
    dropped: Vec<f32>,
    scores: Vec<f32>,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

impl Backward {
    #[inline(always)]
    fn run(&mut self, head: &mut Head, draw: Option<Draw>) {
        let (rows, width) = (head.rows, head.width);
        for matrix in [&mut self.q, &mut self.k, &mut self.v] {
            matrix.resize(rows * width, 0.0);
        }
        // v: the transposed (dropped) probabilities times the gradient.
        self.dropped.clear();
        self.dropped.extend_from_slice(&head.probabilities);
        if let Some(draw) = draw {
            drop_out(&mut self.dropped, draw);
        }
        matmul(&mut self.v, Strided::columns(&self.dropped, rows), &self.gradient, width, &mut head.panel);
        // Probabilities: the gradient times v transposed; then back through dropout and softmax to the scores.
        transpose(&head.v, width, &mut head.turned, rows);
        self.scores.resize(rows * rows, 0.0);
        matmul(&mut self.scores, Strided::rows(&self.gradient, width), &head.turned, rows, &mut head.panel);
        if let Some(draw) = draw {
            drop_out(&mut self.scores, draw);
        }
        for (scores, probabilities) in self.scores.chunks_exact_mut(rows).zip(head.probabilities.chunks_exact(rows)) {
            let mean = math::dot(scores, probabilities);
            for (score, p) in scores.iter_mut().zip(probabilities) {
                *score = p * (*score - mean);
            }
        }
        // Padding rows attend evenly to all tokens, but their gradient is 0 and they add nothing.
        matmul(&mut self.q, Strided::rows(&self.scores, rows), &head.k, width, &mut head.panel);
        matmul(&mut self.k, Strided::columns(&self.scores, rows), &head.q, width, &mut head.panel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize, seed: u32) -> Vec<f32> {
        (0..len).map(|i| ((i as f32 * 12.9898 + seed as f32 * 78.233).sin() * 43_758.547).fract()).collect()
    }

    fn reference(q: &[f32], k: &[f32], v: &[f32], args: &AttentionArgs) -> Vec<f32> {
        let width = args.head_width();
        let mut out = vec![0.0; q.len()];
        for window in args.windows() {
            for head in 0..args.heads {
                for i in window.clone() {
                    let at = |matrix: &[f32], t: usize, d: usize| matrix[t * args.hidden + head * width + d];
                    let scores: Vec<f32> = window
                        .clone()
                        .map(|j| (0..width).map(|d| at(q, i, d) * at(k, j, d)).sum::<f32>() / (width as f32).sqrt())
                        .collect();
                    let total: f32 = scores.iter().map(|s| s.exp()).sum();
                    for d in 0..width {
                        out[i * args.hidden + head * width + d] =
                            window.clone().zip(&scores).map(|(j, s)| s.exp() / total * at(v, j, d)).sum();
                    }
                }
            }
        }
        out
    }

    #[test]
    fn equals_the_definition_on_uneven_windows() {
        let args = AttentionArgs { cu_seqlens: vec![0, 1, 20, 53], heads: 3, hidden: 15, draw: None };
        let [q, k, v] = [1, 2, 3].map(|seed| noise(53 * 15, seed));
        let got = attention(&q, &k, &v, &args);
        for (got, want) in got.iter().zip(reference(&q, &k, &v, &args)) {
            assert!((got - want).abs() < 1e-5);
        }
    }

    #[test]
    fn gradients_equal_finite_differences() {
        let draw = Some(Draw::new(5, 0.25));
        let args = AttentionArgs { cu_seqlens: vec![0, 3, 20], heads: 2, hidden: 10, draw };
        let inputs = [1, 2, 3].map(|seed| noise(200, seed));
        let gradient = noise(200, 4);
        let loss = |inputs: &[Vec<f32>; 3]| -> f64 {
            let out = attention(&inputs[0], &inputs[1], &inputs[2], &args);
            out.iter().zip(&gradient).map(|(a, b)| f64::from(a * b)).sum()
        };
        let got = attention_backward(&inputs[0], &inputs[1], &inputs[2], &gradient, &args);
        for which in 0..3 {
            for i in (0..200).step_by(7) {
                let shifted = |by: f32| {
                    let mut inputs = inputs.clone();
                    inputs[which][i] += by;
                    loss(&inputs)
                };
                let want = (shifted(1e-2) - shifted(-1e-2)) / 2e-2;
                let got = f64::from(got[which][i]);
                assert!((got - want).abs() < 2e-3, "input {which}[{i}]: {got} and {want}");
            }
        }
    }
}
