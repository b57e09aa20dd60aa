//! Linear layers and feed-forward blocks over some rows.

use crate::isa::kernel;
use crate::matrix::{F32Matrix, Int8Matrix, Matrix};
use crate::product::{self, FloatPanels, FloatRows, Output, QuantisedRows};
use crate::quantise::quantise;
use crate::rows::Floats;
use crate::simd::Simd;
use crate::{Activation, Cpu};

/// Room for what lies between the steps of a kernel. It grows to what the largest call needs and is then used again.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    /// Quantised rows.
    bytes: Vec<u8>,
    scales: Vec<f32>,
    offsets: Vec<f32>,
    /// The outputs of a feed-forward block's first layer.
    wide: Vec<f32>,
    /// Keys, values and probabilities of a head.
    pub(crate) head: Vec<f32>,
}

/// At least `len` elements of `room`, whatever they are.
pub(crate) fn at_least<T: Copy + Default>(room: &mut Vec<T>, len: usize) -> &mut [T] {
    if room.len() < len {
        room.resize(len, T::default());
    }
    &mut room[..len]
}

/// Between rows of the first layer's outputs: as the rows are often a power of two apart, a few values more keep them
/// from falling into the same places of the cache.
const WIDE_PADDING: usize = 16;

impl Cpu {
    /// `x * weightᵀ + bias`, row by row: `x` is `[rows][inputs]`, `out` becomes `[rows][outputs]`.
    ///
    /// # Panics
    /// If the lengths do not fit together.
    pub fn linear(self, x: &[f32], matrix: &Matrix, scratch: &mut Scratch, out: &mut [f32]) {
        let rows = rows_of(x.len(), matrix.inputs());
        assert_eq!(out.len(), rows * matrix.outputs(), "room for every output of every row");
        let output = Output { to: out.as_mut_ptr(), stride: matrix.outputs() };
        let x = Floats { from: x.as_ptr(), rows, width: matrix.inputs(), stride: matrix.inputs() };
        self.layer(x, matrix, None, scratch, output);
    }

    /// The feed-forward block of a transformer layer: `down(activation(up(x)))`; `x` is `[rows][inputs of up]`, `out`
    /// becomes `[rows][outputs of down]`.
    ///
    /// # Panics
    /// If the lengths do not fit together.
    pub fn feed_forward(
        self,
        x: &[f32],
        (up, activation, down): (&Matrix, Activation, &Matrix),
        scratch: &mut Scratch,
        out: &mut [f32],
    ) {
        let rows = rows_of(x.len(), up.inputs());
        assert_eq!(up.outputs(), down.inputs(), "the second layer reads what the first gives");
        assert_eq!(out.len(), rows * down.outputs(), "room for every output of every row");
        let stride = up.outputs() + WIDE_PADDING;
        let mut wide = std::mem::take(&mut scratch.wide);
        let between = Output { to: at_least(&mut wide, rows * stride).as_mut_ptr(), stride };
        let x = Floats { from: x.as_ptr(), rows, width: up.inputs(), stride: up.inputs() };
        self.layer(x, up, Some(activation), scratch, between);
        let x = Floats { from: between.to, rows, width: down.inputs(), stride };
        let output = Output { to: out.as_mut_ptr(), stride: down.outputs() };
        self.layer(x, down, None, scratch, output);
        scratch.wide = wide;
    }

    /// The callers have checked that the rows are as wide as the matrix is deep, and that `output` has room.
    fn layer(self, x: Floats, matrix: &Matrix, activation: Option<Activation>, scratch: &mut Scratch, output: Output) {
        match matrix {
            Matrix::F32(matrix) => linear_f32(self, x, matrix, activation, output),
            Matrix::Int8(matrix) => linear_int8(self, x, matrix, activation, scratch, output),
        }
    }
}

/// How many rows of that width there are.
fn rows_of(len: usize, width: usize) -> usize {
    let rows = len / width;
    assert_eq!(len, rows * width, "whole rows of {width}");
    rows
}

#[inline(always)]
unsafe fn generic_f32<S: Simd>(x: Floats, matrix: &F32Matrix, activation: Option<Activation>, output: Output) {
    let rows = FloatRows { rows: x.rows, values: x.from, stride: x.stride, scales: std::ptr::null() };
    // SAFETY: the caller's.
    unsafe { product::f32::<S>(rows, FloatPanels::from(matrix), activation, output) }
}

#[inline(always)]
unsafe fn generic_int8<S: Simd>(
    x: Floats,
    matrix: &Int8Matrix,
    activation: Option<Activation>,
    scratch: &mut Scratch,
    output: Output,
) {
    let depth = matrix.depth();
    let values = at_least(&mut scratch.bytes, x.rows * depth);
    let (scales, offsets) = (at_least(&mut scratch.scales, x.rows), at_least(&mut scratch.offsets, x.rows));
    let balance = matrix.balance.as_ref().map_or(std::ptr::null(), Vec::as_ptr);
    for row in 0..x.rows {
        // SAFETY: the caller's: the row is there, and `depth` is the width rounded up to whole vectors.
        let (scale, offset) =
            unsafe { quantise::<S>(x.from.add(row * x.stride), x.width, balance, values[row * depth..].as_mut_ptr()) };
        (scales[row], offsets[row]) = (scale, offset);
    }
    let rows = QuantisedRows {
        rows: x.rows,
        values: values.as_ptr(),
        depth,
        scales: scales.as_ptr(),
        offsets: offsets.as_ptr(),
    };
    // SAFETY: the caller's; all rows have just been quantised.
    unsafe { product::int8::<S>(rows, matrix, activation, output) }
}

kernel! {
    fn linear_f32(x: Floats, matrix: &F32Matrix, activation: Option<Activation>, output: Output) = generic_f32
}
kernel! {
    fn linear_int8(
        x: Floats,
        matrix: &Int8Matrix,
        activation: Option<Activation>,
        scratch: &mut Scratch,
        output: Output,
    ) = generic_int8
}
