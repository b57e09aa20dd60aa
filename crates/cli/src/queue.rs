//! Hands documents from the thread that reads to the thread that annotates.
//!
//! The queue is bounded by weight (bytes), not by count, so that memory stays flat whether the documents are tweets or
//! books. The receiver takes all that waits at once: while the model is busy the reader fills the next chunk, and a
//! document that arrives alone, from a slow pipe, does not wait for others to come.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// A queue that takes items until their weights reach `budget`.
pub(crate) fn bounded<T>(budget: usize) -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State { items: Vec::new(), weight: 0, open: true }),
        changed: Condvar::new(),
        budget,
    });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

/// The reading end is gone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed;

/// The end that puts items in. Dropping it ends the queue.
pub(crate) struct Sender<T>(Arc<Shared<T>>);

/// The end that takes items out. Dropping it turns senders away.
pub(crate) struct Receiver<T>(Arc<Shared<T>>);

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    budget: usize,
}

struct State<T> {
    items: Vec<T>,
    weight: usize,
    open: bool,
}

impl<T> Shared<T> {
    // A panic of the other thread leaves the state whole: no step between its changes can panic.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, condition: impl FnMut(&mut State<T>) -> bool) -> MutexGuard<'_, State<T>> {
        self.changed.wait_while(self.lock(), condition).unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.lock().open = false;
        self.changed.notify_all();
    }
}

impl<T> Sender<T> {
    /// Puts `item` in, waiting while the queue is full. An item heavier than the whole budget passes when the queue has
    /// room for anything at all.
    pub(crate) fn send(&self, item: T, weight: usize) -> Result<(), Closed> {
        let mut state = self.0.wait_while(|state| state.open && state.weight >= self.0.budget);
        if !state.open {
            return Err(Closed);
        }
        state.items.push(item);
        state.weight += weight;
        self.0.changed.notify_all();
        Ok(())
    }
}

impl<T> Receiver<T> {
    /// All that waits, at least one item; `None` once the sender is gone and all was taken.
    pub(crate) fn take(&self) -> Option<Vec<T>> {
        let mut state = self.0.wait_while(|state| state.open && state.items.is_empty());
        state.weight = 0;
        let items = mem::take(&mut state.items);
        self.0.changed.notify_all();
        if items.is_empty() { None } else { Some(items) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn keeps_order_and_ends() {
        let (sender, receiver) = bounded(4);
        let writer = thread::spawn(move || (0..1000).for_each(|n| sender.send(n, 1).unwrap()));
        let mut all = Vec::new();
        while let Some(chunk) = receiver.take() {
            assert!((1..=4).contains(&chunk.len()), "{} items of weight 1 in a budget of 4", chunk.len());
            all.extend(chunk);
        }
        writer.join().unwrap();
        assert_eq!(all, (0..1000).collect::<Vec<_>>());
    }

    /// A document larger than the budget must pass, or the command would wait for ever.
    #[test]
    fn an_item_over_budget_passes() {
        let (sender, receiver) = bounded(4);
        sender.send("book", 1000).unwrap();
        assert_eq!(receiver.take(), Some(vec!["book"]));
        sender.send("tweet", 1).unwrap();
        drop(sender);
        assert_eq!((receiver.take(), receiver.take()), (Some(vec!["tweet"]), None));
    }

    /// The reader may sit on a pipe that never ends; it must learn that nobody reads the output any more.
    #[test]
    fn a_waiting_sender_is_turned_away() {
        let (sender, receiver) = bounded(1);
        sender.send(1, 1).unwrap();
        let waiting = thread::spawn(move || sender.send(2, 1));
        drop(receiver);
        assert_eq!(waiting.join().unwrap(), Err(Closed));
    }
}
