//! The encoder where it runs, and in which precision: on the CPU by the kernels, on a GPU by its own launches.

use candle_core::Device;

use crate::cpu::CpuEncoder;
#[cfg(any(feature = "cuda", feature = "metal"))]
use crate::gpu::GpuEncoder;
use crate::{
    Balance, DeviceSpec, ModelConfig, ModelError, ModelFiles, PackedBatch, Precision, RunOptions, SafetensorsWeights,
};

/// An encoder that is ready to run.
#[derive(Debug)]
pub(crate) enum Runner {
    /// On the CPU.
    Cpu(Box<CpuEncoder>),
    /// On a GPU.
    #[cfg(any(feature = "cuda", feature = "metal"))]
    Gpu(Box<GpuEncoder>),
}

/// How exactly a model computes if nobody says: in int8 on the CPU if it was found to lose nothing by it, in bf16 on
/// NVIDIA's GPUs (it has the range of f32, so no model overflows in it, and its products are what such GPUs are made
/// for), else in f32.
pub(crate) fn precision(options: &RunOptions, files: &ModelFiles) -> Precision {
    options.precision.unwrap_or(match options.device {
        DeviceSpec::Cpu if files.int8.is_some() => Precision::Int8,
        DeviceSpec::Cpu | DeviceSpec::Metal => Precision::F32,
        DeviceSpec::Cuda(_) | DeviceSpec::CudaAll => Precision::Bf16,
    })
}

impl Runner {
    /// Takes the encoder that `config` describes from `weights`, which are on the CPU, to `device`; the threads of `pool`
    /// pack them for the CPU.
    ///
    /// # Errors
    /// [`ModelError`] if the weights do not fit or the device does not have that precision.
    pub(crate) fn load(
        config: &ModelConfig,
        weights: &SafetensorsWeights<'_>,
        device: &Device,
        (precision, balance): (Precision, Option<&Balance>),
        pool: &rayon::ThreadPool,
    ) -> Result<Self, ModelError> {
        let tags = config.tags.len();
        #[cfg(any(feature = "cuda", feature = "metal"))]
        if !device.is_cpu() {
            let dtype = match precision {
                Precision::Bf16 => candle_core::DType::BF16,
                Precision::F32 => candle_core::DType::F32,
                Precision::Int8 => {
                    let detail = "GPUs compute in bf16 or f32: give one of these, or --device cpu".to_owned();
                    return Err(ModelError::Precision { precision: precision.to_string(), detail });
                }
            };
            let encoder = crate::Encoder::load(&config.encoder, tags, weights)?;
            return Ok(Self::Gpu(Box::new(GpuEncoder::new(&encoder, device, dtype)?)));
        }
        debug_assert!(device.is_cpu(), "other devices open only in builds that have them");
        let encoder = pool.install(|| CpuEncoder::load(&config.encoder, tags, weights, precision, balance))?;
        Ok(Self::Cpu(Box::new(encoder)))
    }

    /// The logits of a batch, `[tokens][tags]`: on the CPU by the threads of `pool`, with a pause now and then.
    ///
    /// # Errors
    /// [`ModelError`] if the device fails.
    pub(crate) fn forward(
        &self,
        batch: &PackedBatch,
        pool: &rayon::ThreadPool,
        pause: &(dyn Fn() + Sync),
    ) -> Result<Vec<f32>, ModelError> {
        match self {
            Self::Cpu(encoder) => pool.install(|| encoder.forward(batch, pause)),
            // On the caller's own thread: the processor only launches, and a thread has its own stream.
            #[cfg(any(feature = "cuda", feature = "metal"))]
            Self::Gpu(encoder) => Ok(encoder.forward(batch, pause)?),
        }
    }
}
