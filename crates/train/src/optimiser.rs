//! AdamW (Loshchilov & Hutter 2019) with a moving average of the weights, in one pass over the memory.
//!
//! A step over 22 million parameters is bound by memory, so weights, both moments and the average are updated together.
//! Rows of a table that no text has looked up yet have no moments and are left alone: they keep the base's values, and
//! weight decay does not wear them down. On the CPU the weights are changed in place; on other devices candle's tensor
//! operations do the same.

use std::cell::RefCell;

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Tensor, Var};
use dateline_model::math::vectorised;
use rayon::prelude::*;

use crate::Recipe;
use crate::tape::{Gradient, Gradients};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPS: f64 = 1e-8;

/// Elements that one task updates.
const BLOCK: usize = 8192;

/// The gradients of a step, as the device's operations left them.
pub(crate) enum StepGradients {
    /// From the tape of the CPU.
    Tape(Gradients),
    /// From candle's graph.
    Graph(GradStore),
}

/// A parameter with what the optimiser keeps of it.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) name: String,
    pub(crate) var: Var,
    pub(crate) state: State,
    head: bool,
}

/// Moments and average, where the weights are.
#[derive(Debug)]
pub(crate) enum State {
    /// On the CPU; an empty average is none.
    Host {
        /// First moment, second moment, average of the weights.
        mean: Vec<f32>,
        square: Vec<f32>,
        average: Vec<f32>,
    },
    /// On another device.
    Device {
        /// First moment, second moment, average of the weights.
        mean: Tensor,
        square: Tensor,
        average: Option<Tensor>,
    },
}

/// The numbers of one step for one parameter.
#[derive(Clone, Copy)]
struct Rates {
    lr: f32,
    decay: f32,
    clip: f32,
    correction1: f32,
    correction2: f32,
    average: f32,
}

/// AdamW over a set of parameters.
#[derive(Debug)]
pub(crate) struct AdamW {
    pub(crate) slots: Vec<Slot>,
    pub(crate) steps: usize,
    recipe: Recipe,
}

impl AdamW {
    /// An optimiser of `parameters`, whose classifier's names begin with `classifier`.
    pub(crate) fn new(parameters: Vec<(String, Var)>, recipe: &Recipe) -> Result<Self> {
        let averaging = recipe.ema_decay > 0.0;
        let slots = parameters.into_iter().map(|(name, var)| {
            let state = if var.device().is_cpu() {
                let zeros = || vec![0.0; var.elem_count()];
                let average = if averaging { var.flatten_all()?.to_vec1()? } else { Vec::new() };
                State::Host { mean: zeros(), square: zeros(), average }
            } else {
                let average = if averaging { Some(var.as_detached_tensor().copy()?) } else { None };
                State::Device { mean: var.zeros_like()?, square: var.zeros_like()?, average }
            };
            Ok(Slot { head: name.starts_with("classifier"), name, var, state })
        });
        Ok(Self { slots: slots.collect::<Result<_>>()?, steps: 0, recipe: recipe.clone() })
    }

