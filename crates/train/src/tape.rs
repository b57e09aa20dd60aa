//! The encoder's operations in training on the CPU, with a record of how to go back.
//!
//! candle's own backward pass makes a zeroed tensor and a sum for every gradient and runs element-wise work on one
//! thread; on two cores that is a third of a step. So the CPU keeps its own record: each operation notes how the
//! gradient of its result becomes the gradients of its arguments, a first gradient is moved and not added, and tables
//! get gradients for the rows that were looked up and no others. Other devices use [`crate::graph`]; tests hold the two
//! to the same values and gradients.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, Device, Error, Layout, Result, Shape, Storage, Tensor, TensorId, Var};
use dateline_model::Ops;
use dateline_model::config::Activation;
use dateline_model::encoder::{AttentionShape, LayerNorm, Linear};

use crate::kernels::{self, AttentionArgs, Draw};

/// The gradient of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Gradient {
    /// For every element.
    Dense(Vec<f32>),
    /// For some rows of a table: ascending row numbers, each once, and their gradients end to end.
    Rows(Vec<u32>, Vec<f32>),
}

/// Gradients by the tensor that they belong to.
#[derive(Debug, Default)]
pub(crate) struct Gradients {
    dense: HashMap<TensorId, Vec<f32>>,
    rows: HashMap<TensorId, (Vec<u32>, Vec<f32>)>,
}

impl Gradients {
    fn add(&mut self, tensor: &Tensor, gradient: Vec<f32>) {
        match self.dense.get_mut(&tensor.id()) {
            Some(sum) => kernels::add_assign(sum, &gradient),
            None => {
                self.dense.insert(tensor.id(), gradient);
            }
        }
    }

    /// Takes the gradient of `tensor`; `None` if the loss does not depend on it.
    pub(crate) fn take(&mut self, tensor: &Tensor) -> Option<Gradient> {
        if let Some(dense) = self.dense.remove(&tensor.id()) {
            return Some(Gradient::Dense(dense));
        }
        self.rows.remove(&tensor.id()).map(|(ids, rows)| Gradient::Rows(ids, rows))
    }
}

type Backward = Box<dyn FnOnce(Vec<f32>, &mut Gradients) -> Result<()>>;

/// A table that rows were looked up in.
struct Lookup {
    table: TensorId,
    ids: Vec<u32>,
    rows: Var,
}

/// The record of one forward pass.
pub(crate) struct Tape {
    seed: u64,
    draws: Cell<u64>,
    steps: RefCell<Vec<(TensorId, Backward)>>,
    lookups: RefCell<Vec<Lookup>>,
    /// Arguments that candle itself computed from looked-up rows (the sum of the embeddings).
    sums: RefCell<Vec<Tensor>>,
}

impl Tape {
    /// A record whose dropout masks follow from `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            draws: Cell::new(0),
            steps: RefCell::default(),
            lookups: RefCell::default(),
            sums: RefCell::default(),
        }
    }

    /// The next dropout mask; `None` at a rate of 0.
    fn draw(&self, rate: f64) -> Option<Draw> {
        let number = self.draws.replace(self.draws.get() + 1);
        (rate > 0.0).then(|| Draw::new(self.seed ^ number.wrapping_mul(0xD6E8_FEB8_6659_FD93), rate))
    }

    fn note(
        &self,
        values: Vec<f32>,
        shape: impl Into<Shape>,
        backward: impl FnOnce(Vec<f32>, &mut Gradients) -> Result<()> + 'static,
    ) -> Result<Tensor> {
        let result = Tensor::from_vec(values, shape, &Device::Cpu)?;
        self.steps.borrow_mut().push((result.id(), Box::new(backward)));
        Ok(result)
    }

    /// Remembers `x` if candle computed it, so that its gradient finds the way to the tables.
    fn enter(&self, x: &Tensor) {
        if x.track_op() {
            self.sums.borrow_mut().push(x.clone());
        }
    }

    /// The gradients of all parameters, given that of `result`.
    pub(crate) fn backward(self, result: &Tensor, gradient: Vec<f32>) -> Result<Gradients> {
        let mut gradients = Gradients::default();
        gradients.add(result, gradient);
        // Each step is dropped once it has run, and with it the values that it kept.
        for (id, backward) in self.steps.into_inner().into_iter().rev() {
            if let Some(gradient) = gradients.dense.remove(&id) {
                backward(gradient, &mut gradients)?;
            }
        }
        let mut lookups: HashMap<TensorId, HashMap<u32, Vec<f32>>> = HashMap::new();
        let tables = self.lookups.into_inner();
        for sum in self.sums.into_inner() {
            let Some(gradient) = gradients.dense.remove(&sum.id()) else { continue };
            let gradient = Tensor::from_vec(gradient, sum.shape(), &Device::Cpu)?;
            let store = (&sum * gradient)?.sum_all()?.backward()?;
            for Lookup { table, ids, rows } in &tables {
                if let Some(gradient) = store.get(rows.as_tensor()) {
                    let width = gradient.dim(1)?;
                    with(gradient, |values| {
                        let sums = lookups.entry(*table).or_default();
                        for (id, row) in ids.iter().zip(values.chunks_exact(width)) {
                            let sum = sums.entry(*id).or_insert_with(|| vec![0.0; width]);
                            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
                        }
                    })?;
                }
            }
        }
        for (table, rows) in lookups {
            let mut rows: Vec<(u32, Vec<f32>)> = rows.into_iter().collect();
            rows.sort_unstable_by_key(|(id, _)| *id);
            let (ids, values): (Vec<u32>, Vec<Vec<f32>>) = rows.into_iter().unzip();
            gradients.rows.insert(table, (ids, values.concat()));
        }
        Ok(gradients)
    }
}

