//! Removals that a process owes to the cache, because Redis did not answer after a change.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::store::cache::Entry;

/// The removals. Their number is limited.
#[derive(Default)]
pub(super) struct Owed(Mutex<State>);

#[derive(Default)]
struct State {
    /// The entries, each with the number of the change that owed its removal last.
    entries: HashMap<Entry, u64>,
    /// The number of the last change.
    last: u64,
    /// When the entries that did not fit have outlived their lifetime.
    forgotten: Option<Instant>,
}

/// Most entries.
const MAX_OWED: usize = 10_000;

impl Owed {
    /// Adds a removal. If too many are owed, it is not kept, and the cache is not used until
    /// `forgotten`: by then every value that is in the cache now has gone.
    pub(super) fn add(&self, entry: Entry, forgotten: Instant) {
        let mut state = self.state();
        state.last += 1;
        let number = state.last;
        if state.entries.len() < MAX_OWED || state.entries.contains_key(&entry) {
            state.entries.insert(entry, number);
        } else {
            state.forgotten = Some(forgotten);
        }
    }

    /// Whether no removal is owed, so that the cache may be used.
    pub(super) fn is_clear(&self, now: Instant) -> bool {
        let state = self.state();
        state.entries.is_empty() && state.forgotten.is_none_or(|until| until <= now)
    }

    /// How many removals are owed.
    pub(super) fn count(&self) -> usize {
        self.state().entries.len()
    }

    /// Some of the removals, and the number of the last change that they cover.
    pub(super) fn batch(&self, most: usize) -> (Vec<Entry>, u64) {
        let state = self.state();
        let entries = state.entries.keys().take(most).cloned().collect();
        (entries, state.last)
    }

    /// An entry was removed, after the change with this number. A later change owes it again.
    pub(super) fn settle(&self, entry: &Entry, number: u64) {
        let mut state = self.state();
        if state.entries.get(entry).is_some_and(|&owed| owed <= number) {
            state.entries.remove(entry);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::RecordId;

    fn entry(key: usize) -> Entry {
        let id = RecordId {
            user_id: "u".parse().unwrap(),
            key: key.to_string().parse().unwrap(),
        };
        Entry::of("test", &id)
    }

    #[test]
    fn a_removal_is_owed_again_by_a_change_during_the_repair() {
        let (owed, now) = (Owed::default(), Instant::now());
        owed.add(entry(1), now);
        let (entries, number) = owed.batch(10);
        owed.add(entry(1), now);
        owed.settle(&entries[0], number);
        assert!(!owed.is_clear(now));
        let (entries, number) = owed.batch(10);
        owed.settle(&entries[0], number);
        assert!(owed.is_clear(now));
    }

    #[test]
    fn beyond_the_limit_the_cache_rests_until_its_values_are_gone() {
        let (owed, now) = (Owed::default(), Instant::now());
        let later = now + Duration::from_mins(1);
        for key in 0..=MAX_OWED {
            owed.add(entry(key), later);
        }
        assert_eq!(owed.count(), MAX_OWED);
        let (entries, number) = owed.batch(usize::MAX);
        for entry in entries {
            owed.settle(&entry, number);
        }
        assert!(!owed.is_clear(now));
        assert!(owed.is_clear(later));
    }
}
