//! Removals from the cache that this process owes to the others.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::store::cache::Entry;

/// The entries, each with the time from which on its removal helps. A change that may still be about
/// to be committed is over by then.
#[derive(Default)]
pub(super) struct Owed(Mutex<HashMap<Entry, Instant>>);

/// The largest number of entries. There are fewer, because each had a connection to the database
/// within the last seconds.
const MAX_OWED: usize = 10_000;

impl Owed {
    pub(super) fn add(&self, entry: &Entry, due: Instant) {
        self.with(|owed| {
            if owed.len() < MAX_OWED || owed.contains_key(entry) {
                owed.insert(entry.clone(), due);
            } else {
                tracing::error!("{MAX_OWED} removals are owed: old values may stay in the cache");
            }
        });
    }

    /// The removals that are due.
    pub(super) fn due(&self, now: Instant) -> Vec<(Entry, Instant)> {
        self.with(|owed| {
            let due = owed.iter().filter(|(_, due)| **due <= now);
            due.map(|(entry, due)| (entry.clone(), *due)).collect()
        })
    }

    /// The removal was made. A later one of the same entry is still owed.
    pub(super) fn settle(&self, entry: &Entry, due: Instant) {
        self.with(|owed| {
            if owed.get(entry) == Some(&due) {
                owed.remove(entry);
            }
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.with(|owed| owed.is_empty())
    }

    fn with<T>(&self, change: impl FnOnce(&mut HashMap<Entry, Instant>) -> T) -> T {
        // Each step is one call: a panic elsewhere cannot have left it half-done.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