/// Calls `work` with the values of a contiguous f32 tensor on the CPU.
pub(crate) fn with<R>(tensor: &Tensor, work: impl FnOnce(&[f32]) -> R) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    Ok(work(values(cpu(&storage)?, layout)?))
}

fn cpu(storage: &Storage) -> Result<&CpuStorage> {
    match storage {
        Storage::Cpu(storage) => Ok(storage),
        _ => Err(Error::Msg("the tape is for tensors on the CPU".to_owned())),
    }
}

fn values<'s>(storage: &'s CpuStorage, layout: &Layout) -> Result<&'s [f32]> {
    dateline_model::ops::cpu_values(storage, layout, "tape")
}

/// A matrix for [`matmul`]: its storage, rows and columns, and whether it is to be transposed.
struct Factor<'s>(&'s CpuStorage, [usize; 2], bool);

impl Factor<'_> {
    fn layout(&self) -> Result<Layout> {
        let Self(_, [rows, columns], transposed) = *self;
        let layout = Layout::contiguous((rows, columns));
        if transposed { layout.transpose(0, 1) } else { Ok(layout) }
    }
}

fn matmul(a: &Factor<'_>, b: &Factor<'_>) -> Result<Vec<f32>> {
    let (la, lb) = (a.layout()?, b.layout()?);
    let ((m, k), (_, n)) = (la.shape().dims2()?, lb.shape().dims2()?);
    match a.0.matmul(b.0, (1, m, n, k), &la, &lb)? {
        CpuStorage::F32(product) => Ok(product),
        _ => Err(Error::Msg("training is in f32".to_owned())),
    }
}

impl Ops for Tape {
    fn linear(&self, x: &Tensor, linear: &Linear) -> Result<Tensor> {
        self.enter(x);
        let (x, weight, bias) = (x.clone(), linear.weight.clone(), linear.bias.clone());
        let (out, input) = weight.dims2()?;
        let tokens = x.dim(0)?;
        let mut y = {
            let ((x, _), (w, _)) = (x.storage_and_layout(), weight.storage_and_layout());
            matmul(&Factor(cpu(&x)?, [tokens, input], false), &Factor(cpu(&w)?, [out, input], true))?
        };
        with(&bias, |bias| kernels::add_bias(&mut y, bias))?;
        self.note(y, (tokens, out), move |gradient, gradients| {
            gradients.add(&bias, kernels::column_sums(&gradient, out));
            let gradient = CpuStorage::F32(gradient);
            let (dx, dw) = {
                let ((x, _), (w, _)) = (x.storage_and_layout(), weight.storage_and_layout());
                let (x, w) = (cpu(&x)?, cpu(&w)?);
                let rows = |transposed| Factor(&gradient, [tokens, out], transposed);
                // Side by side, so that no thread waits for the last of the other product.
                rayon::join(
                    || matmul(&rows(false), &Factor(w, [out, input], false)),
                    || matmul(&rows(true), &Factor(x, [tokens, input], false)),
                )
            };
            let (dx, dw) = (dx?, dw?);
            gradients.add(&x, dx);
            gradients.add(&weight, dw);
            Ok(())
        })
    }

