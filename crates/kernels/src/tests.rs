//! Each kernel on each instruction set of this machine against the scalar one, bit for bit, and the scalar one against
//! plain arithmetic in double precision.

use proptest::prelude::*;

use crate::isa::kernel;
use crate::math;
use crate::simd::{LANES, Simd};
use crate::{Activation, Cpu, F32Matrix, FeedForward, Int8Matrix, Isa, Matrix, Norm, Scratch};

/// Numbers as activations and weights have them, with the awkward ones among them.
fn numbers(len: usize) -> impl Strategy<Value = Vec<f32>> {
    let number = prop_oneof![
        20 => -3.0_f32..3.0,
        1 => Just(0.0),
        1 => Just(-0.0),
        1 => -1e-40_f32..1e-40,
        1 => -1e4_f32..1e4,
        1 => Just(f32::MIN_POSITIVE),
    ];
    prop::collection::vec(number, len)
}

fn scalar() -> Cpu {
    Cpu::of(Isa::Scalar).unwrap()
}

/// By their bits; all kinds of NaN are one.
fn assert_same(cpu: Cpu, what: &str, found: &[f32], expected: &[f32]) {
    for (at, (x, y)) in found.iter().zip(expected).enumerate() {
        assert!(
            x.to_bits() == y.to_bits() || (x.is_nan() && y.is_nan()),
            "{what} on {}: {x:e}, not {y:e}, at {at}",
            cpu.isa()
        );
    }
    assert_eq!(found.len(), expected.len());
}

fn assert_near(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    for (at, (&x, &y)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(x) - y).abs();
        assert!(error <= tolerance * (1.0 + y.abs()), "{what}: {x}, not {y}, at {at}");
    }
    assert_eq!(found.len(), expected.len());
}

fn activation() -> impl Strategy<Value = Activation> {
    prop_oneof![Just(Activation::Gelu), Just(Activation::GeluTanh), Just(Activation::Relu)]
}

fn activated(x: f64, activation: Activation) -> f64 {
    match activation {
        Activation::Relu => x.max(0.0),
        Activation::GeluTanh => {
            0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x)).tanh())
        }
        Activation::Gelu => 0.5 * x * (1.0 + erf(x / std::f64::consts::SQRT_2)),
    }
}

/// The error function by its Maclaurin series: slow, and right to 1e-11 for |x| < 4.5.
fn erf(x: f64) -> f64 {
    if x.abs() > 4.5 {
        return x.signum();
    }
    let (mut term, mut total) = (x, x);
    for n in 1..250_i32 {
        term *= -x * x / f64::from(n);
        total += term / f64::from(2 * n + 1);
    }
    total * std::f64::consts::FRAC_2_SQRT_PI
}

fn product(x: &[f32], weight: &[f32], bias: &[f32], inputs: usize) -> Vec<f64> {
    x.chunks_exact(inputs)
        .flat_map(|row| {
            weight.chunks_exact(inputs).zip(bias).map(move |(weights, bias)| {
                row.iter().zip(weights).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum::<f64>() + f64::from(*bias)
            })
        })
        .collect()
}

#[derive(Clone, Debug)]
struct Layer {
    x: Vec<f32>,
    weight: Vec<f32>,
    bias: Vec<f32>,
    inputs: usize,
}

fn layer() -> impl Strategy<Value = Layer> {
    (0_usize..30, 1_usize..70, 1_usize..70).prop_flat_map(|(rows, inputs, outputs)| {
        (numbers(rows * inputs), numbers(outputs * inputs), numbers(outputs)).prop_map(move |(x, weight, bias)| Layer {
            x,
            weight,
            bias,
            inputs,
        })
    })
}

/// What a larger call with numbers that are none has left behind: nothing of it may be read again.
fn used_scratch(cpu: Cpu) -> Scratch {
    let mut scratch = Scratch::default();
    let (rows, width, wide) = (4, 40, 50);
    let x = vec![f32::NAN; rows * width];
    let pack = |weight: usize, inputs: usize| {
        Int8Matrix::quantise(&vec![0.5; weight], &vec![0.0; weight / inputs], inputs, None)
    };
    let (up, down) = (Matrix::Int8(pack(width * wide, width)), Matrix::Int8(pack(width * wide, wide)));
    let block = FeedForward { up: &up, activation: Activation::Gelu, down: &down };
    cpu.feed_forward(&x, block, &mut scratch, &mut vec![0.0; rows * width]);
    let tokens = 40;
    cpu.attention(&vec![f32::NAN; tokens * 3 * 64], (2, 64), 0..tokens, &mut scratch, &mut vec![0.0; tokens * 64]);
    scratch
}

