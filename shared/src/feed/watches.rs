//! Who waits for which thing to change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Things that are waited for at once in one process.
const MAX_WATCHES: usize = 8_192;

type Waiting = HashMap<String, Arc<Notify>>;

#[derive(Clone, Debug, Default)]
pub(super) struct Watches(Arc<Mutex<Waiting>>);

/// A wait for one thing. Ends when it is dropped.
#[derive(Debug)]
pub struct Watch {
    watches: Watches,
    id: String,
    notify: Arc<Notify>,
}

/// No more waits fit into this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyWatches;

impl Watches {
    pub(super) fn add(&self, id: String) -> Result<Watch, TooManyWatches> {
        let mut waiting = self.lock();
        if waiting.len() >= MAX_WATCHES && !waiting.contains_key(&id) {
            return Err(TooManyWatches);
        }
        let notify = waiting.entry(id.clone()).or_default().clone();
        drop(waiting);
        Ok(Watch { watches: self.clone(), id, notify })
    }

    pub(super) fn wake(&self, id: &str) {
        if let Some(notify) = self.lock().get(id) {
            notify.notify_waiters();
        }
    }

    pub(super) fn wake_all(&self) {
        self.lock().values().for_each(|notify| notify.notify_waiters());
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// The next change after this call. Call it, then look at the thing, then wait: the other way
    /// round a change in between is missed.
    pub fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.notify.notified()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut waiting = self.watches.lock();
        // The map has one handle, this watch another.
        if Arc::strong_count(&self.notify) <= 2 {
            waiting.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_watch_wakes_for_its_thing_alone_and_leaves_nothing_behind() {
        let watches = Watches::default();
        let (a, b) = (watches.add("a".to_owned()).unwrap(), watches.add("b".to_owned()).unwrap());
        let second = watches.add("a".to_owned()).unwrap();
        let (first_changed, second_changed) = (a.changed(), second.changed());
        let mut b_changed = Box::pin(b.changed());
        watches.wake("a");
        first_changed.await;
        second_changed.await;
        assert!(!b_changed.as_mut().enable(), "nothing happened to b");
        watches.wake_all();
        b_changed.await;
        drop(a);
        assert_eq!(watches.lock().len(), 2, "somebody else still waits for a");
        drop((second, b));
        assert!(watches.lock().is_empty());
    }
}
