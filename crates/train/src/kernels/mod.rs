//! Arithmetic of the CPU's training step on plain slices, forward and backward.
//!
//! Matrices are row-major. Every function runs its inner loops inside `pulp`'s dispatch, so that the compiler
//! vectorises them for the widest registers that the machine has, and spreads blocks of rows over rayon's threads.
//! Sums over rows are taken per block and then in the order of the blocks, so a result does not depend on the number
//! of threads.

mod attention;
mod pointwise;
mod rows;
mod small;

pub(crate) use attention::{AttentionArgs, attention, attention_backward};
pub(crate) use pointwise::{Draw, activate, activate_backward, add_assign, dropout};
pub(crate) use rows::{add_bias, column_sums, gather, layer_norm, layer_norm_backward};

/// Rows of a matrix that one task takes.
const BLOCK_ROWS: usize = 32;

/// Elements of a vector that one task takes.
const BLOCK: usize = 16_384;