fn linear(cpu: Cpu, x: &[f32], matrix: &Matrix) -> Vec<f32> {
    let mut out = vec![f32::NAN; x.len() / matrix.inputs() * matrix.outputs()];
    cpu.linear(x, matrix, &mut used_scratch(cpu), &mut out);
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 48 } else { 256 }))]

    #[test]
    fn linear_layers_are_the_same_everywhere(Layer { x, weight, bias, inputs } in layer(), balanced in any::<bool>()) {
        let balance: Vec<f32> = (0..inputs).map(|i| 0.25 * (1 + i % 9) as f32).collect();
        let balance = balanced.then_some(&balance[..]);
        let matrices = [
            Matrix::F32(F32Matrix::pack(&weight, &bias, inputs)),
            Matrix::Int8(Int8Matrix::quantise(&weight, &bias, inputs, balance)),
        ];
        for matrix in matrices {
            let expected = linear(scalar(), &x, &matrix);
            for cpu in Cpu::all() {
                let found = linear(cpu, &x, &matrix);
                assert_same(cpu, "linear", &found, &expected);
                // Each row alone, too.
                for (row, expected) in x.chunks_exact(inputs).zip(expected.chunks_exact(bias.len())) {
                    assert_same(cpu, "a row of linear", &linear(cpu, row, &matrix), expected);
                }
            }
        }
    }

    #[test]
    fn an_f32_layer_is_right(Layer { x, weight, bias, inputs } in layer()) {
        let found = linear(scalar(), &x, &Matrix::F32(F32Matrix::pack(&weight, &bias, inputs)));
        let expected = product(&x, &weight, &bias, inputs);
        // Relative to the largest that was summed.
        let largest = x.iter().chain(&weight).fold(1.0_f32, |largest, x| largest.max(x.abs()));
        assert_near("linear", &found, &expected, 1e-6 * f64::from(largest) * f64::from(largest));
    }

    #[test]
    fn an_int8_layer_is_off_by_its_steps_only(
        rows in 1_usize..5, inputs in 1_usize..90, outputs in 1_usize..40, seed in any::<u64>(),
    ) {
        let x = noise(seed, rows * inputs);
        let (weight, bias) = (noise(seed ^ 1, outputs * inputs), noise(seed ^ 2, outputs));
        let matrix = Int8Matrix::quantise(&weight, &bias, inputs, None);
        // What the weights have become is known; activations are off by half a step each.
        let weights = matrix.weights();
        let expected = product(&x, &weights, &bias, inputs);
        let found = linear(scalar(), &x, &Matrix::Int8(matrix));
        for (row, (found, expected)) in found.chunks_exact(outputs).zip(expected.chunks_exact(outputs)).enumerate() {
            let values = &x[row * inputs..(row + 1) * inputs];
            let range = values.iter().fold(f32::MIN, |a, b| a.max(*b)) - values.iter().fold(f32::MAX, |a, b| a.min(*b));
            for (output, (x, y)) in found.iter().zip(expected).enumerate() {
                let sum: f32 = weights[output * inputs..(output + 1) * inputs].iter().map(|w| w.abs()).sum();
                let bound = f64::from(range / 127.0 * 0.501 * sum + 1e-5 * (1.0 + sum));
                prop_assert!((f64::from(*x) - y).abs() <= bound, "{x}, not {y} within {bound}");
            }
        }
        for (was, is) in weight.iter().zip(&weights) {
            prop_assert!((was - is).abs() <= 0.501 * 0.5 / 64.0, "{is}, not {was}");
        }
    }

    #[test]
    fn feed_forward_blocks_are_the_same_everywhere_and_right(
        rows in 0_usize..20, wide in 1_usize..50, narrow in 1_usize..40, activation in activation(), seed in any::<u64>(),
    ) {
        let x = noise(seed, rows * narrow);
        let (w1, b1) = (noise(seed ^ 1, wide * narrow), noise(seed ^ 2, wide));
        let (w2, b2) = (noise(seed ^ 3, wide * narrow), noise(seed ^ 4, narrow));
        let pack = |int8: bool, weight: &[f32], bias: &[f32], inputs| if int8 {
            Matrix::Int8(Int8Matrix::quantise(weight, bias, inputs, None))
        } else {
            Matrix::F32(F32Matrix::pack(weight, bias, inputs))
        };
        for int8 in [false, true] {
            let (up, down) = (pack(int8, &w1, &b1, narrow), pack(int8, &w2, &b2, wide));
            let run = |cpu: Cpu| {
                let mut out = vec![f32::NAN; x.len()];
                cpu.feed_forward(&x, FeedForward { up: &up, activation, down: &down }, &mut used_scratch(cpu), &mut out);
                out
            };
            let expected = run(scalar());
            for cpu in Cpu::all() {
                assert_same(cpu, "feed-forward", &run(cpu), &expected);
            }
            if !int8 {
                let between: Vec<f32> =
                    product(&x, &w1, &b1, narrow).iter().map(|&x| activated(x, activation) as f32).collect();
                assert_near("feed-forward", &expected, &product(&between, &w2, &b2, wide), 1e-5);
            }
        }
    }

    #[test]
    fn int8_feed_forward_is_near_f32_with_factors_and_without(
        rows in 1_usize..6, wide in 1_usize..60, narrow in 1_usize..40, activation in activation(), seed in any::<u64>(),
    ) {
        let x = noise(seed, rows * narrow);
        let (w1, b1) = (noise(seed ^ 1, wide * narrow), noise(seed ^ 2, wide));
        let (w2, b2) = (noise(seed ^ 3, wide * narrow), noise(seed ^ 4, narrow));
        let between: Vec<f32> =
            product(&x, &w1, &b1, narrow).iter().map(|&x| activated(x, activation) as f32).collect();
        let expected = product(&between, &w2, &b2, wide);
        let factors = |n: usize| (0..n).map(|i| [0.5, 1.0, 2.0][i % 3]).collect::<Vec<f32>>();
        for balanced in [false, true] {
            let pack = |weight: &[f32], bias: &[f32], inputs: usize| {
                let factors = factors(inputs);
                Matrix::Int8(Int8Matrix::quantise(weight, bias, inputs, balanced.then_some(&factors[..])))
            };
            let (up, down) = (pack(&w1, &b1, narrow), pack(&w2, &b2, wide));
            let mut out = vec![f32::NAN; x.len()];
            let (cpu, block) = (Cpu::best(), FeedForward { up: &up, activation, down: &down });
            cpu.feed_forward(&x, block, &mut used_scratch(cpu), &mut out);
            let largest = between.iter().fold(0.2_f32, |largest, x| largest.max(x.abs()));
            // Steps of 1/127 and 1/64 of ranges that factors widen by up to four, summed as if all erred alike.
            let bound = f64::from(0.2 * largest + 0.02) * (wide as f64).sqrt();
            for (at, (&x, &y)) in out.iter().zip(&expected).enumerate() {
                prop_assert!((f64::from(x) - y).abs() <= bound, "{x}, not {y} within {bound}, at {at} ({balanced})");
            }
        }
    }

    #[test]
    fn attention_is_the_same_everywhere_and_right(
        tokens in 1_usize..70, heads in 1_usize..4, width in 1_usize..40, seed in any::<u64>(), steep in any::<bool>(),
    ) {
        let hidden = heads * width;
        let mut qkv = noise(seed, tokens * 3 * hidden);
        if steep {
            qkv.iter_mut().for_each(|x| *x *= 8.0);
        }
        let run = |cpu: Cpu, queries: std::ops::Range<usize>| {
            let mut out = vec![f32::NAN; queries.len() * hidden];
            cpu.attention(&qkv, (heads, hidden), queries, &mut used_scratch(cpu), &mut out);
            out
        };
        let expected = run(scalar(), 0..tokens);
        let half = tokens / 2;
        for cpu in Cpu::all() {
            assert_same(cpu, "attention", &run(cpu, 0..tokens), &expected);
            assert_same(cpu, "half of attention", &run(cpu, half..tokens), &expected[half * hidden..]);
        }
        assert_near("attention", &expected, &attended(&qkv, heads, hidden), 2e-4);
    }

    #[test]
    fn normalised_rows_are_the_same_everywhere_and_right(
        rows in 0_usize..4, width in 1_usize..100, seed in any::<u64>(), offset in -20.0_f32..20.0,
    ) {
        let x: Vec<f32> = noise(seed, rows * width).iter().map(|x| x + offset).collect();
        let residual = noise(seed ^ 1, rows * width);
        let norm = Norm { weight: noise(seed ^ 2, width), bias: noise(seed ^ 3, width), eps: 1e-5 };
        let run = |cpu: Cpu| {
            let (mut alone, mut added) = (x.clone(), x.clone());
            cpu.layer_norm(&mut alone, &norm);
            cpu.add_layer_norm(&mut added, &residual, &norm);
            [alone, added].concat()
        };
        let expected = run(scalar());
        for cpu in Cpu::all() {
            assert_same(cpu, "layer norm", &run(cpu), &expected);
        }
        let sum: Vec<f32> = x.iter().zip(&residual).map(|(x, y)| x + y).collect();
        let right = [normalised(&x, &norm), normalised(&sum, &norm)].concat();
        assert_near("layer norm", &expected, &right, 1e-3);
    }
}