    /// Changes the weights by one step at `factor` of the peak learning rates. Returns the gradients' norm.
    pub(crate) fn step(&mut self, gradients: StepGradients, factor: f64) -> Result<f64> {
        self.steps += 1;
        match gradients {
            StepGradients::Tape(mut gradients) => {
                let all: Vec<_> = self.slots.iter().map(|slot| gradients.take(&slot.var)).collect();
                let norm = all.iter().flatten().map(square_sum).sum::<f64>().sqrt();
                for (index, gradient) in all.iter().enumerate() {
                    let rates = self.rates(index, factor, norm);
                    if let Some(gradient) = gradient {
                        self.slots[index].update_host(gradient, rates)?;
                    }
                }
                Ok(norm)
            }
            StepGradients::Graph(store) => {
                let mut square = 0.0;
                for slot in &self.slots {
                    if let Some(gradient) = store.get(&slot.var) {
                        square += f64::from(gradient.sqr()?.sum_all()?.to_scalar::<f32>()?);
                    }
                }
                let norm = square.sqrt();
                for index in 0..self.slots.len() {
                    let rates = self.rates(index, factor, norm);
                    if let Some(gradient) = store.get(&self.slots[index].var).cloned() {
                        self.slots[index].update_device(&gradient, rates)?;
                    }
                }
                Ok(norm)
            }
        }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "weights are f32; steps are few")]
    fn rates(&self, index: usize, factor: f64, norm: f64) -> Rates {
        let (slot, recipe) = (&self.slots[index], &self.recipe);
        let lr = factor * if slot.head { recipe.head_lr } else { recipe.encoder_lr };
        let decay = if slot.var.rank() > 1 { recipe.weight_decay } else { 0.0 };
        let clip = if recipe.clip_norm > 0.0 && norm > recipe.clip_norm { recipe.clip_norm / norm } else { 1.0 };
        let steps = self.steps as f64;
        // Early on the average follows faster, or it would remember the base for too long.
        let average = recipe.ema_decay.min((1.0 + steps) / (10.0 + steps));
        Rates {
            lr: lr as f32,
            decay: (1.0 - lr * decay) as f32,
            clip: clip as f32,
            correction1: (1.0 / (1.0 - BETA1.powf(steps))) as f32,
            correction2: (1.0 / (1.0 - BETA2.powf(steps))) as f32,
            average: (1.0 - average) as f32,
        }
    }
}

fn square_sum(gradient: &Gradient) -> f64 {
    let (Gradient::Dense(values) | Gradient::Rows(_, values)) = gradient;
    // Blocks are summed in their order: the norm does not depend on the number of threads.
    let blocks: Vec<f64> = values
        .par_chunks(BLOCK)
        .map(|block| {
            f64::from(vectorised(
                #[inline(always)]
                || dateline_model::math::dot(block, block),
            ))
        })
        .collect();
    blocks.iter().sum()
}

/// Weights, moments and average side by side.
struct Block<'b> {
    weights: &'b mut [f32],
    mean: &'b mut [f32],
    square: &'b mut [f32],
    average: &'b mut [f32],
}

impl Block<'_> {
    /// One step; without a gradient, that of a gradient of zeros.
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "weights are f32")]
    fn update(self, gradient: Option<&[f32]>, rates: Rates) {
        const B1: f32 = BETA1 as f32;
        const B2: f32 = BETA2 as f32;
        let Self { weights, mean, square, average } = self;
        match gradient {
            Some(gradient) => {
                for ((m, v), g) in mean.iter_mut().zip(square.iter_mut()).zip(gradient) {
                    let g = g * rates.clip;
                    *m = B1 * *m + (1.0 - B1) * g;
                    *v = B2 * *v + (1.0 - B2) * g * g;
                }
            }
            None => {
                for (m, v) in mean.iter_mut().zip(square.iter_mut()) {
                    *m *= B1;
                    *v *= B2;
                }
            }
        }
        for ((w, m), v) in weights.iter_mut().zip(mean.iter()).zip(square.iter()) {
            let step = m * rates.correction1 / ((v * rates.correction2).sqrt() + EPS as f32);
            *w = *w * rates.decay - rates.lr * step;
        }
        for (a, w) in average.iter_mut().zip(weights.iter()) {
            *a += (w - *a) * rates.average;
        }
    }
}

