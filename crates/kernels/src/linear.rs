//! Linear layers and feed-forward blocks over some rows.

use crate::isa::kernel;
use crate::matrix::{F32Matrix, INNER_STEP, Int8Matrix, Matrix};
use crate::product::{self, Finish, FloatPanels, FloatRows, Output, QuantisedRows};
use crate::quantise::{ActivateAndMeasure, quantise};
use crate::rows::Floats;
use crate::simd::Simd;
use crate::{Activation, Cpu};

/// Room for what lies between the steps of a kernel. It grows to what the largest call needs and is then used again.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    quantised: Quantised,
    /// The outputs of a feed-forward block's first layer.
    wide: Vec<f32>,
    /// The extents of its rows.
    extents: Vec<f32>,
    /// Keys, values and probabilities of a head.
    pub(crate) head: Vec<f32>,
}

/// Rows in seven bits.
#[derive(Clone, Debug, Default)]
struct Quantised {
    bytes: Vec<u8>,
    scales: Vec<f32>,
    offsets: Vec<f32>,
}

impl Quantised {
    /// Room for `rows` of `depth` bytes.
    fn room(&mut self, rows: usize, depth: usize) {
        at_least(&mut self.bytes, rows * depth);
        at_least(&mut self.scales, rows);
        at_least(&mut self.offsets, rows);
    }

    fn rows(&self, rows: usize, depth: usize) -> QuantisedRows {
        let (values, scales, offsets) = (self.bytes.as_ptr(), self.scales.as_ptr(), self.offsets.as_ptr());
        QuantisedRows { rows, values, depth, scales, offsets }
    }
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

/// A feed-forward block: `down(activation(up(x)))`.
#[derive(Clone, Copy, Debug)]
pub struct FeedForward<'m> {
    /// The first layer.
    pub up: &'m Matrix,
    /// What is applied to its outputs. Where `down` is in int8, a GELU is computed to 1.2e-3, as what follows rounds it
    /// more coarsely.
    pub activation: Activation,
    /// The second layer.
    pub down: &'m Matrix,
}

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
        layer(self, x, matrix, None, &mut scratch.quantised, output);
    }

    /// The feed-forward block of a transformer layer; `x` is `[rows][inputs of up]`, `out` becomes
    /// `[rows][outputs of down]`.
    ///
    /// # Panics
    /// If the lengths do not fit together.
    pub fn feed_forward(self, x: &[f32], block: FeedForward<'_>, scratch: &mut Scratch, out: &mut [f32]) {
        let FeedForward { up, down, .. } = block;
        let rows = rows_of(x.len(), up.inputs());
        assert_eq!(up.outputs(), down.inputs(), "the second layer reads what the first gives");
        assert_eq!(out.len(), rows * down.outputs(), "room for every output of every row");
        let x = Floats { from: x.as_ptr(), rows, width: up.inputs(), stride: up.inputs() };
        let output = Output { to: out.as_mut_ptr(), stride: down.outputs() };
        two_layers(self, x, block, scratch, output);
    }
}

/// How many rows of that width there are.
fn rows_of(len: usize, width: usize) -> usize {
    let rows = len / width;
    assert_eq!(len, rows * width, "whole rows of {width}");
    rows
}

/// A linear layer, finished with an activation if there is one. The callers have checked that the rows are as wide as
/// the matrix is deep, and that the output has room.
fn layer(cpu: Cpu, x: Floats, matrix: &Matrix, activation: Option<Activation>, room: &mut Quantised, output: Output) {
    match (matrix, activation) {
        (Matrix::F32(matrix), None) => f32_product(cpu, x, matrix, (), output),
        (Matrix::F32(matrix), Some(activation)) => f32_activated(cpu, x, matrix, activation, output),
        (Matrix::Int8(matrix), None) => {
            quantise_rows(cpu, x, matrix, room);
            int8_product(cpu, room.rows(x.rows, matrix.depth()), matrix, (), output);
        }
        (Matrix::Int8(matrix), Some(activation)) => {
            quantise_rows(cpu, x, matrix, room);
            int8_activated(cpu, room.rows(x.rows, matrix.depth()), matrix, activation, output);
        }
    }
}

