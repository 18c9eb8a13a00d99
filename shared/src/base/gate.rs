//! A gate joins callers that wait for the same answer: one question is asked for all of them.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A gate for each key. It exists while callers pass it.
pub struct Gates<K, T>(Mutex<HashMap<K, Arc<Gate<T>>>>);

/// Lets callers pass in rounds. One round covers all callers that came before it began. So no
/// caller gets an answer that is older than its own question.
struct Gate<T> {
    arrivals: AtomicU64,
    last: tokio::sync::Mutex<Option<Round<T>>>,
}

/// The last round, and its answer.
struct Round<T> {
    /// The number of the last caller that the round covers.
    covers: u64,
    answer: T,
}

/// One caller at the gate of its key.
struct Caller<'a, K: Eq + Hash, T> {
    gates: &'a Gates<K, T>,
    key: K,
    /// `None` once the caller has left.
    gate: Option<Arc<Gate<T>>>,
}

impl<K: Clone + Eq + Hash, T: Clone> Gates<K, T> {
    /// Waits for a round of this key that began after this call, or runs that round with `ask`. If
    /// the caller that runs a round is cancelled, the next caller in the queue runs another round.
    pub async fn pass<F>(&self, key: K, ask: impl FnOnce() -> F) -> T
    where
        F: Future<Output = T>,
    {
        let gate = self.lock().entry(key.clone()).or_default().clone();
        let caller = Caller {
            gates: self,
            key,
            gate: Some(gate),
        };
        match &caller.gate {
            Some(gate) => gate.pass(ask).await,
            None => ask().await,
        }
    }
}

impl<K, T> Gates<K, T> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Arc<Gate<T>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, T> Default for Gates<K, T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Gate<T> {
    async fn pass<F>(&self, ask: impl FnOnce() -> F) -> T
    where
        F: Future<Output = T>,
    {
        let number = self.arrivals.fetch_add(1, Ordering::AcqRel) + 1;
        let mut last = self.last.lock().await;
        if let Some(round) = &*last
            && round.covers >= number
        {
            return round.answer.clone();
        }
        let covers = self.arrivals.load(Ordering::Acquire);
        let answer = ask().await;
        *last = Some(Round {
            covers,
            answer: answer.clone(),
        });
        answer
    }
}

impl<T> Default for Gate<T> {
    fn default() -> Self {
        Self {
            arrivals: AtomicU64::new(0),
            last: tokio::sync::Mutex::default(),
        }
    }
}

impl<K: Eq + Hash, T> Drop for Caller<'_, K, T> {
    fn drop(&mut self) {
        let mut gates = self.gates.lock();
        self.gate = None;
        // Every caller drops its reference under this lock, so the last one sees that it is last.
        if gates
            .get(&self.key)
            .is_some_and(|gate| Arc::strong_count(gate) == 1)
        {
            gates.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::{join, join_all};

    use super::*;

    #[tokio::test]
    async fn everybody_who_came_before_a_round_began_is_covered_by_it() {
        let (gates, rounds) = (Arc::new(Gates::default()), Arc::new(AtomicU64::new(0)));
        let passing = (0..100).map(|_| {
            let (gates, rounds) = (gates.clone(), rounds.clone());
            tokio::spawn(async move {
                let round = || async {
                    tokio::task::yield_now().await;
                    rounds.fetch_add(1, Ordering::Relaxed);
                    7
                };
                gates.pass("a", round).await
            })
        });
        for passed in join_all(passing).await {
            assert_eq!(passed.unwrap(), 7);
        }
        let rounds = rounds.load(Ordering::Relaxed);
        assert!((1..=2).contains(&rounds), "{rounds}");
        assert!(gates.lock().is_empty(), "a gate is left behind");
    }

    #[tokio::test]
    async fn who_comes_later_is_not_covered() {
        let gates = Gates::default();
        assert_eq!(gates.pass("a", || async { 1 }).await, 1);
        assert_eq!(gates.pass("a", || async { 2 }).await, 2);
        let slow = || async {
            tokio::task::yield_now().await;
            3
        };
        // The second came after the round of the first had begun.
        let both = join(gates.pass("a", slow), gates.pass("a", || async { 4 }));
        assert_eq!(both.await, (3, 4));
    }

    #[tokio::test]
    async fn a_round_whose_caller_is_cancelled_is_run_by_the_next_one() {
        let gates = Arc::new(Gates::default());
        let (first, second) = (gates.clone(), gates.clone());
        let stuck = tokio::spawn(async move { first.pass("a", std::future::pending::<u8>).await });
        tokio::task::yield_now().await;
        let next = tokio::spawn(async move { second.pass("a", || async { 1 }).await });
        tokio::task::yield_now().await;
        assert_eq!(gates.pass("b", || async { 2 }).await, 2, "another key");
        stuck.abort();
        assert_eq!(next.await.unwrap(), 1);
        assert!(gates.lock().is_empty(), "a gate is left behind");
    }
}
