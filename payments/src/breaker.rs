//! A circuit breaker: after several failures in a row it refuses attempts at once, and lets one
//! attempt through from time to time.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The state of one circuit.
#[derive(Debug)]
pub(crate) struct Breaker(Mutex<State>);

#[derive(Clone, Copy, Debug)]
enum State {
    Closed { failures: u32 },
    Open { next_attempt: Instant },
}

/// Failures in a row that open the circuit.
const MAX_FAILURES: u32 = 5;
/// Time between two attempts while the circuit is open.
pub(crate) const OPEN_FOR: Duration = Duration::from_secs(5);

impl Breaker {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State::Closed { failures: 0 }))
    }

    /// Whether an attempt may be made. While the circuit is open, one attempt is admitted each
    /// [`OPEN_FOR`]. An attempt that never reports back costs only the wait for the next attempt.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        self.update(|state| match state {
            State::Open { next_attempt } if now < next_attempt => (state, false),
            State::Open { .. } => (
                State::Open {
                    next_attempt: now + OPEN_FOR,
                },
                true,
            ),
            State::Closed { .. } => (state, true),
        })
    }

    pub(crate) fn succeeded(&self) {
        self.update(|_| (State::Closed { failures: 0 }, ()));
    }

    pub(crate) fn failed(&self, now: Instant) {
        self.update(|state| match state {
            State::Closed { failures } if failures + 1 < MAX_FAILURES => (
                State::Closed {
                    failures: failures + 1,
                },
                (),
            ),
            _ => (
                State::Open {
                    next_attempt: now + OPEN_FOR,
                },
                (),
            ),
        });
    }

    fn update<T>(&self, change: impl FnOnce(State) -> (State, T)) -> T {
        // The state is one plain value: a panic elsewhere cannot have left it half-written.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, answer) = change(*state);
        *state = next;
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_failures_opens_the_circuit_and_one_success_closes_it() {
        let (breaker, now) = (Breaker::new(), Instant::now());
        for _ in 0..MAX_FAILURES {
            assert!(breaker.admits(now));
            breaker.failed(now);
        }
        assert!(!breaker.admits(now));
        let later = now + OPEN_FOR;
        assert!(breaker.admits(later));
        assert!(!breaker.admits(later), "one attempt at a time");
        breaker.succeeded();
        assert!(breaker.admits(later));
    }

    #[test]
    fn a_success_in_between_starts_the_count_anew() {
        let (breaker, now) = (Breaker::new(), Instant::now());
        for _ in 0..10 {
            for _ in 1..MAX_FAILURES {
                breaker.failed(now);
            }
            breaker.succeeded();
        }
        assert!(breaker.admits(now));
    }
}