/// As [`layer`], twice.
fn two_layers(
    cpu: Cpu,
    x: Floats,
    FeedForward { up, activation, down }: FeedForward<'_>,
    scratch: &mut Scratch,
    output: Output,
) {
    let Scratch { quantised: room, wide, extents, .. } = scratch;
    let width = up.outputs();
    let stride = width + WIDE_PADDING;
    let between = Output { to: at_least(wide, x.rows * stride).as_mut_ptr(), stride };
    let inner = Floats { from: between.to, rows: x.rows, width, stride };
    let Matrix::Int8(down) = down else {
        layer(cpu, x, up, Some(activation), room, between);
        return layer(cpu, inner, down, None, room, output);
    };
    let extents = at_least(extents, x.rows * ActivateAndMeasure::ROOM);
    let mut finish = ActivateAndMeasure::new(activation, balance_of(down), extents);
    match up {
        Matrix::F32(up) => f32_measured(cpu, x, up, &mut finish, between),
        Matrix::Int8(up) => {
            quantise_rows(cpu, x, up, room);
            int8_measured(cpu, room.rows(x.rows, up.depth()), up, &mut finish, between);
        }
    }
    room.room(x.rows, down.depth());
    quantise_measured(cpu, inner, &finish, room);
    int8_product(cpu, room.rows(x.rows, down.depth()), down, (), output);
}

fn balance_of(matrix: &Int8Matrix) -> *const f32 {
    matrix.balance.as_ref().map_or(std::ptr::null(), Vec::as_ptr)
}

fn quantise_rows(cpu: Cpu, x: Floats, matrix: &Int8Matrix, room: &mut Quantised) {
    room.room(x.rows, matrix.depth());
    quantise_into(cpu, x, balance_of(matrix), room);
}

#[inline(always)]
unsafe fn generic_quantise<S: Simd>(x: Floats, balance: *const f32, room: &mut Quantised) {
    for row in 0..x.rows {
        // SAFETY: the caller's: the row is there, and a row of bytes is as long as it rounded up to whole vectors.
        let steps = unsafe {
            let to = room.bytes.as_mut_ptr().add(row * x.width.next_multiple_of(INNER_STEP));
            quantise::<S>(x.from.add(row * x.stride), x.width, balance, to)
        };
        (room.scales[row], room.offsets[row]) = (steps.scale, steps.offset);
    }
}

#[inline(always)]
unsafe fn generic_quantise_measured<S: Simd>(x: Floats, finish: &ActivateAndMeasure<'_>, room: &mut Quantised) {
    for row in 0..x.rows {
        // SAFETY: as above.
        let steps = unsafe {
            let to = room.bytes.as_mut_ptr().add(row * x.width.next_multiple_of(INNER_STEP));
            finish.quantise::<S>(row, x.from.add(row * x.stride), x.width, to)
        };
        (room.scales[row], room.offsets[row]) = (steps.scale, steps.offset);
    }
}

#[inline(always)]
unsafe fn generic_f32<S: Simd>(x: Floats, matrix: &F32Matrix, finish: impl Finish<S>, output: Output) {
    let rows = FloatRows { rows: x.rows, values: x.from, stride: x.stride, scales: std::ptr::null() };
    // SAFETY: the caller's.
    unsafe { product::f32::<S>(rows, FloatPanels::from(matrix), finish, output) }
}

#[inline(always)]
unsafe fn generic_int8<S: Simd>(rows: QuantisedRows, matrix: &Int8Matrix, finish: impl Finish<S>, output: Output) {
    // SAFETY: the caller's.
    unsafe { product::int8::<S>(rows, matrix, finish, output) }
}

// One function each: where several products end up in one, the compiler runs out of registers for the tiles' sums.
kernel! {
    fn quantise_into(x: Floats, balance: *const f32, room: &mut Quantised) = generic_quantise
}
kernel! {
    fn quantise_measured(x: Floats, finish: &ActivateAndMeasure<'_>, room: &mut Quantised) = generic_quantise_measured
}
kernel! {
    fn f32_product(x: Floats, matrix: &F32Matrix, finish: (), output: Output) = generic_f32
}
kernel! {
    fn f32_activated(x: Floats, matrix: &F32Matrix, finish: Activation, output: Output) = generic_f32
}
kernel! {
    fn f32_measured(x: Floats, matrix: &F32Matrix, finish: &mut ActivateAndMeasure<'_>, output: Output) = generic_f32
}
kernel! {
    fn int8_product(rows: QuantisedRows, matrix: &Int8Matrix, finish: (), output: Output) = generic_int8
}
kernel! {
    fn int8_activated(rows: QuantisedRows, matrix: &Int8Matrix, finish: Activation, output: Output) = generic_int8
}
kernel! {
    fn int8_measured(
        rows: QuantisedRows,
        matrix: &Int8Matrix,
        finish: &mut ActivateAndMeasure<'_>,
        output: Output,
    ) = generic_int8
}