/// Numbers in -0.5..0.5.
fn noise(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed | 1;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32 - 0.5
    })
    .take(len)
    .collect()
}

fn normalised(x: &[f32], norm: &Norm) -> Vec<f64> {
    let width = norm.weight.len();
    x.chunks_exact(width)
        .flat_map(|row| {
            let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / width as f64;
            let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / width as f64;
            let inverse = 1.0 / (variance + f64::from(norm.eps)).sqrt();
            row.iter()
                .zip(&norm.weight)
                .zip(&norm.bias)
                .map(move |((&x, &w), &b)| (f64::from(x) - mean) * inverse * f64::from(w) + f64::from(b))
        })
        .collect()
}

fn attended(qkv: &[f32], heads: usize, hidden: usize) -> Vec<f64> {
    let (width, tokens) = (hidden / heads, qkv.len() / (3 * hidden));
    let value = |token: usize, part: usize, head: usize, i: usize| {
        f64::from(qkv[token * 3 * hidden + part * hidden + head * width + i])
    };
    let mut out = vec![0.0; tokens * hidden];
    for head in 0..heads {
        for query in 0..tokens {
            let scores: Vec<f64> = (0..tokens)
                .map(|key| {
                    let dot: f64 = (0..width).map(|i| value(query, 0, head, i) * value(key, 1, head, i)).sum();
                    dot / (width as f64).sqrt()
                })
                .collect();
            let greatest = scores.iter().copied().fold(f64::MIN, f64::max);
            let powers: Vec<f64> = scores.iter().map(|score| (score - greatest).exp()).collect();
            let sum: f64 = powers.iter().sum();
            for i in 0..width {
                out[query * hidden + head * width + i] =
                    powers.iter().enumerate().map(|(key, power)| power / sum * value(key, 2, head, i)).sum();
            }
        }
    }
    out
}

