//! The encoder for GPUs, without gradients: few launches for a whole packed batch, in half precision if asked for.
//!
//! It computes what [`Encoder`] computes, from the same tensors, but cut as a GPU likes it: queries, keys and values come
//! from one product, normalisation and softmax are one kernel each (they sum in f32 in every format), attention takes all
//! windows at once ([`attention`]), and what a batch is goes to the device in two copies. Nothing in it is bound to a
//! kind of device, so the tests run it on the CPU.
//!
//! candle's stream on an NVIDIA GPU belongs to the thread that calls: the passes of one encoder are made one after the
//! other, and each of them on one thread.

mod attention;
#[cfg(feature = "flash-attn")]
mod flash;
mod groups;

use candle_core::{DType, Device, Error, Result, Tensor};

use self::attention::Attention;
use crate::config::{Activation, EncoderConfig};
use crate::encoder::{Encoder, Layer, LayerNorm, Linear};
use crate::{ModelError, PackedBatch};

/// candle's kernels count elements in 32 bits; what goes into one tensor stays well below.
const MOST_ELEMENTS: usize = 1 << 31;

/// An encoder with its weights on a device, in one number format.
#[derive(Debug)]
pub(crate) struct GpuEncoder {
    config: EncoderConfig,
    device: Device,
    dtype: DType,
    words: Tensor,
    positions: Tensor,
    types: Option<Tensor>,
    embeddings_norm: LayerNorm,
    layers: Vec<GpuLayer>,
    /// In f32: scores are calibrated on these logits, and the product is a small one.
    classifier: Product,
}

/// A transformer layer, its weights laid out for few large products.
#[derive(Debug)]
struct GpuLayer {
    /// Queries, keys and values side by side; the queries are divided by the root of a head's width.
    qkv: Product,
    attention_output: Product,
    attention_norm: LayerNorm,
    up: Product,
    down: Product,
    output_norm: LayerNorm,
}

/// `x * weight + bias`.
#[derive(Debug)]
struct Product {
    /// `[in, out]`.
    weight: Tensor,
    /// `[out]`.
    bias: Tensor,
}

impl GpuEncoder {
    /// Takes `encoder`, which lies in the CPU's memory in f32, to `device`, and computes there in `dtype` (bf16, f16 or
    /// f32).
    ///
    /// # Errors
    /// [`ModelError::Compute`] if the device has not enough memory.
    pub(crate) fn new(encoder: &Encoder, device: &Device, dtype: DType) -> std::result::Result<Self, ModelError> {
        let to = Destination { device, dtype };
        let config = encoder.config.clone();
        let layers = encoder.layers.iter().map(|layer| GpuLayer::new(layer, config.heads, &to));
        let this = Self {
            words: to.take(&encoder.words)?,
            positions: to.take(&encoder.positions)?,
            types: encoder.types.as_ref().map(|types| to.take(types)).transpose()?,
            embeddings_norm: to.norm(&encoder.embeddings_norm)?,
            layers: layers.collect::<Result<_>>()?,
            classifier: Destination { device, dtype: DType::F32 }.product(&encoder.classifier)?,
            device: device.clone(),
            dtype,
            config,
        };
        // The passes may be made on another thread, and so on another stream, than this one.
        device.synchronize()?;
        Ok(this)
    }

    /// The logits of every token of the batch: `[tokens, tags]`, row by row. `pause` is called before every product: there
    /// the caller may make another pass.
    ///
    /// # Errors
    /// Those of candle: the device ran out of memory, the batch is too large for its kernels, or an id is outside its
    /// table.
    pub(crate) fn forward(&self, batch: &PackedBatch, pause: &(dyn Fn() + Sync)) -> Result<Vec<f32>> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        self.check(batch)?;
        let attention =
            Attention::new(&batch.cu_seqlens, (self.config.heads, self.config.hidden_size), self.dtype, &self.device)?;
        let mut x = self.embed(batch)?;
        for layer in &self.layers {
            x = layer.forward(&x, &attention, self.config.activation, pause)?;
        }
        pause();
        // The one place where the processor waits for the device.
        self.classifier.of(&x.to_dtype(DType::F32)?)?.flatten_all()?.to_vec1()
    }

    /// Refuses what a kernel could only answer with nonsense, or by making the device unusable for this process.
    fn check(&self, batch: &PackedBatch) -> Result<()> {
        let EncoderConfig { hidden_size, intermediate_size, vocab_size, type_vocab_size, .. } = self.config;
        check_elements(batch.tokens(), intermediate_size.max(3 * hidden_size))?;
        let tables = [
            ("token", &batch.token_ids, vocab_size),
            ("position", &batch.position_ids, self.config.max_tokens()),
            ("token type", &batch.type_ids, if self.types.is_some() { type_vocab_size } else { usize::MAX }),
        ];
        for (name, ids, rows) in tables {
            if let Some(id) = ids.iter().find(|&&id| usize::try_from(id).is_ok_and(|id| id >= rows)) {
                return Err(Error::Msg(format!("{name} {id} is outside the model's table of {rows}")));
            }
        }
        Ok(())
    }

    fn embed(&self, batch: &PackedBatch) -> Result<Tensor> {
        let tokens = batch.tokens();
        let offset = u32::try_from(self.config.position_offset).map_err(Error::wrap)?;
        let mut ids = Vec::with_capacity(3 * tokens);
        ids.extend_from_slice(&batch.token_ids);
        ids.extend(batch.position_ids.iter().map(|position| position + offset));
        ids.extend_from_slice(&batch.type_ids);
        let ids = Tensor::from_vec(ids, 3 * tokens, &self.device)?;
        let rows = |table: &Tensor, part: usize| table.index_select(&ids.narrow(0, part * tokens, tokens)?, 0);
        let mut sum = (rows(&self.words, 0)? + rows(&self.positions, 1)?)?;
        if let Some(types) = &self.types {
            sum = (sum + rows(types, 2)?)?;
        }
        normalised(&sum, &self.embeddings_norm)
    }
}

