//! The encoder on the CPU: plain slices and the kernels of `dateline-kernels`, without a tensor library.
//!
//! A pass over many windows is shared out by chunks of windows, each of which one thread takes through all layers: no
//! thread waits for another, and a chunk's activations stay in the thread's cache. A pass over a single window, which
//! somebody waits for, or over too few for the threads is shared out by rows within each step. Either way a token's numbers are the same, bit for
//! bit, because no kernel's results for a row depend on the rows beside it.

mod balance;
mod layer;
mod observe;
mod share;

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use dateline_kernels::{Cpu, F32Matrix, FeedForward, Matrix, Norm, Scratch};
use rayon::prelude::*;

pub use balance::{Balance, FILE as BALANCE_FILE};
use layer::{Layer, Source};
pub(crate) use observe::Ranges;
use share::{Chunks, Steps};

use crate::config::EncoderConfig;
use crate::weights::Table;
use crate::{ModelError, PackedBatch, Precision, SafetensorsWeights};

/// An encoder with a linear head over its tags, ready to run on the CPU.
#[derive(Debug)]
pub(crate) struct CpuEncoder {
    cpu: Cpu,
    config: EncoderConfig,
    tables: Tables,
    embeddings_norm: Norm,
    layers: Vec<Layer>,
    classifier: Matrix,
    /// Buffers of passes that are over, for the next ones.
    rooms: Mutex<Vec<Room>>,
}

/// The rows that a token's vector is summed from.
#[derive(Debug)]
struct Tables {
    words: Table,
    positions: Table,
    types: Option<Table>,
}

/// The buffers of one pass over some windows.
#[derive(Debug, Default)]
struct Room {
    /// `[tokens][hidden]`: the tokens' vectors.
    x: Vec<f32>,
    /// `[tokens][3][hidden]`.
    qkv: Vec<f32>,
    /// `[tokens][hidden]`: what a step adds to the vectors.
    y: Vec<f32>,
    /// `[tokens][hidden]`: what attention gives.
    context: Vec<f32>,
    scratch: Scratch,
}

impl Room {
    /// Has room for so many tokens, and no more.
    fn fit(&mut self, tokens: usize, hidden: usize) {
        for (buffer, width) in
            [(&mut self.x, hidden), (&mut self.y, hidden), (&mut self.context, hidden), (&mut self.qkv, 3 * hidden)]
        {
            buffer.resize(tokens * width, 0.0);
        }
    }
}

impl CpuEncoder {
    /// Takes an encoder with `tags` outputs from `weights`, its linear layers in `precision`, on the rayon pool that the
    /// caller installed.
    ///
    /// # Errors
    /// [`ModelError`] if the weights do not fit, if `DATELINE_CPU` names what this machine lacks, or if the precision
    /// is none of the CPU's.
    pub(crate) fn load(
        config: &EncoderConfig,
        tags: usize,
        weights: &SafetensorsWeights<'_>,
        precision: Precision,
        balance: Option<&Balance>,
    ) -> Result<Self, ModelError> {
        let cpu = Cpu::chosen().map_err(|error| ModelError::Cpu(error.to_string()))?;
        let hidden = config.hidden_size;
        let source = Source::new(config, weights, precision, balance)?;
        let part = |name: &str| config.family.embeddings_part(name);
        let table = |name: &str, rows| weights.table(&part(&format!("{name}.weight")), [rows, hidden]);
        let tables = Tables {
            words: table("word_embeddings", config.vocab_size)?,
            positions: table("position_embeddings", config.position_rows)?,
            types: match config.type_vocab_size {
                0 => None,
                rows => Some(table("token_type_embeddings", rows)?),
            },
        };
        // The head is small, and what it says is final: in f32 always.
        let (weight, bias) = source.values("classifier", tags, hidden)?;
        Ok(Self {
            cpu,
            tables,
            embeddings_norm: source.norm(&part("LayerNorm"))?,
            layers: (0..config.layers).into_par_iter().map(|index| source.layer(index)).collect::<Result<_, _>>()?,
            classifier: Matrix::F32(F32Matrix::pack(&weight, &bias, hidden)),
            config: config.clone(),
            rooms: Mutex::default(),
        })
    }

