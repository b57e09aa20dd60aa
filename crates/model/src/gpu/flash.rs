//! Flash attention (Dao 2023) by candle's own crate: one kernel for all windows of a batch, without padding and without
//! ever writing the scores to memory. NVIDIA's GPUs from Ampere on, in half precision.

use candle_core::{DType, Device, Result, Tensor};

/// Whether these kernels run there, on such numbers, for heads of that width.
pub(super) fn takes(device: &Device, dtype: DType, width: usize) -> bool {
    device.is_cuda() && matches!(dtype, DType::F16 | DType::BF16) && width.is_multiple_of(8) && width <= 512
}

/// The windows of one batch.
pub(super) struct Flash {
    heads: usize,
    /// Where each window begins, and last the number of tokens.
    cu_seqlens: Tensor,
    longest: usize,
}

impl Flash {
    pub(super) fn new(cu_seqlens: &[usize], heads: usize, device: &Device) -> Result<Self> {
        let longest = cu_seqlens.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
        let begins = cu_seqlens.iter().map(|&at| u32::try_from(at)).collect::<std::result::Result<Vec<_>, _>>();
        let begins = begins.map_err(candle_core::Error::wrap)?;
        Ok(Self { heads, cu_seqlens: Tensor::from_slice(&begins, begins.len(), device)?, longest })
    }

    pub(super) fn attend(&self, qkv: &Tensor) -> Result<Tensor> {
        let (tokens, all) = qkv.dims2()?;
        let by_head = qkv.reshape((tokens, 3, self.heads, all / 3 / self.heads))?;
        // The kernels take rows that lie apart, so nothing is copied.
        let part = |index| by_head.narrow(1, index, 1)?.squeeze(1);
        let (q, k, v) = (part(0)?, part(1)?, part(2)?);
        let at = &self.cu_seqlens;
        // The queries are scaled already.
        candle_flash_attn::flash_attn_varlen(&q, &k, &v, at, at, self.longest, self.longest, 1.0, false)?
            .reshape((tokens, all / 3))
    }
}
