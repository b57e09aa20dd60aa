//! How a pass is shared out over the threads of a pool.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use dateline_kernels::Scratch;
use rayon::prelude::*;

use crate::{ModelError, PackedBatch};

/// Rows that go through a step together: few enough that what lies between two linear layers stays in the second-level
/// cache, enough to read the weights rarely.
const ROWS_PER_BLOCK: usize = 24;

/// Blocks are multiples of so many rows: the height of AVX2's int8 tiles, and a part of AVX-512's.
const ROWS_PER_TILE: usize = 4;

/// Tokens of a chunk: at least so many, so that weights are read for many rows, and rarely more, so that threads finish
/// together and a chunk's activations stay in the cache.
const CHUNK_TOKENS: Range<usize> = 32..128;

/// What is called between two steps of a pass.
type Pause<'p> = &'p (dyn Fn() + Sync);

thread_local! {
    /// Room for the steps that this thread takes of a pass that is shared out row by row.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// How the steps of one pass are taken: by the calling thread alone, or by all threads of the pool.
#[derive(Clone, Copy)]
pub(super) struct Steps<'p> {
    pause: Option<Pause<'p>>,
    shared: bool,
}

impl<'p> Steps<'p> {
    /// By the calling thread, with a pause before every block of rows.
    pub(super) const fn alone(pause: Option<Pause<'p>>) -> Self {
        Self { pause, shared: false }
    }

    /// By all threads, with a pause behind every step.
    pub(super) const fn shared(pause: Pause<'p>) -> Self {
        Self { pause: Some(pause), shared: true }
    }

    pub(super) fn pause(self) {
        if let Some(pause) = self.pause {
            pause();
        }
    }

    /// Into how many rows each step is cut.
    pub(super) fn rows_per_block(self, rows: usize) -> usize {
        let threads = if self.shared { rayon::current_num_threads() } else { 1 };
        let blocks = threads * rows.div_ceil(threads * ROWS_PER_BLOCK).max(1);
        // Even blocks, of whole tiles.
        rows.div_ceil(blocks).next_multiple_of(ROWS_PER_TILE).max(1)
    }

    /// Into how many queries a window's attention is cut, where other steps take `rows`: not at all by one thread alone.
    pub(super) const fn queries_per_block(self, rows: usize) -> usize {
        if self.shared { rows } else { usize::MAX }
    }

    /// Does `work` for each block.
    pub(super) fn each<B: Send>(
        self,
        scratch: &mut Scratch,
        blocks: impl Iterator<Item = B> + Send,
        work: impl Fn(B, &mut Scratch) + Sync,
    ) {
        if self.shared {
            blocks.par_bridge().for_each(|block| SCRATCH.with_borrow_mut(|scratch| work(block, scratch)));
            self.pause();
        } else {
            for block in blocks {
                self.pause();
                work(block, scratch);
            }
        }
    }
}

/// A batch cut into chunks of windows, the largest first.
pub(super) struct Chunks<'b> {
    batch: &'b PackedBatch,
    windows: Vec<Range<usize>>,
    threads: usize,
}

impl<'b> Chunks<'b> {
    /// Cuts a batch for so many threads.
    pub(super) fn cut(batch: &'b PackedBatch, threads: usize) -> Self {
        // Several for each thread, so that they finish at about the same time.
        let target = (batch.tokens() / (3 * threads)).clamp(CHUNK_TOKENS.start, CHUNK_TOKENS.end);
        let bounds = &batch.cu_seqlens;
        let mut windows = Vec::new();
        let mut start = 0;
        for end in 1..bounds.len() {
            let full = bounds[end] - bounds[start] >= target;
            // The next window would make the chunk half as large again.
            let next = bounds.get(end + 1).is_none_or(|next| next - bounds[start] > target + target / 2);
            if full || next {
                windows.push(start..end);
                start = end;
            }
        }
        let size = |range: &Range<usize>| bounds[range.end] - bounds[range.start];
        windows.sort_by_key(|range| std::cmp::Reverse(size(range)));
        Self { batch, windows, threads }
    }