impl GpuLayer {
    fn new(layer: &Layer, heads: usize, to: &Destination<'_>) -> Result<Self> {
        let width = layer.query.weight.dim(0)? / heads;
        #[expect(clippy::cast_precision_loss, reason = "a head is some dozens wide")]
        let scale = 1.0 / (width as f64).sqrt();
        let Linear { weight, bias } = &layer.query;
        // Scaled in f32, before the weights are rounded: then scores need no pass of their own for it.
        let query = Linear { weight: (weight * scale)?, bias: (bias * scale)? };
        let parts = [&query, &layer.key, &layer.value];
        let qkv = Linear {
            weight: Tensor::cat(
                &parts.map(|part| part.weight.contiguous()).into_iter().collect::<Result<Vec<_>>>()?,
                0,
            )?,
            bias: Tensor::cat(&parts.map(|part| &part.bias), 0)?,
        };
        Ok(Self {
            qkv: to.product(&qkv)?,
            attention_output: to.product(&layer.attention_output)?,
            attention_norm: to.norm(&layer.attention_norm)?,
            up: to.product(&layer.up)?,
            down: to.product(&layer.down)?,
            output_norm: to.norm(&layer.output_norm)?,
        })
    }

    fn forward(
        &self,
        x: &Tensor,
        attention: &Attention,
        activation: Activation,
        pause: &(dyn Fn() + Sync),
    ) -> Result<Tensor> {
        pause();
        let contexts = attention.attend(&self.qkv.of(x)?)?;
        pause();
        let x = normalised(&(self.attention_output.of(&contexts)? + x)?, &self.attention_norm)?;
        pause();
        let wide = self.up.of(&x)?;
        let wide = match activation {
            Activation::Relu => wide.relu()?,
            Activation::Gelu => wide.gelu_erf()?,
            Activation::GeluTanh => wide.gelu()?,
        };
        pause();
        normalised(&(self.down.of(&wide)? + x)?, &self.output_norm)
    }
}

impl Product {
    fn of(&self, x: &Tensor) -> Result<Tensor> {
        x.matmul(&self.weight)?.broadcast_add(&self.bias)
    }
}

/// Refuses a tensor of so many rows and columns if candle's kernels would lose count in it.
///
/// # Errors
/// That says how many rows there may be.
fn check_elements(rows: usize, columns: usize) -> Result<()> {
    if rows.saturating_mul(columns) <= MOST_ELEMENTS {
        return Ok(());
    }
    let most = MOST_ELEMENTS / columns;
    Err(Error::Msg(format!(
        "{rows} tokens, padding included, are too many for the device's kernels (at most {most}): use smaller batches"
    )))
}

/// Layer normalisation of every row, summed in f32.
fn normalised(x: &Tensor, norm: &LayerNorm) -> Result<Tensor> {
    #[expect(clippy::cast_possible_truncation, reason = "eps is added to f32 variances")]
    let eps = norm.eps as f32;
    candle_nn::ops::layer_norm(x, &norm.weight, &norm.bias, eps)
}

/// Where weights go, and in which format.
struct Destination<'d> {
    device: &'d Device,
    dtype: DType,
}

