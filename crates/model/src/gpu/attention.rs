//! Attention within the windows of a packed batch, in a number of launches that does not grow with the number of
//! windows: flash attention over variable lengths where it is built in and takes the numbers, otherwise one product per
//! group of windows of like length, with the padding masked.

use candle_core::{DType, Device, Result, Tensor};

use super::check_elements;
use super::groups::{Group, Grouping};

/// How attention is computed over one batch; all layers share it.
pub(super) enum Attention {
    /// By groups of windows, on any device and in any format.
    Grouped(Grouped),
    /// By candle's flash attention, on NVIDIA's GPUs in half precision.
    #[cfg(feature = "flash-attn")]
    Flash(super::flash::Flash),
}

impl Attention {
    /// Prepares attention within the windows that begin at `cu_seqlens` (its last entry is the number of tokens).
    ///
    /// # Errors
    /// Those of candle: the device ran out of memory.
    pub(super) fn new(
        cu_seqlens: &[usize],
        (heads, hidden): (usize, usize),
        dtype: DType,
        device: &Device,
    ) -> Result<Self> {
        debug_assert!(hidden.is_multiple_of(heads), "heads share the hidden size evenly");
        #[cfg(feature = "flash-attn")]
        if super::flash::takes(device, dtype, hidden / heads) {
            return super::flash::Flash::new(cu_seqlens, heads, device).map(Self::Flash);
        }
        Grouped::new(&Grouping::new(cu_seqlens, heads)?, heads, dtype, device).map(Self::Grouped)
    }

    /// Multi-head attention (Vaswani et al. 2017) within every window: queries, keys and values side by side
    /// (`[tokens, 3 * hidden]`, the queries scaled already) to contexts (`[tokens, hidden]`).
    ///
    /// # Errors
    /// As [`Attention::new`].
    pub(super) fn attend(&self, qkv: &Tensor) -> Result<Tensor> {
        match self {
            Self::Grouped(grouped) => grouped.attend(qkv),
            #[cfg(feature = "flash-attn")]
            Self::Flash(flash) => flash.attend(qkv),
        }
    }
}

/// The groups of a batch, with what of them lies on the device.
pub(super) struct Grouped {
    heads: usize,
    groups: Vec<Group>,
    /// For each padded row, the token that stands there.
    gather: Tensor,
    /// For each token, its padded row.
    scatter: Tensor,
    /// For each padded row, what is added to the scores of its key; none if nothing is padded.
    mask: Option<Tensor>,
}

impl Grouped {
    fn new(grouping: &Grouping, heads: usize, dtype: DType, device: &Device) -> Result<Self> {
        let Grouping { groups, gather, scatter, mask } = grouping;
        let mask = match groups.iter().any(|group| group.padded) {
            true => Some(Tensor::from_slice(mask, mask.len(), device)?.to_dtype(dtype)?),
            false => None,
        };
        Ok(Self {
            heads,
            groups: groups.clone(),
            gather: Tensor::from_slice(gather, gather.len(), device)?,
            scatter: Tensor::from_slice(scatter, scatter.len(), device)?,
            mask,
        })
    }

    fn attend(&self, qkv: &Tensor) -> Result<Tensor> {
        check_elements(self.gather.elem_count(), qkv.dim(1)?)?;
        let padded = qkv.index_select(&self.gather, 0)?;
        let contexts = self.groups.iter().map(|group| self.group(group, &padded)).collect::<Result<Vec<_>>>()?;
        let contexts = match &contexts[..] {
            [only] => only.clone(),
            several => Tensor::cat(several, 0)?,
        };
        contexts.index_select(&self.scatter, 0)
    }

    /// The contexts of a group's rows: `[rows, hidden]`.
    fn group(&self, group: &Group, padded: &Tensor) -> Result<Tensor> {
        let Group { windows, length, first_row, .. } = *group;
        let hidden = padded.dim(1)? / 3;
        let of_group = padded.narrow(0, first_row, group.rows())?;
        // One copy brings all three into the order that the products want: [3, windows, heads, length, width].
        let by_head = of_group.reshape((windows, length, 3, self.heads, hidden / self.heads))?;
        let by_head = by_head.permute((2, 0, 3, 1, 4))?.contiguous()?;
        let (q, k, v) = (by_head.get(0)?, by_head.get(1)?, by_head.get(2)?);
        let scores = q.matmul(&k.t()?)?;
        let probabilities = candle_nn::ops::softmax_last_dim(&self.masked(group, scores)?)?;
        probabilities.matmul(&v)?.transpose(1, 2)?.reshape((group.rows(), hidden))
    }

