//! Functions of rows: bias, layer norm, gathering from a table, and sums over rows.

use dateline_model::math::{self, dot, vectorised};
use rayon::prelude::*;

use super::BLOCK_ROWS;

/// Adds `bias` to every row.
pub(crate) fn add_bias(rows: &mut [f32], bias: &[f32]) {
    rows.par_chunks_mut(BLOCK_ROWS * bias.len()).for_each(|block| {
        vectorised(
            #[inline(always)]
            || {
                for row in block.chunks_exact_mut(bias.len()) {
                    for (value, add) in row.iter_mut().zip(bias) {
                        *value += add;
                    }
                }
            },
        );
    });
}

/// The sum of all rows of `width`.
pub(crate) fn column_sums(rows: &[f32], width: usize) -> Vec<f32> {
    let blocks = rows.par_chunks(4 * BLOCK_ROWS * width).map(|block| {
        let mut sums = vec![0.0; width];
        vectorised(
            #[inline(always)]
            || {
                for row in block.chunks_exact(width) {
                    for (sum, value) in sums.iter_mut().zip(row) {
                        *sum += value;
                    }
                }
            },
        );
        sums
    });
    add_up(blocks.collect(), width)
}

/// Sums the blocks' vectors in their order.
fn add_up(blocks: Vec<Vec<f32>>, width: usize) -> Vec<f32> {
    let mut total = vec![0.0; width];
    for block in blocks {
        for (sum, value) in total.iter_mut().zip(&block) {
            *sum += value;
        }
    }
    total
}

/// The rows of `table` (rows of `width`) at `ids`. Out-of-range ids are the caller's bug and panic.
pub(crate) fn gather(table: &[f32], width: usize, ids: &[u32]) -> Vec<f32> {
    let mut out = Vec::with_capacity(ids.len() * width);
    for &id in ids {
        let start = id as usize * width;
        out.extend_from_slice(&table[start..start + width]);
    }
    out
}

/// The layer norm of every row of `x` (plus that of `residual`): the result, the normalised rows before weight and
/// bias, and each row's 1 / deviation, both of which the backward pass needs.
pub(crate) fn layer_norm(
    x: &[f32],
    residual: Option<&[f32]>,
    weight: &[f32],
    bias: &[f32],
    eps: f32,
) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let width = weight.len();
    let size = BLOCK_ROWS * width;
    let mut out = vec![0.0; x.len()];
    let mut normal = vec![0.0; x.len()];
    let mut scales = vec![0.0; x.len() / width];
    let inverse = 1.0 / width as f32;
    out.par_chunks_mut(size)
        .zip(normal.par_chunks_mut(size))
        .zip(scales.par_chunks_mut(BLOCK_ROWS))
        .enumerate()
        .for_each(|(block, ((out, normal), scales))| {
            let range = block * size..block * size + out.len();
            let x = &x[range.clone()];
            let residual = residual.map(|residual| &residual[range]);
            vectorised(
                #[inline(always)]
                || {
                    for (r, scale) in scales.iter_mut().enumerate() {
                        let at = r * width..(r + 1) * width;
                        let row = &mut normal[at.clone()];
                        row.copy_from_slice(&x[at.clone()]);
                        if let Some(residual) = residual {
                            for (value, add) in row.iter_mut().zip(&residual[at.clone()]) {
                                *value += add;
                            }
                        }
                        let mean = math::sum(row) * inverse;
                        for value in row.iter_mut() {
                            *value -= mean;
                        }
                        *scale = 1.0 / (dot(row, row) * inverse + eps).sqrt();
                        let out = &mut out[at];
                        for (((out, value), weight), bias) in out.iter_mut().zip(row.iter_mut()).zip(weight).zip(bias) {
                            *value *= *scale;
                            *out = value.mul_add(*weight, *bias);
                        }
                    }
                },
            );
        });
    (out, normal, scales)
}

/// Turns the gradient of [`layer_norm`]'s result into that of its argument, in place, and returns the gradients of
/// weight and bias.
pub(crate) fn layer_norm_backward(
    gradient: &mut [f32],
    normal: &[f32],
    scales: &[f32],
    weight: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let width = weight.len();
    let inverse = 1.0 / width as f32;
    let size = 4 * BLOCK_ROWS * width;
    let sums: Vec<(Vec<f32>, Vec<f32>)> = gradient
        .par_chunks_mut(size)
        .zip(normal.par_chunks(size))
        .zip(scales.par_chunks(4 * BLOCK_ROWS))
        .map(|((gradient, normal), scales)| {
            let (mut weights, mut biases) = (vec![0.0; width], vec![0.0; width]);
            vectorised(
                #[inline(always)]
                || {
                    let rows = gradient.chunks_exact_mut(width).zip(normal.chunks_exact(width));
                    for ((gradient, normal), scale) in rows.zip(scales) {
                        let sums = weights.iter_mut().zip(biases.iter_mut());
                        for (((g, n), w), (sum, plain)) in gradient.iter_mut().zip(normal).zip(weight).zip(sums) {
                            *sum = g.mul_add(*n, *sum);
                            *plain += *g;
                            *g *= w;
                        }
                        let mean = math::sum(gradient) * inverse;
                        let along = dot(gradient, normal) * inverse;
                        for (g, n) in gradient.iter_mut().zip(normal) {
                            *g = scale * (*g - n.mul_add(along, mean));
                        }
                    }
                },
            );
            (weights, biases)
        })
        .collect();
    let (weights, biases) = sums.into_iter().unzip();
    (add_up(weights, width), add_up(biases, width))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layer_norm_has_mean_and_deviation() {
        let width = 37;
        let x: Vec<f32> = (0..width * 40).map(|i| ((i * 31 % 101) as f32).mul_add(0.1, 5.0)).collect();
        let (out, normal, _) = layer_norm(&x, None, &vec![2.0; width], &vec![1.0; width], 1e-12);
        for (row, plain) in out.chunks_exact(width).zip(normal.chunks_exact(width)) {
            let mean = row.iter().sum::<f32>() / width as f32;
            let square = plain.iter().map(|value| value * value).sum::<f32>() / width as f32;
            assert!((mean - 1.0).abs() < 1e-5 && (square - 1.0).abs() < 1e-5);
        }
    }

    #[test]
    fn sums_do_not_depend_on_threads() {
        let width = 5;
        let x: Vec<f32> = (0..width * 1000).map(|i| (i as f32).sin()).collect();
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| column_sums(&x, width))
        };
        assert_eq!(on(1), on(3));
    }
}