    /// Whether some threads would have nothing to do for long if each took whole chunks.
    pub(super) fn are_uneven(&self) -> bool {
        if self.threads == 1 {
            return false;
        }
        let mut loads = vec![0; self.threads];
        for range in &self.windows {
            if let Some(least) = loads.iter_mut().min() {
                *least += self.tokens(range).len();
            }
        }
        let longest = loads.into_iter().max().unwrap_or(0);
        longest * self.threads > self.batch.tokens() + self.batch.tokens() / 4
    }

    fn tokens(&self, windows: &Range<usize>) -> Range<usize> {
        self.batch.cu_seqlens[windows.start]..self.batch.cu_seqlens[windows.end]
    }

    /// Has `work` done on each chunk by whichever thread is free: on its windows and their rows of `out` (`width` values
    /// a token). Only the calling thread gets to pause.
    ///
    /// # Errors
    /// The first of `work`'s.
    pub(super) fn share(
        &self,
        out: &mut [f32],
        width: usize,
        pause: Pause<'_>,
        work: impl Fn(Range<usize>, &mut [f32], Option<Pause<'_>>) -> Result<(), ModelError> + Sync,
    ) -> Result<(), ModelError> {
        let mut by_place: Vec<usize> = (0..self.windows.len()).collect();
        by_place.sort_by_key(|&chunk| self.windows[chunk].start);
        let mut parts: Vec<Option<&mut [f32]>> = self.windows.iter().map(|_| None).collect();
        let mut rest = out;
        for chunk in by_place {
            let (part, others) = rest.split_at_mut(self.tokens(&self.windows[chunk]).len() * width);
            parts[chunk] = Some(part);
            rest = others;
        }
        let todo = Mutex::new(self.windows.iter().cloned().zip(parts.into_iter().flatten()));
        let failure = Mutex::new(None);
        let loop_over = |pause: Option<Pause<'_>>| {
            loop {
                let next = todo.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((windows, part)) = next else { break };
                if let Err(error) = work(windows, part, pause) {
                    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            }
        };
        rayon::scope(|scope| {
            for _ in 1..self.threads.min(self.windows.len()) {
                scope.spawn(|_| loop_over(None));
            }
            loop_over(Some(pause));
        });
        failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(windows: &[usize]) -> PackedBatch {
        let mut batch = PackedBatch::new();
        for &tokens in windows {
            batch.push(&vec![1; tokens], &vec![0; tokens]);
        }
        batch
    }

    #[test]
    fn every_window_is_in_one_chunk() {
        for windows in [vec![], vec![1], vec![256], vec![5; 100], vec![256, 3, 3, 200, 64, 64, 1], vec![40; 7]] {
            let batch = batch(&windows);
            for threads in [1, 2, 16] {
                let chunks = Chunks::cut(&batch, threads);
                let mut seen: Vec<usize> = chunks.windows.iter().flat_map(Clone::clone).collect();
                seen.sort_unstable();
                assert_eq!(seen, (0..windows.len()).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn each_chunk_gets_its_own_rows() {
        let windows = [9, 70, 33, 256, 5, 64, 64, 40];
        let batch = batch(&windows);
        let chunks = Chunks::cut(&batch, 2);
        let mut out = vec![0.0; batch.tokens() * 2];
        let write = |windows: Range<usize>, part: &mut [f32], _: Option<Pause<'_>>| {
            let tokens = batch.cu_seqlens[windows.start]..batch.cu_seqlens[windows.end];
            for (row, token) in part.chunks_exact_mut(2).zip(tokens) {
                row.fill(token as f32);
            }
            Ok(())
        };
        chunks.share(&mut out, 2, &|| {}, write).unwrap();
        assert!(out.chunks_exact(2).enumerate().all(|(token, row)| row == [token as f32; 2]));
    }

    #[test]
    fn one_window_is_shared_by_rows_and_many_by_chunks() {
        for (windows, uneven) in
            [(vec![80], true), (vec![256, 10, 10], true), (vec![60; 20], false), (vec![64, 64], false)]
        {
            assert_eq!(Chunks::cut(&batch(&windows), 2).are_uneven(), uneven, "{windows:?}");
            assert!(!Chunks::cut(&batch(&windows), 1).are_uneven());
        }
    }
}
