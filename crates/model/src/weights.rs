//! The tensors of `model.safetensors`, checked before they are trusted: a damaged or foreign file is an error that
//! names the tensor, not a crash or quiet nonsense.

use candle_core::{DType, Device, Tensor};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::ModelError;
use crate::encoder::Weights;

/// The weights of a model in a safetensors file, f32, f16 or bf16; handed out as f32.
pub struct SafetensorsWeights<'f> {
    model: &'f str,
    tensors: SafeTensors<'f>,
    device: Device,
}

impl<'f> SafetensorsWeights<'f> {
    /// Opens the bytes of a safetensors file of the model called `model`.
    ///
    /// # Errors
    /// [`ModelError::Weights`] if the file is truncated or is no safetensors file.
    pub fn open(model: &'f str, file: &'f [u8], device: &Device) -> Result<Self, ModelError> {
        let tensors = SafeTensors::deserialize(file).map_err(|error| ModelError::Weights {
            model: model.to_owned(),
            detail: format!(
                "it is truncated or no safetensors file ({} bytes; {error}): fetch or copy it again",
                file.len()
            ),
        })?;
        Ok(Self { model, tensors, device: device.clone() })
    }

    /// Number of parameters in all tensors.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.tensors.iter().map(|(_, view)| view.shape().iter().product::<usize>()).sum()
    }

    /// A table of rows, in the type that the file has it in.
    ///
    /// # Errors
    /// As [`Weights::get`].
    pub(crate) fn table(&self, name: &str, [rows, width]: [usize; 2]) -> Result<Table, ModelError> {
        let (view, dtype) = self.view(name, &[rows, width])?;
        let values = match dtype {
            DType::F16 => TableValues::F16(view.data().as_chunks().0.iter().map(|x| f16::from_le_bytes(*x)).collect()),
            DType::BF16 => {
                TableValues::Bf16(view.data().as_chunks().0.iter().map(|x| bf16::from_le_bytes(*x)).collect())
            }
            _ => TableValues::F32(view.data().as_chunks().0.iter().map(|x| f32::from_le_bytes(*x)).collect()),
        };
        if !values.are_finite() {
            return Err(self.not_finite(name));
        }
        Ok(Table { width, values })
    }

    /// A tensor of that name and shape, and its type, which is one that can be read.
    fn view(&self, name: &str, shape: &[usize]) -> Result<(TensorView<'_>, DType), ModelError> {
        let view = self.tensors.tensor(name).map_err(|_| {
            self.fail(format!("it has no tensor {name:?}: is it the weights of the model that config.json describes?"))
        })?;
        if view.shape() != shape {
            return Err(self.fail(format!("tensor {name:?} is {:?}, but config.json makes it {shape:?}", view.shape())));
        }
        let dtype = match view.dtype() {
            Dtype::F32 => DType::F32,
            Dtype::F16 => DType::F16,
            Dtype::BF16 => DType::BF16,
            other => return Err(self.fail(format!("tensor {name:?} is {other:?}: only F32, F16 and BF16 are read"))),
        };
        Ok((view, dtype))
    }

    fn not_finite(&self, name: &str) -> ModelError {
        self.fail(format!("tensor {name:?} holds values that are no finite numbers: the file is damaged"))
    }

    fn fail(&self, detail: String) -> ModelError {
        ModelError::Weights { model: self.model.to_owned(), detail }
    }
}

/// A table of rows, of which few are read at a time.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    width: usize,
    values: TableValues,
}

#[derive(Clone, Debug)]
enum TableValues {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Bf16(Vec<bf16>),
}

impl TableValues {
    fn are_finite(&self) -> bool {
        match self {
            Self::F32(values) => values.iter().all(|x| x.is_finite()),
            Self::F16(values) => values.iter().all(|x| x.is_finite()),
            Self::Bf16(values) => values.iter().all(|x| x.is_finite()),
        }
    }
}

impl Table {
    /// Adds the row of that index to `sum`, by way of `row`, which is as long; if there is no such row, nothing is added
    /// and the answer is false.
    pub(crate) fn add_row(&self, index: usize, row: &mut [f32], sum: &mut [f32]) -> bool {
        let range = index * self.width..(index + 1) * self.width;
        let there = match &self.values {
            TableValues::F32(values) => values.get(range).map(|values| row.copy_from_slice(values)),
            TableValues::F16(values) => values.get(range).map(|values| values.convert_to_f32_slice(row)),
            TableValues::Bf16(values) => values.get(range).map(|values| values.convert_to_f32_slice(row)),
        };
        if there.is_some() {
            sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += *x);
        }
        there.is_some()
    }
}

impl Weights for SafetensorsWeights<'_> {
    fn get(&self, name: &str, shape: &[usize]) -> Result<Tensor, ModelError> {
        let (view, dtype) = self.view(name, shape)?;
        let on_cpu = Tensor::from_raw_buffer(view.data(), dtype, shape, &Device::Cpu)?.to_dtype(DType::F32)?;
        // A sum is finite only if every value is; overflow of the sum itself is out of reach of sane weights.
        if !on_cpu.abs()?.sum_all()?.to_scalar::<f32>()?.is_finite() {
            return Err(self.not_finite(name));
        }
        Ok(on_cpu.to_device(&self.device)?)
    }
}