impl Slot {
    fn update_host(&mut self, gradient: &Gradient, rates: Rates) -> Result<()> {
        let width = self.var.dims().last().copied().unwrap_or(1);
        let State::Host { mean, square, average } = &mut self.state else {
            return Err(candle_core::Error::Msg("the tape's gradients are for weights on the CPU".to_owned()));
        };
        // An average that is not kept is empty; its parts are, too.
        let averages: Vec<&mut [f32]> = match gradient {
            _ if average.is_empty() => Vec::new(),
            Gradient::Dense(_) => average.chunks_mut(BLOCK).collect(),
            Gradient::Rows(..) => average.chunks_mut(width).collect(),
        };
        in_place(&self.var, |weights| match gradient {
            Gradient::Dense(gradient) => {
                let mut averages = averages.into_iter();
                let blocks: Vec<_> = weights
                    .chunks_mut(BLOCK)
                    .zip(mean.chunks_mut(BLOCK))
                    .zip(square.chunks_mut(BLOCK))
                    .zip(gradient.chunks(BLOCK))
                    .map(|(((weights, mean), square), gradient)| {
                        let average = averages.next().unwrap_or_default();
                        (Block { weights, mean, square, average }, gradient)
                    })
                    .collect();
                blocks.into_par_iter().for_each(|(block, gradient)| {
                    vectorised(
                        #[inline(always)]
                        || block.update(Some(gradient), rates),
                    );
                });
            }
            Gradient::Rows(ids, rows) => {
                let mut averages = averages.into_iter();
                let mut given = ids.iter().zip(rows.chunks_exact(width)).peekable();
                let blocks: Vec<_> = weights
                    .chunks_mut(width)
                    .zip(mean.chunks_mut(width))
                    .zip(square.chunks_mut(width))
                    .enumerate()
                    .filter_map(|(row, ((weights, mean), square))| {
                        let average = averages.next().unwrap_or_default();
                        let gradient = given.next_if(|(id, _)| **id as usize == row).map(|(_, gradient)| gradient);
                        let untouched = gradient.is_none() && square.iter().all(|&v| v == 0.0);
                        (!untouched).then_some((Block { weights, mean, square, average }, gradient))
                    })
                    .collect();
                blocks.into_par_iter().with_min_len(16).for_each(|(block, gradient)| {
                    vectorised(
                        #[inline(always)]
                        || block.update(gradient, rates),
                    );
                });
            }
        })
    }

    fn update_device(&mut self, gradient: &Tensor, rates: Rates) -> Result<()> {
        let State::Device { mean, square, average } = &mut self.state else {
            return Err(candle_core::Error::Msg("candle's gradients are for weights on a device".to_owned()));
        };
        let gradient = (gradient.detach() * f64::from(rates.clip))?;
        *mean = ((&*mean * BETA1)? + (&gradient * (1.0 - BETA1))?)?;
        *square = ((&*square * BETA2)? + (gradient.sqr()? * (1.0 - BETA2))?)?;
        let root = ((&*square * f64::from(rates.correction2))?.sqrt()? + EPS)?;
        let step = (&*mean * f64::from(rates.lr * rates.correction1))?.div(&root)?;
        let weights = ((self.var.as_detached_tensor() * f64::from(rates.decay))? - step)?;
        self.var.set(&weights)?;
        if let Some(average) = average {
            let towards = ((&weights - &*average)? * f64::from(rates.average))?;
            *average = (&*average + towards)?;
        }
        Ok(())
    }

    /// The weights, or their average, on the host.
    pub(crate) fn values(&self, averaged: bool) -> Result<Vec<f32>> {
        match &self.state {
            State::Host { average, .. } if averaged && !average.is_empty() => Ok(average.clone()),
            State::Device { average: Some(average), .. } if averaged => average.flatten_all()?.to_vec1(),
            _ => self.var.flatten_all()?.to_vec1(),
        }
    }
}

/// Changes the values of a tensor on the CPU in place.
pub(crate) fn in_place(tensor: &Tensor, work: impl FnOnce(&mut [f32])) -> Result<()> {
    tensor.inplace_op1(&Change(RefCell::new(Some(work))))
}

struct Change<F>(RefCell<Option<F>>);

impl<F: FnOnce(&mut [f32])> InplaceOp1 for Change<F> {
    fn name(&self) -> &'static str {
        "change"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let (start, end) =
            layout.contiguous_offsets().ok_or(candle_core::Error::RequiresContiguous { op: "change" })?;
        match (storage, self.0.take()) {
            (CpuStorage::F32(values), Some(work)) => work(&mut values[start..end]),
            _ => return Err(candle_core::Error::Msg("training is in f32".to_owned())),
        }
        Ok(())
    }
}
