//! The queue's promises, step by step: no threads, no clock.

use std::time::Duration;

use dateline_text::Mention;
use proptest::prelude::*;
use tokio::sync::{Semaphore, oneshot};

use super::*;
use crate::item::{Failure, Job, Outcome, Request};

type Reply = oneshot::Receiver<Outcome>;

fn item(model: usize, lane: Lane, windows: &[usize], deadline: Option<Instant>) -> (Arc<Item<()>>, Reply) {
    let (reply, receiver) = oneshot::channel();
    let room = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
    let request = Request { text: Arc::from("text"), model, lane, deadline };
    let job = Job { request, submitted: Instant::now(), room, reply };
    (Arc::new(Item::new(job, (), windows.to_vec())), receiver)
}

/// A queue with texts of these lanes and windows; their indices are found again by their addresses.
struct Bench {
    ready: Ready<()>,
    items: Vec<(Arc<Item<()>>, Option<Reply>)>,
}

impl Bench {
    fn new(models: usize) -> Self {
        Self { ready: Ready::new(models), items: Vec::new() }
    }

    fn push(&mut self, lane: Lane, windows: &[usize]) -> usize {
        self.push_for(0, lane, windows, None)
    }

    fn push_for(&mut self, model: usize, lane: Lane, windows: &[usize], deadline: Option<Instant>) -> usize {
        let (item, reply) = item(model, lane, windows, deadline);
        self.ready.push(Arc::clone(&item));
        self.items.push((item, Some(reply)));
        self.items.len() - 1
    }

    /// The next batch as pairs of text and window.
    fn take(&mut self, budget: usize, only_interactive: bool) -> Option<Vec<(usize, usize)>> {
        let taken = self.ready.take(budget, only_interactive, Instant::now())?;
        let index = |item: &Arc<Item<()>>| self.items.iter().position(|(own, _)| Arc::ptr_eq(own, item)).unwrap();
        Some(taken.windows.iter().map(|(item, window)| (index(item), *window)).collect())
    }
}

#[test]
fn a_batch_is_filled_up_to_its_budget_in_order() {
    let mut bench = Bench::new(1);
    for tokens in [40, 50, 20, 90] {
        bench.push(Lane::Bulk, &[tokens]);
    }
    assert_eq!(bench.ready.tokens(Lane::Bulk), 200);
    assert_eq!(bench.take(100, false), Some(vec![(0, 0), (1, 0)]));
    assert_eq!(bench.take(100, false), Some(vec![(2, 0)]));
    assert_eq!(bench.take(50, false), Some(vec![(3, 0)]), "a window over the budget goes alone");
    assert_eq!(bench.ready.tokens(Lane::Bulk), 0);
    assert_eq!(bench.take(100, false), None);
}

#[test]
fn a_long_text_makes_way_after_each_batch() {
    let mut bench = Bench::new(1);
    let long = bench.push(Lane::Bulk, &[50; 6]);
    let short = bench.push(Lane::Bulk, &[30]);
    assert_eq!(bench.take(100, false), Some(vec![(long, 0), (long, 1)]));
    assert_eq!(bench.take(100, false), Some(vec![(short, 0), (long, 2)]));
    assert_eq!(bench.take(100, false), Some(vec![(long, 3), (long, 4)]));
    assert_eq!(bench.take(100, false), Some(vec![(long, 5)]));
}

#[test]
fn interactive_texts_go_first_and_bulk_ones_do_not_starve() {
    let mut bench = Bench::new(1);
    let bulk = bench.push(Lane::Bulk, &[100]);
    let mut before = 0;
    loop {
        bench.push(Lane::Interactive, &[100]);
        let batch = bench.take(100, false).unwrap();
        if batch == [(bulk, 0)] {
            break;
        }
        before += 1;
    }
    assert_eq!(before, INTERACTIVE_PER_BULK);
    assert_ne!(bench.take(100, false).unwrap(), [(bulk, 0)], "and the interactive ones have their turn again");
}