    /// The logits of every token of the batch: `[tokens][tags]`. Runs on the rayon pool that the caller installed.
    /// `pause` is called now and then, by the thread that runs this function and no other: there it may do other work,
    /// even another pass.
    ///
    /// # Errors
    /// [`ModelError::Batch`] if a token, a type or a position is outside its table.
    pub(crate) fn forward(&self, batch: &PackedBatch, pause: &(dyn Fn() + Sync)) -> Result<Vec<f32>, ModelError> {
        let tags = self.classifier.outputs();
        let mut logits = vec![0.0; batch.tokens() * tags];
        let chunks = Chunks::cut(batch, rayon::current_num_threads());
        if chunks.are_uneven() {
            self.pass(batch, 0..batch.cu_seqlens.len() - 1, &mut logits, Steps::shared(pause))?;
        } else {
            chunks.share(&mut logits, tags, pause, |windows, logits, pause| {
                self.pass(batch, windows, logits, Steps::alone(pause))
            })?;
        }
        Ok(logits)
    }

    /// One pass over some windows of a batch, into their rows of the logits.
    fn pass(
        &self,
        batch: &PackedBatch,
        windows: Range<usize>,
        logits: &mut [f32],
        steps: Steps<'_>,
    ) -> Result<(), ModelError> {
        let bounds = &batch.cu_seqlens[windows.start..=windows.end];
        let (Some(&first), Some(&end)) = (bounds.first(), bounds.last()) else { return Ok(()) };
        let mut room = self.rooms.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        room.fit(end - first, self.config.hidden_size);
        self.embed(batch, first..end, &mut room.x, &mut room.y)?;
        for layer in &self.layers {
            self.layer(layer, bounds, &mut room, steps);
        }
        steps.pause();
        self.cpu.linear(&room.x, &self.classifier, &mut room.scratch, logits);
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner).push(room);
        Ok(())
    }

    /// The vectors of the tokens before the first layer. `spare` has room for at least one of them.
    fn embed(
        &self,
        batch: &PackedBatch,
        tokens: Range<usize>,
        x: &mut [f32],
        spare: &mut [f32],
    ) -> Result<(), ModelError> {
        x.fill(0.0);
        let spare = &mut spare[..self.config.hidden_size];
        for (row, token) in x.chunks_exact_mut(self.config.hidden_size).zip(tokens) {
            let (word, kind) = (batch.token_ids[token] as usize, batch.type_ids[token] as usize);
            let position = batch.position_ids[token] as usize + self.config.position_offset;
            let known = self.tables.words.add_row(word, spare, row)
                && self.tables.positions.add_row(position, spare, row)
                && self.tables.types.as_ref().is_none_or(|types| types.add_row(kind, spare, row));
            if !known {
                return Err(ModelError::Batch { word, position, kind });
            }
        }
        self.cpu.layer_norm(x, &self.embeddings_norm);
        Ok(())
    }

    /// One transformer layer over windows that begin and end at `bounds`.
    fn layer(&self, layer: &Layer, bounds: &[usize], room: &mut Room, steps: Steps<'_>) {
        let (cpu, heads, hidden) = (self.cpu, self.config.heads, self.config.hidden_size);
        let rows = steps.rows_per_block(room.x.len() / hidden);
        let Room { x, qkv, y, context, scratch } = room;

        let blocks = x.chunks(rows * hidden).zip(qkv.chunks_mut(rows * 3 * hidden));
        steps.each(scratch, blocks, |(x, qkv), scratch| cpu.linear(x, &layer.qkv, scratch, qkv));

        // Each call packs the window's keys and values anew, so blocks of queries are as large as threads allow.
        let queries = steps.queries_per_block(rows);
        let (mut qkv, mut rest) = (&qkv[..], &mut context[..]);
        let windows = bounds.windows(2).flat_map(|pair| {
            let len = (pair[1] - pair[0]) * hidden;
            let (window, others) = qkv.split_at(3 * len);
            qkv = others;
            let own = rest.split_off_mut(..len).expect("there is a row for every token");
            let blocks = own.chunks_mut(queries.saturating_mul(hidden)).enumerate();
            blocks.map(move |(block, context)| (window, block * queries, context))
        });
        steps.each(scratch, windows, |(window, first, context), scratch| {
            let queries = first..first + context.len() / hidden;
            cpu.attention(window, (heads, hidden), queries, scratch, context);
        });

        let blocks = x.chunks_mut(rows * hidden).zip(y.chunks_mut(rows * hidden)).zip(context.chunks(rows * hidden));
        steps.each(scratch, blocks, |((x, y), context), scratch| {
            cpu.linear(context, &layer.attention_output, scratch, y);
            cpu.add_layer_norm(x, y, &layer.attention_norm);
            let block = FeedForward { up: &layer.up, activation: self.config.activation.into(), down: &layer.down };
            cpu.feed_forward(x, block, scratch, y);
            cpu.add_layer_norm(x, y, &layer.output_norm);
        });
    }
}
