//! Which windows make the next batch. No threads and no clocks of its own: a plain state that the threads share under
//! a lock, so that its promises can be tested step by step.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::item::{Item, Lane, Moot};

/// While bulk texts wait, interactive ones may take so many budgets of tokens for each that bulk gets: bulk keeps a
/// fifth of the work.
const INTERACTIVE_PER_BULK: usize = 4;

/// Texts whose windows are ready for a device, by model and lane.
pub(crate) struct Ready<R> {
    models: Vec<[VecDeque<Entry<R>>; 2]>,
    /// Tokens of the windows that were not taken yet, by lane.
    tokens: [usize; 2],
    /// Tokens that went to interactive texts while bulk ones waited.
    debt: usize,
    /// By lane, the model that is served next if several have work.
    turn: [usize; 2],
}

struct Entry<R> {
    item: Arc<Item<R>>,
    /// The first window that was not taken.
    next: usize,
    /// Tokens of the windows that were not taken.
    rest: usize,
}

/// Windows that go through a device together; all of one model and one lane.
pub(crate) struct Taken<R> {
    /// Texts and their windows.
    pub(crate) windows: Vec<(Arc<Item<R>>, usize)>,
    /// Texts that were skipped, because nobody waits for them.
    pub(crate) moot: Vec<(Arc<Item<R>>, Moot)>,
}

impl<R> Ready<R> {
    pub(crate) fn new(models: usize) -> Self {
        Self {
            models: (0..models).map(|_| [VecDeque::new(), VecDeque::new()]).collect(),
            tokens: [0; 2],
            debt: 0,
            turn: [0; 2],
        }
    }

    /// Tokens that wait in a lane.
    pub(crate) const fn tokens(&self, lane: Lane) -> usize {
        self.tokens[lane as usize]
    }

    /// Tokens that wait in a lane, of each text no more than a budget: how much there is to fill batches with, to which
    /// a text of millions adds no more than one.
    pub(crate) fn ahead(&self, lane: Lane, budget: usize) -> usize {
        self.models.iter().flat_map(|lanes| &lanes[lane as usize]).map(|entry| entry.rest.min(budget)).sum()
    }

    pub(crate) fn push(&mut self, item: Arc<Item<R>>) {
        let rest = item.windows.iter().sum();
        self.tokens[item.lane as usize] += rest;
        self.models[item.model][item.lane as usize].push_back(Entry { item, next: 0, rest });
    }

    /// The next batch of at most `budget` tokens (a single window always fits). With `only_interactive`, a bulk batch is
    /// running and asks whether somebody may pass. `None` if there is nothing to do.
    pub(crate) fn take(&mut self, budget: usize, only_interactive: bool, now: Instant) -> Option<Taken<R>> {
        let bulk_waits = only_interactive || self.tokens(Lane::Bulk) > 0;
        let bulk_is_due = bulk_waits && self.debt >= INTERACTIVE_PER_BULK * budget;
        let lane = match (self.tokens(Lane::Interactive) > 0 && !bulk_is_due, only_interactive) {
            (true, _) => Lane::Interactive,
            (false, true) => return None,
            (false, false) => Lane::Bulk,
        };
        let has_work = |model: &usize| !self.models[*model][lane as usize].is_empty();
        let model =
            (0..self.models.len()).map(|n| (self.turn[lane as usize] + n) % self.models.len()).find(has_work)?;
        self.turn[lane as usize] = (model + 1) % self.models.len();
        let (taken, tokens) = self.fill(model, lane, budget, now);
        match lane {
            Lane::Interactive if bulk_waits => self.debt += tokens,
            Lane::Interactive => {}
            // A turn in which nothing was left to do was none.
            Lane::Bulk if tokens > 0 => self.debt = 0,
            Lane::Bulk => {}
        }
        Some(taken)
    }

    fn fill(&mut self, model: usize, lane: Lane, budget: usize, now: Instant) -> (Taken<R>, usize) {
        let mut taken = Taken { windows: Vec::new(), moot: Vec::new() };
        let mut tokens = 0;
        let queue = &mut self.models[model][lane as usize];
        while let Some(mut entry) = queue.pop_front() {
            if let Some(moot) = entry.item.moot(now) {
                self.tokens[lane as usize] -= entry.rest;
                taken.moot.push((entry.item, moot));
                continue;
            }
            let mut fits = 0;
            for &window in &entry.item.windows[entry.next..] {
                if tokens > 0 && tokens + window > budget {
                    break;
                }
                tokens += window;
                entry.rest -= window;
                self.tokens[lane as usize] -= window;
                fits += 1;
            }
            let windows = entry.next..entry.next + fits;
            taken.windows.extend(windows.clone().map(|window| (Arc::clone(&entry.item), window)));
            entry.next = windows.end;
            if entry.next == entry.item.windows.len() {
                continue;
            }
            // The batch is full. A text that goes on makes way for the others; one that did not begin keeps its place.
            if entry.next == 0 {
                queue.push_front(entry);
            } else {
                queue.push_back(entry);
            }
            break;
        }
        (taken, tokens)
    }

    /// Takes everything out, to be failed.
    pub(crate) fn drain(&mut self) -> Vec<Arc<Item<R>>> {
        self.tokens = [0; 2];
        self.models.iter_mut().flatten().flat_map(|queue| queue.drain(..).map(|entry| entry.item)).collect()
    }
}

#[cfg(test)]
mod tests;
