//! Products of rows with packed matrices: tiles whose sums stay in registers, over all rows of a block for one or two
//! panels of a matrix, so that a panel is read from the nearest cache.

use std::ops::Range;

use crate::Activation;
use crate::math::activate;
use crate::matrix::{F32Matrix, Int8Matrix};
use crate::simd::{LANES, Simd};

/// Where results go: row by row, `stride` apart.
#[derive(Clone, Copy)]
pub(crate) struct Output {
    pub(crate) to: *mut f32,
    pub(crate) stride: usize,
}

/// Quantised rows as a product reads them.
#[derive(Clone, Copy)]
pub(crate) struct QuantisedRows {
    pub(crate) rows: usize,
    /// `[rows][depth]`.
    pub(crate) values: *const u8,
    pub(crate) depth: usize,
    /// What a step is worth, per row.
    pub(crate) scales: *const f32,
    /// What zero stands for, per row.
    pub(crate) offsets: *const f32,
}

/// f32 rows as a product reads them.
#[derive(Clone, Copy)]
pub(crate) struct FloatRows {
    pub(crate) rows: usize,
    pub(crate) values: *const f32,
    pub(crate) stride: usize,
    /// What each row's results are multiplied with; null for nothing.
    pub(crate) scales: *const f32,
}

/// Panels of an f32 matrix: `[panels][inputs][16]`, and a bias for each output.
#[derive(Clone, Copy)]
pub(crate) struct FloatPanels {
    pub(crate) values: *const f32,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// Null for none.
    pub(crate) bias: *const f32,
}

impl From<&F32Matrix> for FloatPanels {
    fn from(matrix: &F32Matrix) -> Self {
        Self {
            values: matrix.panels.as_ptr(),
            inputs: matrix.inputs,
            outputs: matrix.outputs,
            bias: matrix.bias.as_ptr(),
        }
    }
}

/// A product that can be cut into tiles of some rows and panels.
trait Tiles<S: Simd>: Copy {
    /// Rows and outputs.
    fn size(&self) -> (usize, usize);
    /// Computes rows `row..row + R` of panels `panel..panel + V`.
    unsafe fn tile<const R: usize, const V: usize>(&self, row: usize, panel: usize, output: Output);
}

/// What is done with results while they are in the nearest cache.
pub(crate) trait Finish<S: Simd> {
    /// Takes `columns` of all rows of `output`.
    ///
    /// # Safety
    /// That of [`Simd`]; those results are there.
    unsafe fn finish(&mut self, rows: usize, columns: Range<usize>, output: Output);
}

/// Nothing.
impl<S: Simd> Finish<S> for () {
    #[inline(always)]
    unsafe fn finish(&mut self, _rows: usize, _columns: Range<usize>, _output: Output) {}
}

impl<S: Simd, T: Finish<S>> Finish<S> for &mut T {
    #[inline(always)]
    unsafe fn finish(&mut self, rows: usize, columns: Range<usize>, output: Output) {
        // SAFETY: the caller's.
        unsafe { (**self).finish(rows, columns, output) }
    }
}

/// The non-linearity.
impl<S: Simd> Finish<S> for Activation {
    #[inline(always)]
    unsafe fn finish(&mut self, rows: usize, columns: Range<usize>, output: Output) {
        for row in 0..rows {
            let mut column = columns.start;
            while column < columns.end {
                let n = (columns.end - column).min(LANES);
                // SAFETY: the caller's.
                unsafe {
                    let at = output.to.add(row * output.stride + column);
                    put::<S>(at, n, activate::<S>(get::<S>(at, n, 0.0), *self));
                }
                column += n;
            }
        }
    }
}

/// All rows of one group of panels after the other.
#[inline(always)]
unsafe fn run<S: Simd, T: Tiles<S>>(
    product: T,
    (rows_of_tile, panels_of_tile): (usize, usize),
    mut finish: impl Finish<S>,
    output: Output,
) {
    let (rows, outputs) = product.size();
    let panels = outputs.div_ceil(LANES);
    let mut panel = 0;
    while panel < panels {
        // SAFETY: rows and panels are within the product's size.
        let taken = unsafe {
            if panels_of_tile > 1 && panel + 1 < panels {
                down_the_rows::<S, T, 2>(product, rows, rows_of_tile, panel, output);
                2
            } else {
                down_the_rows::<S, T, 1>(product, rows, rows_of_tile, panel, output);
                1
            }
        };
        let columns = panel * LANES..outputs.min((panel + taken) * LANES);
        // SAFETY: these results have just been written.
        unsafe { finish.finish(rows, columns, output) };
        panel += taken;
    }
}

#[inline(always)]
unsafe fn down_the_rows<S: Simd, T: Tiles<S>, const V: usize>(
    product: T,
    rows: usize,
    rows_of_tile: usize,
    panel: usize,
    output: Output,
) {
    let mut row = 0;
    macro_rules! tiles {
        ($($height:literal)*) => {
            $(
                while rows_of_tile >= $height && rows - row >= $height {
                    // SAFETY: there are so many rows left.
                    unsafe { product.tile::<$height, V>(row, panel, output) };
                    row += $height;
                }
            )*
        };
    }
    tiles!(12 6 4 2 1);
}