impl Destination<'_> {
    fn take(&self, tensor: &Tensor) -> Result<Tensor> {
        // Rounded before the copy, which then is half as long.
        tensor.to_dtype(self.dtype)?.contiguous()?.to_device(self.device)
    }

    fn product(&self, linear: &Linear) -> Result<Product> {
        Ok(Product { weight: self.take(&linear.weight.t()?)?, bias: self.take(&linear.bias)? })
    }

    fn norm(&self, norm: &LayerNorm) -> Result<LayerNorm> {
        Ok(LayerNorm { weight: self.take(&norm.weight)?, bias: self.take(&norm.bias)?, eps: norm.eps })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde::Deserialize;

    use super::*;
    use crate::{ModelConfig, ModelFiles, SafetensorsWeights};

    const CPU: Device = Device::Cpu;

    /// Where windows of these lengths begin, and last the number of tokens.
    pub(super) fn cu_seqlens(lengths: &[usize]) -> Vec<usize> {
        let mut ends = vec![0];
        ends.extend(lengths.iter().scan(0, |end, length| {
            *end += length;
            Some(*end)
        }));
        ends
    }

    /// The largest difference between two tensors of any formats. NaN if there is one.
    pub(super) fn largest_difference(a: &Tensor, b: &Tensor) -> f32 {
        let flat = |x: &Tensor| x.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        largest(&flat(a), &flat(b))
    }

    fn largest(a: &[f32], b: &[f32]) -> f32 {
        assert_eq!(a.len(), b.len());
        let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
        differences.fold(0.0, |most, next| if most.is_nan() || next <= most { most } else { next })
    }

    #[derive(Deserialize)]
    struct Case {
        input_ids: Vec<u32>,
        token_type_ids: Option<Vec<u32>>,
        logits: Vec<Vec<f32>>,
    }

    /// A tiny model, and what `transformers` makes of some texts with it.
    fn fixture(name: &str, dtype: DType) -> (GpuEncoder, Vec<Case>) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parity").join(name);
        let files = ModelFiles::read(&folder).unwrap();
        let config = ModelConfig::parse(&files.name, &files.config).unwrap();
        let weights = SafetensorsWeights::open(&files.name, &files.weights, &CPU).unwrap();
        let encoder = Encoder::load(&config.encoder, config.tags.len(), &weights).unwrap();
        let cases = serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
        (GpuEncoder::new(&encoder, &CPU, dtype).unwrap(), cases)
    }

    /// All of a fixture's texts in one batch, and the logits that they should have.
    fn batch(cases: &[Case]) -> (PackedBatch, Vec<f32>) {
        let mut batch = PackedBatch::new();
        for case in cases {
            let types = case.token_type_ids.clone().unwrap_or_else(|| vec![0; case.input_ids.len()]);
            batch.push(&case.input_ids, &types);
        }
        (batch, cases.iter().flat_map(|case| case.logits.concat()).collect())
    }

    #[test]
    fn logits_are_those_of_transformers() {
        let fixtures =
            ["bert", "bert-casing", "distilbert", "distilbert-relu", "roberta", "roberta-gelu-new", "xlm-roberta"];
        for name in fixtures {
            // bf16 has no products on candle's CPU; f16 stands for half precision.
            for (dtype, tolerance) in [(DType::F32, 1e-4), (DType::F16, 2e-2)] {
                let (encoder, cases) = fixture(name, dtype);
                let (batch, expected) = batch(&cases);
                let difference = largest(&encoder.forward(&batch, &|| {}).unwrap(), &expected);
                assert!(difference < tolerance, "{name} in {dtype:?}: off by {difference}");
            }
        }
    }

    #[test]
    fn an_empty_batch_has_no_logits() {
        let (encoder, _) = fixture("bert", DType::F32);
        assert!(encoder.forward(&PackedBatch::new(), &|| {}).unwrap().is_empty());
    }

    #[test]
    fn pauses_before_every_product() {
        let (encoder, cases) = fixture("bert", DType::F32);
        let pauses = AtomicUsize::new(0);
        let (batch, _) = batch(&cases);
        encoder.forward(&batch, &|| _ = pauses.fetch_add(1, Ordering::Relaxed)).unwrap();
        assert_eq!(pauses.into_inner(), 4 * encoder.layers.len() + 1);
    }

    #[test]
    fn another_pass_may_be_made_in_a_pause() {
        let (encoder, cases) = fixture("bert", DType::F32);
        let (all, expected) = batch(&cases);
        let (first, own) = batch(&cases[..1]);
        let logits = encoder.forward(&all, &|| {
            let difference = largest(&encoder.forward(&first, &|| {}).unwrap(), &own);
            assert!(difference < 1e-4, "{difference}");
        });
        assert!(largest(&logits.unwrap(), &expected) < 1e-4);
    }

    /// On a GPU a foreign id would be an assertion in a kernel, after which the process has to be started again.
    #[test]
    fn ids_outside_the_tables_are_refused() {
        let (encoder, _) = fixture("bert", DType::F32);
        let rows = u32::try_from(encoder.config.vocab_size).unwrap();
        for (token, kind, message) in [(rows, 0, "token "), (0, 1000, "token type 1000")] {
            let mut batch = PackedBatch::new();
            batch.push(&[token], &[kind]);
            let error = encoder.forward(&batch, &|| {}).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        let mut batch = PackedBatch::new();
        let long = encoder.config.max_tokens() + 1;
        batch.push(&vec![0; long], &vec![0; long]);
        assert!(encoder.forward(&batch, &|| {}).unwrap_err().to_string().contains("position"));
    }

    #[test]
    fn a_batch_beyond_what_the_kernels_count_is_refused() {
        let (encoder, _) = fixture("bert", DType::F32);
        let most = MOST_ELEMENTS / encoder.config.intermediate_size.max(3 * encoder.config.hidden_size);
        let mut batch = PackedBatch::new();
        // Only the number of tokens is looked at.
        batch.token_ids = vec![0; most + 1];
        let error = encoder.forward(&batch, &|| {}).unwrap_err().to_string();
        assert!(error.contains(&format!("at most {most})")), "{error}");
    }
}