#[inline(always)]
unsafe fn generic_powers<S: Simd>(x: &[f32], powers: &mut [f32]) {
    for (x, power) in x.as_chunks::<LANES>().0.iter().zip(powers.as_chunks_mut::<LANES>().0) {
        // SAFETY: the caller's; chunks are sixteen long.
        unsafe { S::store(power.as_mut_ptr(), math::exp2::<S>(S::load(x.as_ptr()))) };
    }
}

kernel! {
    fn powers_of_two(x: &[f32], powers: &mut [f32]) = generic_powers
}

#[test]
fn powers_of_two_hold_their_bound() {
    let x: Vec<f32> = (-126 * 512..127 * 512).map(|i| i as f32 / 512.0 + 1e-4).collect();
    let run = |cpu: Cpu| {
        let mut powers = vec![0.0; x.len()];
        powers_of_two(cpu, &x, &mut powers);
        powers
    };
    let expected = run(scalar());
    for (&x, &power) in x.iter().zip(&expected) {
        let right = f64::from(x).exp2();
        assert!((f64::from(power) / right - 1.0).abs() <= 2.4e-7, "2^{x} is {power}, not {right}");
    }
    for cpu in Cpu::all() {
        assert_same(cpu, "powers of two", &run(cpu), &expected);
    }
    let (edges, mut powers) = ([f32::MIN, -1e9, -126.0, -0.0, 0.0, 1.0, 127.0, 1e9].repeat(2), vec![0.0; 16]);
    for cpu in Cpu::all() {
        powers_of_two(cpu, &edges, &mut powers);
        let least = f32::MIN_POSITIVE;
        assert_same(cpu, "edges", &powers[..7], &[least, least, least, 1.0, 1.0, 2.0, 127.0_f32.exp2()]);
    }
}

