//! How fast this machine's int8 products can be at all: the same instructions as the tiles', on registers alone.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::Cpu;
use crate::isa::kernel;
use crate::math::fold;
use crate::simd::{LANES, Simd};

/// Independent sums, enough to hide the latency of the instructions.
const SUMS: usize = 8;
/// Steps between two looks at the clock.
const STEPS: usize = 1 << 14;

/// Steps' worth of activations: different ones each time, or the compiler would multiply once and add for ever.
const ACTIVATIONS: usize = 64;

/// Multiply-adds per second of int8 products on one core: the most of several runs within about `time`.
#[must_use]
pub fn int8(cpu: Cpu, time: Duration) -> f64 {
    let begun = Instant::now();
    let mut most = 0.0_f64;
    let activations: [u8; 8 * ACTIVATIONS] = std::array::from_fn(|i| (i % 100) as u8);
    let weights: [i8; 8 * LANES * SUMS] = std::array::from_fn(|i| (i % 50) as i8);
    loop {
        let round = Instant::now();
        black_box(steps(cpu, black_box(&activations), black_box(&weights)));
        #[expect(clippy::cast_precision_loss, reason = "some million products")]
        let products = (STEPS * SUMS * LANES * 8) as f64;
        most = most.max(products / round.elapsed().as_secs_f64());
        if begun.elapsed() >= time {
            return most;
        }
    }
}

#[inline(always)]
unsafe fn generic<S: Simd>(activations: &[u8; 8 * ACTIVATIONS], weights: &[i8; 8 * LANES * SUMS]) -> f32 {
    // SAFETY: the caller's; the arrays are as long as the loads.
    unsafe {
        let weights: [[S::W; 2]; SUMS] = std::array::from_fn(|sum| {
            let from = weights.as_ptr().add(8 * LANES * sum);
            [S::weights(from), S::weights(from.add(4 * LANES))]
        });
        let mut sums = [S::zero(); SUMS];
        for step in 0..STEPS {
            let from = activations.as_ptr().add(8 * (step % ACTIVATIONS));
            let a = [S::activations(from), S::activations(from.add(4))];
            for (sum, w) in sums.iter_mut().zip(weights) {
                *sum = S::dot8(*sum, a, w);
            }
        }
        let mut all = S::splat(0.0);
        for sum in sums {
            all = S::add(all, S::float(sum));
        }
        // All lanes: what nobody asks for, the compiler would not compute.
        fold(S::lanes(all), |a, b| a + b)
    }
}

kernel! {
    fn steps(activations: &[u8; 8 * ACTIVATIONS], weights: &[i8; 8 * LANES * SUMS]) -> f32 = generic
}
