//! A circuit breaker: after several failures in a row it refuses attempts at once, and lets one
//! attempt through from time to time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A circuit to one dependency.
#[derive(Debug)]
pub struct Breaker {
    state: Mutex<State>,
    open_for: Duration,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed { failures: u32 },
    Open { next_attempt: Instant },
}

/// Failures in a row that open the circuit.
const MAX_FAILURES: u32 = 5;

impl Breaker {
    /// A closed circuit. While it is open, one attempt is made each `open_for`.
    pub fn new(open_for: Duration) -> Self {
        Self {
            state: Mutex::new(State::Closed { failures: 0 }),
            open_for,
        }
    }

    /// Whether an attempt may be made. While the circuit is open, one attempt is admitted from time
    /// to time. An attempt that never reports back costs only the wait for the next attempt.
    pub fn admits(&self, now: Instant) -> bool {
        self.update(|state| match state {
            State::Open { next_attempt } if now < next_attempt => (state, false),
            State::Open { .. } => (
                State::Open {
                    next_attempt: now + self.open_for,
                },
                true,
            ),
            State::Closed { .. } => (state, true),
        })
    }

    /// An attempt succeeded: the circuit is closed. Answers whether it was open before.
    pub fn succeeded(&self) -> bool {
        let closed = State::Closed { failures: 0 };
        self.update(|state| (closed, matches!(state, State::Open { .. })))
    }

    /// An attempt failed. After several failures in a row the circuit is open. Answers whether this
    /// failure opened it.
    pub fn failed(&self, now: Instant) -> bool {
        self.update(|state| match state {
            State::Closed { failures } if failures + 1 < MAX_FAILURES => (
                State::Closed {
                    failures: failures + 1,
                },
                false,
            ),
            state => (
                State::Open {
                    next_attempt: now + self.open_for,
                },
                matches!(state, State::Closed { .. }),
            ),
        })
    }

    fn update<T>(&self, change: impl FnOnce(State) -> (State, T)) -> T {
        // The state is one plain value: a panic elsewhere cannot have left it half-written.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, answer) = change(*state);
        *state = next;
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN_FOR: Duration = Duration::from_secs(5);

    #[test]
    fn a_row_of_failures_opens_the_circuit_and_one_success_closes_it() {
        let (breaker, now) = (Breaker::new(OPEN_FOR), Instant::now());
        for failure in 1..=MAX_FAILURES {
            assert!(breaker.admits(now));
            assert_eq!(breaker.failed(now), failure == MAX_FAILURES);
        }
        assert!(!breaker.admits(now));
        let later = now + OPEN_FOR;
        assert!(breaker.admits(later));
        assert!(!breaker.admits(later), "one attempt at a time");
        assert!(!breaker.failed(later), "it was open before");
        assert!(breaker.succeeded());
        assert!(breaker.admits(later) && !breaker.succeeded());
    }

    #[test]
    fn a_success_in_between_starts_the_count_anew() {
        let (breaker, now) = (Breaker::new(OPEN_FOR), Instant::now());
        for _ in 0..10 {
            for _ in 1..MAX_FAILURES {
                breaker.failed(now);
            }
            breaker.succeeded();
        }
        assert!(breaker.admits(now));
    }
}