#[test]
fn the_largest_products_do_not_saturate() {
    // Rows of the greatest activation but for one of the least, and weights all at their ends.
    for inputs in [8_usize, 64, 1536, 4096] {
        let mut x = vec![1.0; inputs];
        x[0] = 0.0;
        for sign in [1.0, -1.0] {
            let weight = vec![sign * 0.5; inputs];
            let matrix = Matrix::Int8(Int8Matrix::quantise(&weight, &[0.25], inputs, None));
            let expected = f64::from(sign) * 0.5 * (inputs - 1) as f64 + 0.25;
            for cpu in Cpu::all() {
                assert_near("the largest sum", &linear(cpu, &x, &matrix), &[expected], 1e-6);
            }
        }
    }
}

#[test]
fn rows_of_one_value_are_exact() {
    for value in [0.0, -0.0, 7.5, -1e-30, 3e30] {
        let (x, weight) = (vec![value; 40], vec![0.5; 40]);
        let matrix = Matrix::Int8(Int8Matrix::quantise(&weight, &[1.0], 40, None));
        for cpu in Cpu::all() {
            assert_near("a constant row", &linear(cpu, &x, &matrix), &[f64::from(value) * 20.0 + 1.0], 1e-6);
        }
    }
}

#[test]
fn rough_activations_hold_their_bounds() {
    // One input, one output, weight 1: what comes out is the activation.
    let up = Matrix::F32(F32Matrix::pack(&[1.0], &[0.0], 1));
    let down = Matrix::Int8(Int8Matrix::quantise(&[1.0], &[0.0], 1, None));
    let x: Vec<f32> = (-60_000..60_000).map(|i| i as f32 / 6_000.0).collect();
    for (activation, bound) in [(Activation::Gelu, 6e-4), (Activation::GeluTanh, 1.2e-3), (Activation::Relu, 1e-6)] {
        let mut out = vec![0.0; x.len()];
        let block = FeedForward { up: &up, activation, down: &down };
        let cpu = Cpu::best();
        cpu.feed_forward(&x, block, &mut used_scratch(cpu), &mut out);
        for (&x, &y) in x.iter().zip(&out) {
            // A row of one value is its own offset: exact but for the weight's rounding.
            let error = (f64::from(y) - activated(f64::from(x), activation)).abs();
            assert!(error <= bound + 1e-6 * f64::from(x.abs()), "{activation:?}({x}) is {y}, off by {error:e}");
        }
    }
}

#[test]
fn activations_hold_their_bounds() {
    // One input, one output, weight 1: what comes out is the activation.
    let one = Matrix::F32(F32Matrix::pack(&[1.0], &[0.0], 1));
    let x: Vec<f32> = (-60_000..60_000).map(|i| i as f32 / 6_000.0).collect();
    for activation in [Activation::Gelu, Activation::GeluTanh, Activation::Relu] {
        let mut out = vec![0.0; x.len()];
        let (cpu, block) = (Cpu::best(), FeedForward { up: &one, activation, down: &one });
        cpu.feed_forward(&x, block, &mut used_scratch(cpu), &mut out);
        for (&x, &y) in x.iter().zip(&out) {
            let error = (f64::from(y) - activated(f64::from(x), activation)).abs();
            assert!(error <= 1e-6 * f64::from(x.abs()).max(1.0), "{activation:?}({x}) is {y}, off by {error:e}");
        }
    }
}
