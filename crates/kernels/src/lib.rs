//! The arithmetic of an encoder on the CPU: linear layers in int8 and f32, attention, normalisation, on plain slices.
//!
//! [`Cpu`] is an instruction set that this machine has; its methods are the kernels. Every kernel is written once over
//! sixteen lanes (`simd.rs`) and compiled for each instruction set, so that the results are the same, bit for bit, on
//! all of them, and a row's results do not depend on the rows beside it.
//!
//! **int8.** The activations of a row are quantised to seven bits between the row's least and greatest value, weights
//! to six bits and a sign per output channel, sums are exact in i32, and scale, offset and bias are applied while the
//! sums are in registers (dynamic quantisation, as ONNX Runtime names it). Why seven bits: see `simd.rs`.
//!
//! This is the only crate with unsafe code: instruction-set intrinsics and the raw pointers that they read. All public
//! functions are safe; they check the lengths of what they are given.

mod attention;
mod isa;
mod linear;
mod math;
mod matrix;
pub mod peak;
mod product;
mod quantise;
mod rows;
mod simd;
#[cfg(test)]
mod tests;

pub use isa::{Cpu, CpuError, Isa};
pub use linear::{FeedForward, Scratch};
pub use matrix::{F32Matrix, Int8Matrix, Matrix};
pub use rows::Norm;

/// What is applied to each output of a linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// The exact GELU, by the error function (Hendrycks & Gimpel 2016), to 1e-6 absolute.
    Gelu,
    /// The GELU by tanh, to 1e-6 absolute.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
}
