//! How fast a client has to take an answer.
//!
//! An answer that the client does not read stays in memory, and its request keeps its permit. So a
//! client that reads nothing, or too little, loses its connection.

use std::time::Duration;

use tokio::time::Instant;

/// Longest time for a client to take the next piece of an answer.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Fewest bytes a second that a client takes on average, from its first pause on. A client that is
/// more than [`WRITE_TIMEOUT`] behind loses its connection.
const MIN_RATE: u64 = 4 * 1024;

/// How fast a client takes an answer, once the client has made the service wait.
#[derive(Debug, Default)]
pub(super) struct Pace(Option<Slow>);

#[derive(Debug)]
struct Slow {
    /// When the client made the service wait for the first time.
    began: Instant,
    /// Bytes that the client has taken since.
    taken: u64,
    /// When the client stopped taking bytes. `None` while it takes some.
    stopped: Option<Instant>,
}

impl Pace {
    /// The client has taken this number of bytes.
    pub(super) fn take(&mut self, bytes: usize) {
        if let Some(slow) = &mut self.0 {
            slow.taken += bytes as u64;
            slow.stopped = None;
        }
    }

    /// The client takes nothing now. Answers the moment from which [`WRITE_TIMEOUT`] counts: the
    /// beginning of this pause, or earlier if the client was slower than [`MIN_RATE`].
    pub(super) fn stop(&mut self, now: Instant) -> Instant {
        let slow = self.0.get_or_insert(Slow {
            began: now,
            taken: 0,
            stopped: None,
        });
        let stopped = *slow.stopped.get_or_insert(now);
        let earned = Duration::from_millis(slow.taken.saturating_mul(1_000) / MIN_RATE);
        stopped.min(slow.began + earned)
    }

    /// The client has taken the whole answer.
    pub(super) fn finish(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_takes_nothing_is_given_the_whole_time_and_one_that_trickles_no_more() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(pace.stop(start), start);
        assert_eq!(pace.stop(after(9)), start, "it has taken nothing since");
        for second in 1..=20 {
            pace.take(100);
            let since = pace.stop(after(second));
            assert!(since < after(1), "100 B a second are next to nothing");
        }
        pace.finish();
        assert_eq!(pace.stop(after(30)), after(30), "another answer");
    }

    #[test]
    fn a_client_that_takes_enough_is_given_the_whole_time_at_each_pause() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let after = |seconds| start + Duration::from_secs(seconds);
        pace.stop(start);
        for second in 1..=100 {
            pace.take(8 * 1024);
            assert_eq!(pace.stop(after(second)), after(second));
        }
        assert_eq!(
            pace.stop(after(120)),
            after(100),
            "what it has earned is not for pauses"
        );
    }
}