/// The first `n` values, at most sixteen, and `rest` in the other lanes.
#[inline(always)]
pub(crate) unsafe fn get<S: Simd>(from: *const f32, n: usize, rest: f32) -> S::F {
    // SAFETY: the caller's.
    unsafe { if n >= LANES { S::load(from) } else { S::load_first(from, n, rest) } }
}

/// Stores the first `valid` lanes, at most sixteen.
#[inline(always)]
pub(crate) unsafe fn put<S: Simd>(to: *mut f32, valid: usize, x: S::F) {
    // SAFETY: the caller's.
    unsafe {
        if valid >= LANES {
            S::store(to, x);
        } else {
            S::store_first(to, valid, x);
        }
    }
}

#[derive(Clone, Copy)]
struct Int8Product<'m> {
    rows: QuantisedRows,
    matrix: &'m Int8Matrix,
}

impl<S: Simd> Tiles<S> for Int8Product<'_> {
    #[inline(always)]
    fn size(&self) -> (usize, usize) {
        (self.rows.rows, self.matrix.outputs)
    }

    #[inline(always)]
    unsafe fn tile<const R: usize, const V: usize>(&self, row: usize, panel: usize, output: Output) {
        let depth = self.rows.depth;
        // SAFETY: the rows and panels exist, and both are padded to the same whole number of steps.
        unsafe {
            let a = self.rows.values.add(row * depth);
            let w = self.matrix.panels.as_ptr().add(panel * LANES * depth);
            let mut sums = [[S::zero(); V]; R];
            let mut k = 0;
            while k < depth {
                let mut weights = [[S::weights(w), S::weights(w)]; V];
                for (v, weights) in weights.iter_mut().enumerate() {
                    let at = w.add(v * LANES * depth + k * LANES);
                    *weights = [S::weights(at), S::weights(at.add(4 * LANES))];
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let at = a.add(r * depth + k);
                    let activations = [S::activations(at), S::activations(at.add(4))];
                    for (sum, weights) in sums.iter_mut().zip(weights) {
                        *sum = S::dot8(*sum, activations, weights);
                    }
                }
                k += 8;
            }
            for v in 0..V {
                let column = (panel + v) * LANES;
                let scale = S::load(self.matrix.scales.as_ptr().add(column));
                let sum_of_weights = S::load(self.matrix.sums.as_ptr().add(column));
                let bias = S::load(self.matrix.bias.as_ptr().add(column));
                for (r, sums) in sums.iter().enumerate() {
                    let step = S::splat(*self.rows.scales.add(row + r));
                    let offset = S::splat(*self.rows.offsets.add(row + r));
                    let constant = S::fma(offset, sum_of_weights, bias);
                    let result = S::fma(S::mul(S::float(sums[v]), step), scale, constant);
                    let to = output.to.add((row + r) * output.stride + column);
                    put::<S>(to, self.matrix.outputs - column, result);
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
struct F32Product {
    rows: FloatRows,
    panels: FloatPanels,
}

impl<S: Simd> Tiles<S> for F32Product {
    #[inline(always)]
    fn size(&self) -> (usize, usize) {
        (self.rows.rows, self.panels.outputs)
    }

    #[inline(always)]
    unsafe fn tile<const R: usize, const V: usize>(&self, row: usize, panel: usize, output: Output) {
        let inputs = self.panels.inputs;
        // SAFETY: the rows and panels exist.
        unsafe {
            let a = self.rows.values.add(row * self.rows.stride);
            let w = self.panels.values.add(panel * LANES * inputs);
            let mut sums = [[S::splat(0.0); V]; R];
            for k in 0..inputs {
                let mut weights = [S::splat(0.0); V];
                for (v, weights) in weights.iter_mut().enumerate() {
                    *weights = S::load(w.add((v * inputs + k) * LANES));
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let x = S::splat(*a.add(r * self.rows.stride + k));
                    for (sum, weight) in sums.iter_mut().zip(weights) {
                        *sum = S::fma(x, weight, *sum);
                    }
                }
            }
            for v in 0..V {
                let column = (panel + v) * LANES;
                let bias =
                    if self.panels.bias.is_null() { S::splat(0.0) } else { S::load(self.panels.bias.add(column)) };
                for (r, sums) in sums.iter().enumerate() {
                    let scale = if self.rows.scales.is_null() { 1.0 } else { *self.rows.scales.add(row + r) };
                    let to = output.to.add((row + r) * output.stride + column);
                    put::<S>(to, self.panels.outputs - column, S::fma(sums[v], S::splat(scale), bias));
                }
            }
        }
    }
}

/// `rows * matrix + bias`, finished.
///
/// # Safety
/// That of [`Simd`]; the rows are as wide as the matrix is deep, and `output` has room for its outputs in each row.
#[inline(always)]
pub(crate) unsafe fn int8<S: Simd>(rows: QuantisedRows, matrix: &Int8Matrix, finish: impl Finish<S>, output: Output) {
    // SAFETY: the caller's.
    unsafe { run::<S, _>(Int8Product { rows, matrix }, S::INT8_TILE, finish, output) }
}

/// `rows * panels` times the rows' scale, plus the bias, finished.
///
/// # Safety
/// As [`int8`].
#[inline(always)]
pub(crate) unsafe fn f32<S: Simd>(rows: FloatRows, panels: FloatPanels, finish: impl Finish<S>, output: Output) {
    // SAFETY: the caller's.
    unsafe { run::<S, _>(F32Product { rows, panels }, S::F32_TILE, finish, output) }
}
