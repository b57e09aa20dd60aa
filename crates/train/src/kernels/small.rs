//! Products of small matrices that stay in the first cache level, as attention per window and head needs them.
//!
//! All dimensions are multiples of [`LANES`]: callers pad with zeros, and no tail is ever handled.

/// Columns that the inner loop computes at once; every dimension is a multiple.
pub(super) const LANES: usize = 16;

/// Rows that the inner loop computes at once: with [`LANES`] columns, eight vector registers of sums.
const ROWS: usize = 4;

/// `value` rounded up to a multiple of [`LANES`].
pub(super) const fn padded(value: usize) -> usize {
    value.div_ceil(LANES) * LANES
}

/// A matrix read by its strides, so that a transposed one needs no copy.
#[derive(Clone, Copy)]
pub(super) struct Strided<'a> {
    pub(super) data: &'a [f32],
    pub(super) row: usize,
    pub(super) column: usize,
}

impl<'a> Strided<'a> {
    /// `data` with rows of `width`.
    pub(super) const fn rows(data: &'a [f32], width: usize) -> Self {
        Self { data, row: width, column: 1 }
    }

    /// The transpose of `data` with rows of `width`.
    pub(super) const fn columns(data: &'a [f32], width: usize) -> Self {
        Self { data, row: 1, column: width }
    }
}

/// `out[m, n] = a[m, k] * b[k, n]`; `m` and `k` follow from the slices' lengths, `panel` is scratch space.
#[inline(always)]
pub(super) fn matmul(out: &mut [f32], a: Strided<'_>, b: &[f32], n: usize, panel: &mut Vec<f32>) {
    let k = b.len() / n;
    panel.resize(k * ROWS, 0.0);
    for (block, rows) in out.chunks_exact_mut(ROWS * n).enumerate() {
        for (p, slot) in panel.chunks_exact_mut(ROWS).enumerate() {
            for (r, value) in slot.iter_mut().enumerate() {
                *value = a.data[(block * ROWS + r) * a.row + p * a.column];
            }
        }
        let (panel, _) = panel.as_chunks::<ROWS>();
        for column in (0..n).step_by(LANES) {
            let mut sums = [[0.0_f32; LANES]; ROWS];
            for (left, right) in panel.iter().zip(b.chunks_exact(n)) {
                let right: [f32; LANES] = *right[column..].first_chunk().expect("widths are multiples of LANES");
                // Spelt out, so that the sums stay in registers: ten times as fast as a loop over the rows.
                let [sum0, sum1, sum2, sum3] = &mut sums;
                add_scaled(sum0, left[0], &right);
                add_scaled(sum1, left[1], &right);
                add_scaled(sum2, left[2], &right);
                add_scaled(sum3, left[3], &right);
            }
            for (row, sum) in rows.chunks_exact_mut(n).zip(&sums) {
                row[column..column + LANES].copy_from_slice(sum);
            }
        }
    }
}

/// `sum += factor * right`.
#[inline(always)]
fn add_scaled(sum: &mut [f32; LANES], factor: f32, right: &[f32; LANES]) {
    for lane in 0..LANES {
        sum[lane] = factor.mul_add(right[lane], sum[lane]);
    }
}

/// `out[c, r] = data[r, c]` for `data` with rows of `width` and `out` with rows of `out_width`.
#[inline(always)]
pub(super) fn transpose(data: &[f32], width: usize, out: &mut [f32], out_width: usize) {
    for (r, row) in data.chunks_exact(width).enumerate() {
        for (c, &value) in row.iter().enumerate() {
            out[c * out_width + r] = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_right_either_way_round() {
        let (m, n, k) = (32, 48, 16);
        let value = |seed: usize, i: usize| ((i * 37 + seed * 11) % 19) as f32 - 9.0;
        let a: Vec<f32> = (0..m * k).map(|i| value(1, i)).collect();
        let b: Vec<f32> = (0..k * n).map(|i| value(2, i)).collect();
        let mut at = vec![0.0; m * k];
        transpose(&a, k, &mut at, m);
        let mut panel = Vec::new();
        let (mut straight, mut turned) = (vec![0.0; m * n], vec![0.0; m * n]);
        matmul(&mut straight, Strided::rows(&a, k), &b, n, &mut panel);
        matmul(&mut turned, Strided::columns(&at, m), &b, n, &mut panel);
        assert_eq!(straight, turned);
        for i in 0..m {
            for j in 0..n {
                let want: f32 = (0..k).map(|p| a[i * k + p] * b[p * n + j]).sum();
                assert_eq!(straight[i * n + j], want);
            }
        }
    }
}
