//! Room for bodies in memory, over all requests: each is bounded by itself, but thousands of large ones at once are
//! not. Room is taken as the bytes come, not as they are announced, so that a caller who only announces much keeps
//! nobody out; one that finds none is told to come again.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::problem::{Code, Problem};

/// Bytes that one permit stands for.
const UNIT: usize = 4 << 10;

/// All the room there is. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    free: Arc<Semaphore>,
}

/// The part of the room that one request has; given back when dropped.
#[derive(Debug)]
pub(crate) struct Held {
    room: Room,
    permit: Option<OwnedSemaphorePermit>,
    bytes: usize,
}

impl Room {
    pub(crate) fn new(bytes: usize) -> Self {
        Self { free: Arc::new(Semaphore::new((bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS))) }
    }

    /// Nothing of it, yet.
    pub(crate) fn hold(&self) -> Held {
        Held { room: self.clone(), permit: None, bytes: 0 }
    }
}

impl Held {
    /// Makes it hold `bytes` in all; less than before gives room back.
    pub(crate) fn resize(&mut self, bytes: usize) -> Result<(), Problem> {
        let (before, after) = (self.bytes.div_ceil(UNIT), bytes.div_ceil(UNIT));
        self.bytes = bytes;
        if after > before {
            let more = u32::try_from(after - before).map_err(|_| full())?;
            let permit = Arc::clone(&self.room.free).try_acquire_many_owned(more).map_err(|_| full())?;
            match &mut self.permit {
                Some(own) => own.merge(permit),
                None => self.permit = Some(permit),
            }
        } else if let Some(permit) = &mut self.permit {
            drop(permit.split(before - after));
        }
        Ok(())
    }
}

fn full() -> Problem {
    let detail = "the bodies of other requests fill the memory that this service gives them; try again soon";
    Problem::new(Code::Overloaded, detail).retry_after(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_and_given_back() {
        let room = Room::new(10 * UNIT);
        let (mut one, mut two) = (room.hold(), room.hold());
        one.resize(6 * UNIT).unwrap();
        two.resize(4 * UNIT - 1).unwrap();
        assert_eq!(two.resize(4 * UNIT + 1).unwrap_err().code, Code::Overloaded);
        let mut two = room.hold();
        one.resize(UNIT).unwrap();
        two.resize(5 * UNIT).unwrap();
        drop(one);
        two.resize(6 * UNIT).unwrap();
    }
}
