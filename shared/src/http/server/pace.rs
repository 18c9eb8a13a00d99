//! How fast a client has to take what it is sent.
//!
//! An answer that is not taken keeps its memory, and its request keeps its place. So a client that
//! takes nothing, or next to nothing, loses its connection.

use std::time::Duration;

use tokio::time::Instant;

/// Longest time for a client to take the next piece of an answer.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes that a client takes in each second at least, on average, once it has kept the service
/// waiting. It is given [`WRITE_TIMEOUT`] beside that.
const MIN_RATE: u64 = 4 * 1024;

/// What a client does that cannot take all of an answer at once.
#[derive(Debug, Default)]
pub(super) struct Pace(Option<Slow>);

#[derive(Debug)]
struct Slow {
    /// When it kept the service waiting for the first time.
    began: Instant,
    /// Bytes that it has taken since.
    taken: u64,
    /// When it stopped taking anything.
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

    /// The client takes nothing now. Says from when on [`WRITE_TIMEOUT`] counts.
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

    /// The client has taken all there is.
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
