//! Wakes the callers that wait for one thing to change. The callers limit how many may wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

type Waiting = HashMap<String, Arc<Notify>>;

#[derive(Clone, Debug, Default)]
pub(super) struct Watches(Arc<Mutex<Waiting>>);

/// A registration to be woken when one thing changes. It ends when the value is dropped.
#[derive(Debug)]
pub struct Watch {
    watches: Watches,
    id: String,
    notify: Arc<Notify>,
}

impl Watches {
    pub(super) fn add(&self, id: String) -> Watch {
        let notify = self.lock().entry(id.clone()).or_default().clone();
        Watch {
            watches: self.clone(),
            id,
            notify,
        }
    }

    pub(super) fn wake(&self, id: &str) {
        if let Some(notify) = self.lock().get(id) {
            notify.notify_waiters();
        }
    }

    pub(super) fn wake_all(&self) {
        self.lock()
            .values()
            .for_each(|notify| notify.notify_waiters());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Completes at the next change after this call. Call this first, then read the thing, then
    /// wait. If the thing is read first, a change in between is missed.
    pub fn changed(&self) -> tokio::sync::futures::Notified<'_> {
        self.notify.notified()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut waiting = self.watches.lock();
        // Dropped under the lock. If two watches of one thing end at the same time, the second one
        // sees that it is the last, and removes the entry.
        drop(std::mem::take(&mut self.notify));
        if waiting
            .get(&self.id)
            .is_some_and(|notify| Arc::strong_count(notify) == 1)
        {
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
        let (a, b) = (watches.add("a".to_owned()), watches.add("b".to_owned()));
        let second = watches.add("a".to_owned());
        let (first_changed, second_changed) = (a.changed(), second.changed());
        let mut b_changed = Box::pin(b.changed());
        watches.wake("a");
        first_changed.await;
        second_changed.await;
        assert!(!b_changed.as_mut().enable(), "nothing happened to b");
        watches.wake_all();
        b_changed.await;
        drop(a);
        assert_eq!(watches.lock().len(), 2, "another watcher still waits for a");
        drop((second, b));
        assert!(watches.lock().is_empty());
    }

    #[test]
    fn watches_of_one_thing_that_end_together_leave_nothing_behind() {
        const PAIRS: usize = 20_000;
        let watches = Watches::default();
        let barrier = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for number in 0..PAIRS {
                        let watch = watches.add(number.to_string());
                        barrier.wait();
                        drop(watch);
                        barrier.wait();
                    }
                });
            }
        });
        assert_eq!(watches.lock().len(), 0);
    }
}