    /// Adds the mask to a group's scores (`[windows, heads, length, length]`).
    fn masked(&self, group: &Group, scores: Tensor) -> Result<Tensor> {
        match &self.mask {
            Some(mask) if group.padded => {
                let of_keys = mask.narrow(0, group.first_row, group.rows())?;
                scores.broadcast_add(&of_keys.reshape((group.windows, 1, 1, group.length))?)
            }
            _ => Ok(scores),
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::D;

    use super::*;
    use crate::gpu::tests::{cu_seqlens, largest_difference};

    const CPU: Device = Device::Cpu;

    /// Attention as it is defined, window by window and without padding, in f32.
    fn by_window(qkv: &Tensor, cu_seqlens: &[usize], heads: usize) -> Tensor {
        let width = qkv.dim(1).unwrap() / 3 / heads;
        let contexts: Vec<_> = cu_seqlens
            .windows(2)
            .map(|window| {
                let tokens = window[1] - window[0];
                let rows = qkv.narrow(0, window[0], tokens).unwrap().reshape((tokens, 3, heads, width)).unwrap();
                let rows = rows.permute((1, 2, 0, 3)).unwrap().contiguous().unwrap();
                let [q, k, v] = [0, 1, 2].map(|part| rows.get(part).unwrap());
                let powers = q.matmul(&k.t().unwrap()).unwrap().exp().unwrap();
                let sums = powers.sum_keepdim(D::Minus1).unwrap();
                let contexts = powers.broadcast_div(&sums).unwrap().matmul(&v).unwrap();
                contexts.transpose(0, 1).unwrap().reshape((tokens, heads * width)).unwrap()
            })
            .collect();
        Tensor::cat(&contexts, 0).unwrap()
    }

    /// Numbers between -2 and 2 without a pattern, the same for each `seed`.
    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            f32::from(i16::from_ne_bytes([(state >> 48) as u8, (state >> 56) as u8])) / 16384.0
        };
        (0..count).map(|_| next()).collect()
    }

    fn rows(count: usize, columns: usize, seed: u64) -> Tensor {
        Tensor::from_vec(numbers(count * columns, seed), (count, columns), &CPU).unwrap()
    }

    #[test]
    fn is_that_of_each_window_alone() {
        for lengths in [&[1][..], &[8], &[3, 70, 1, 33, 32, 31], &[64; 3], &[1; 40], &[100, 7]] {
            for (heads, width) in [(1, 4), (3, 8), (2, 32)] {
                let cu_seqlens = cu_seqlens(lengths);
                let qkv = rows(*cu_seqlens.last().unwrap(), 3 * heads * width, 1);
                let expected = by_window(&qkv, &cu_seqlens, heads);
                for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F16, 3e-2)] {
                    let qkv = qkv.to_dtype(dtype).unwrap();
                    let ours = Attention::new(&cu_seqlens, (heads, qkv.dim(1).unwrap() / 3), dtype, &CPU)
                        .unwrap()
                        .attend(&qkv)
                        .unwrap();
                    let difference = largest_difference(&ours, &expected);
                    assert!(difference < tolerance, "{lengths:?}, {heads} × {width}, {dtype:?}: {difference}");
                }
            }
        }
    }

    /// candle's own BERT masks with the least number there is, and is NaN in half precision.
    #[test]
    fn padding_has_no_weight_at_all_in_any_format() {
        let (heads, lengths) = (2, [5, 9, 1, 16]);
        let grouping = Grouping::new(&cu_seqlens(&lengths), heads).unwrap();
        for dtype in [DType::F32, DType::F16, DType::BF16] {
            let grouped = Grouped::new(&grouping, heads, dtype, &CPU).unwrap();
            // Scores from one end of what a half-precision model could have to the other.
            for scale in [0.0, 1.0, 1e2, 1e4] {
                for group in &grouping.groups {
                    let shape = (group.windows, heads, group.length, group.length);
                    let scores = Tensor::from_vec(numbers(group.rows() * heads * group.length, 2), shape, &CPU);
                    let scores = (scores.unwrap() * (scale / 2.0)).unwrap();
                    let scores = grouped.masked(group, scores.to_dtype(dtype).unwrap()).unwrap();
                    let weights = candle_nn::ops::softmax_last_dim(&scores).unwrap().to_dtype(DType::F32).unwrap();
                    let weights: Vec<Vec<f32>> = weights.flatten(0, 2).unwrap().to_vec2().unwrap();
                    for (row, weights) in weights.iter().enumerate() {
                        let window = row / (heads * group.length);
                        let first = group.first_row + window * group.length;
                        let sum: f32 = weights.iter().sum();
                        assert!((sum - 1.0).abs() < 0.1, "{dtype:?}, {scale}: {weights:?}");
                        for (weight, mask) in weights.iter().zip(&grouping.mask[first..]) {
                            assert!(*mask == 0.0 || *weight == 0.0, "{dtype:?}, {scale}: padding weighs {weight}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_window_does_not_see_its_neighbours() {
        let heads = 2;
        let cu_seqlens = cu_seqlens(&[6, 11, 3]);
        let qkv = rows(20, 48, 3);
        let attention = Attention::new(&cu_seqlens, (heads, qkv.dim(1).unwrap() / 3), DType::F32, &CPU).unwrap();
        let before = attention.attend(&qkv).unwrap();
        let others = Tensor::cat(&[rows(6, 48, 4), qkv.narrow(0, 6, 11).unwrap(), rows(3, 48, 5)], 0).unwrap();
        let after = attention.attend(&others).unwrap();
        let own = |x: &Tensor| x.narrow(0, 6, 11).unwrap().to_vec2::<f32>().unwrap();
        assert_eq!(own(&before), own(&after));
    }
}