#[test]
fn in_the_pause_of_a_bulk_batch_only_interactive_texts_pass_and_only_so_many() {
    let mut bench = Bench::new(1);
    bench.push(Lane::Bulk, &[100]);
    assert_eq!(bench.take(100, true), None);
    for _ in 0..=INTERACTIVE_PER_BULK {
        bench.push(Lane::Interactive, &[100]);
    }
    for passed in 1..=INTERACTIVE_PER_BULK {
        assert_eq!(bench.take(100, true), Some(vec![(passed, 0)]));
    }
    assert_eq!(bench.take(100, true), None, "the bulk batch must come to its end, too");
    assert_eq!(bench.take(100, false), Some(vec![(0, 0)]));
}

#[test]
fn models_take_turns_and_do_not_share_a_batch() {
    let mut bench = Bench::new(2);
    for model in [0, 0, 1, 1] {
        bench.push_for(model, Lane::Bulk, &[60], None);
    }
    let order: Vec<_> = std::iter::from_fn(|| bench.take(100, false)).collect();
    assert_eq!(order, [[(0, 0)], [(2, 0)], [(1, 0)], [(3, 0)]]);
}

#[test]
fn what_nobody_waits_for_is_skipped_and_named() {
    let mut bench = Bench::new(1);
    let left = bench.push(Lane::Interactive, &[10, 10]);
    let late = bench.push_for(0, Lane::Interactive, &[10], Some(Instant::now() - Duration::from_millis(1)));
    let failed = bench.push(Lane::Interactive, &[10]);
    let good = bench.push(Lane::Interactive, &[10]);
    bench.items[left].1 = None;
    assert_eq!(bench.items[failed].0.answer(Err(Failure::Model)), Some(true));
    let taken = bench.ready.take(100, false, Instant::now()).unwrap();
    let moot: Vec<_> = taken.moot.iter().map(|(_, moot)| *moot).collect();
    assert_eq!(moot, [Moot::Abandoned, Moot::Expired, Moot::Answered]);
    assert_eq!(taken.windows.len(), 1);
    assert!(Arc::ptr_eq(&taken.windows[0].0, &bench.items[good].0) && late == 1);
    assert_eq!(bench.ready.tokens(Lane::Interactive), 0);
}

#[test]
fn only_the_first_outcome_of_a_text_counts() {
    let (item, mut reply) = item(0, Lane::Bulk, &[1, 1], None);
    assert!(!item.placed_last() && item.placed_last());
    assert_eq!(item.answer(Ok(Vec::<Mention>::new())), Some(true));
    assert_eq!(item.answer(Err(Failure::Model)), None);
    assert_eq!(reply.try_recv().unwrap(), Ok(Vec::new()));
}

proptest! {
    /// Whatever comes and goes, every window is taken once, in its text's order, and no batch is over the budget.
    #[test]
    fn every_window_is_taken_once(
        texts in prop::collection::vec((0..2_usize, any::<bool>(), prop::collection::vec(1..60_usize, 1..8)), 0..30),
        budget in 1..150_usize,
    ) {
        let mut bench = Bench::new(2);
        for (model, interactive, windows) in &texts {
            let lane = if *interactive { Lane::Interactive } else { Lane::Bulk };
            bench.push_for(*model, lane, windows, None);
        }
        let mut next = vec![0; texts.len()];
        while let Some(batch) = bench.take(budget, false) {
            let size: usize = batch.iter().map(|&(text, window)| texts[text].2[window]).sum();
            prop_assert!(size <= budget || batch.len() == 1);
            prop_assert!(batch.windows(2).all(|pair| texts[pair[0].0].0 == texts[pair[1].0].0), "one model");
            for (text, window) in batch {
                prop_assert_eq!(next[text], window);
                next[text] += 1;
            }
        }
        for (text, next) in texts.iter().zip(next) {
            prop_assert_eq!(text.2.len(), next);
        }
    }
}