    fn activate(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        self.enter(x);
        let y = with(x, |x| kernels::activate(x, activation))?;
        let x = x.clone();
        self.note(y, x.shape().clone(), move |mut gradient, gradients| {
            with(&x, |x| kernels::activate_backward(x, activation, &mut gradient))?;
            gradients.add(&x, gradient);
            Ok(())
        })
    }

    fn layer_norm(&self, x: &Tensor, norm: &LayerNorm) -> Result<Tensor> {
        self.normalise(x, None, norm)
    }

    fn add_layer_norm(&self, x: &Tensor, residual: &Tensor, norm: &LayerNorm) -> Result<Tensor> {
        self.normalise(x, Some(residual), norm)
    }

    fn embed(&self, table: &Tensor, ids: &Tensor) -> Result<Tensor> {
        let (count, width) = table.dims2()?;
        let ids = ids.to_vec1::<u32>()?;
        if let Some(id) = ids.iter().find(|&&id| id as usize >= count) {
            return Err(Error::Msg(format!("id {id} is outside a table of {count} rows")));
        }
        let rows = with(table, |table| kernels::gather(table, width, &ids))?;
        let rows = Var::from_vec(rows, (ids.len(), width), &Device::Cpu)?;
        let result = rows.as_tensor().clone();
        self.lookups.borrow_mut().push(Lookup { table: table.id(), ids, rows });
        Ok(result)
    }

    fn attention(&self, q: &Tensor, k: &Tensor, v: &Tensor, shape: &AttentionShape<'_>) -> Result<Tensor> {
        let inputs = [q, k, v].map(|x| {
            self.enter(x);
            x.clone()
        });
        let args = AttentionArgs {
            cu_seqlens: shape.cu_seqlens.to_vec(),
            heads: shape.heads,
            hidden: q.dim(1)?,
            draw: self.draw(shape.dropout),
        };
        let y = with(q, |q| with(k, |k| with(v, |v| kernels::attention(q, k, v, &args))))???;
        self.note(y, q.shape().clone(), move |gradient, gradients| {
            let [q, k, v] = &inputs;
            let all = with(q, |q| with(k, |k| with(v, |v| kernels::attention_backward(q, k, v, &gradient, &args))))???;
            for (input, gradient) in inputs.iter().zip(all) {
                gradients.add(input, gradient);
            }
            Ok(())
        })
    }

    fn dropout(&self, x: Tensor, rate: f64) -> Result<Tensor> {
        let Some(draw) = self.draw(rate) else { return Ok(x) };
        self.enter(&x);
        let mut y = with(&x, <[f32]>::to_vec)?;
        kernels::dropout(&mut y, draw);
        self.note(y, x.shape().clone(), move |mut gradient, gradients| {
            kernels::dropout(&mut gradient, draw);
            gradients.add(&x, gradient);
            Ok(())
        })
    }
}

impl Tape {
    fn normalise(&self, x: &Tensor, residual: Option<&Tensor>, norm: &LayerNorm) -> Result<Tensor> {
        self.enter(x);
        residual.into_iter().for_each(|residual| self.enter(residual));
        #[expect(clippy::cast_possible_truncation, reason = "eps is added to f32 variances")]
        let eps = norm.eps as f32;
        let (weight, bias) = (norm.weight.clone(), norm.bias.clone());
        let run = |residual: Option<&[f32]>| {
            with(x, |x| with(&weight, |w| with(&bias, |b| kernels::layer_norm(x, residual, w, b, eps))))
        };
        let (y, normal, scales) = match residual {
            Some(residual) => with(residual, |residual| run(Some(residual)))????,
            None => run(None)???,
        };
        let (x, residual) = (x.clone(), residual.cloned());
        self.note(y, x.shape().clone(), move |mut gradient, gradients| {
            let (dw, db) = with(&weight, |w| kernels::layer_norm_backward(&mut gradient, &normal, &scales, w))?;
            gradients.add(&weight, dw);
            gradients.add(&bias, db);
            if let Some(residual) = residual {
                gradients.add(&residual, gradient.clone());
            }
            gradients.add(&x, gradient);
            Ok(())
        })
    }
}
