//! The interfaces of projects that were set up, for predictions that come without one. Bounded: what was asked for longest
//! ago is forgotten, and a prediction then says that it lacks its interface.

use std::sync::{Arc, Mutex, PoisonError};

use indexmap::IndexMap;

use super::interface::Interface;
use crate::access::Caller;

/// The most projects that are remembered. An interface of the largest size that is read takes some megabytes.
const MOST: usize = 64;

/// Projects of one caller are nobody else's: two installations of Label Studio number theirs alike.
type Key = (Caller, String);

/// The interfaces, the one that was asked for last at the end.
#[derive(Default)]
pub(crate) struct Memory(Mutex<IndexMap<Key, Arc<Interface>>>);

impl Memory {
    /// Remembers the interface of a caller's project.
    pub(super) fn keep(&self, caller: Caller, project: String, interface: Arc<Interface>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.shift_remove(&(caller.clone(), project.clone()));
        if known.len() == MOST {
            known.shift_remove_index(0);
        }
        known.insert((caller, project), interface);
    }

    /// The interface of a caller's project.
    pub(super) fn recall(&self, caller: Caller, project: String) -> Option<Arc<Interface>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (caller, project);
        let interface = known.shift_remove(&key)?;
        known.insert(key, Arc::clone(&interface));
        Some(interface)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_what_was_asked_for_longest_ago() {
        let (memory, interface) = (Memory::default(), Arc::new(Interface::default()));
        for project in 0..MOST {
            memory.keep(Caller::Inside, project.to_string(), Arc::clone(&interface));
        }
        assert!(memory.recall(Caller::Inside, "0".to_owned()).is_some());
        memory.keep(Caller::Inside, "new".to_owned(), Arc::clone(&interface));
        memory.keep(Caller::Inside, "new".to_owned(), interface);
        let known = |project: &str| memory.recall(Caller::Inside, project.to_owned()).is_some();
        assert!(known("0") && known("new") && known("2") && !known("1"));
    }

    #[test]
    fn a_project_is_its_callers_own() {
        let memory = Memory::default();
        memory.keep(Caller::Holder("one".into()), "1.1".to_owned(), Arc::new(Interface::default()));
        assert!(memory.recall(Caller::Holder("two".into()), "1.1".to_owned()).is_none());
    }
}
