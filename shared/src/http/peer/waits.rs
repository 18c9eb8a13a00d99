//! Since when a connection waits for its client.
//!
//! When permits for connections run out, the server closes the connection that has waited longest.
//! Each connection notes in one atomic number since when it waits, so a request takes no lock.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

/// Since when a connection waits for its client: for a head, for a body, or for the rest of a
/// refused request. While the service works on a request and answers it, the connection does not
/// wait.
#[derive(Debug)]
pub(crate) struct Waits(AtomicU64);

/// The number of a connection that does not wait.
const BUSY: u64 = 0;
/// The number of a connection that is being closed.
const CLOSED: u64 = u64::MAX;
/// The moment from which [`moment`] counts.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Waits {
    /// A new connection, which waits for its first request.
    pub(crate) fn new(now: Instant) -> Self {
        Self(AtomicU64::new(moment(now)))
    }

    /// Notes that the connection waits from `now` on.
    pub(crate) fn begin(&self, now: Instant) {
        let begin = |since| (since != CLOSED).then(|| moment(now));
        // A connection that is being closed stays so.
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, begin);
    }

    /// Notes that the connection waits no more. `false` if it is being closed: then the caller must
    /// not begin a request on it.
    pub(crate) fn end(&self) -> bool {
        self.0.swap(BUSY, Ordering::Relaxed) != CLOSED
    }

    /// Since when the connection waits; `None` if it does not.
    pub(crate) fn since(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|&since| since != BUSY)
    }

    /// Marks the connection as being closed, if it still waits since that moment.
    pub(crate) fn close(&self, since: u64) -> bool {
        self.0
            .compare_exchange(since, CLOSED, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }
}

/// A moment as a number of milliseconds, which is neither [`BUSY`] nor [`CLOSED`].
pub(crate) fn moment(at: Instant) -> u64 {
    let ms = at.saturating_duration_since(*EPOCH).as_millis();
    u64::try_from(ms)
        .unwrap_or(CLOSED)
        .saturating_add(1)
        .min(CLOSED - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_connection_that_waits_is_closed_and_nothing_begins_on_it_then() {
        let (waits, now) = (Waits::new(Instant::now()), Instant::now());
        let since = waits.since().unwrap();
        assert!(waits.end() && !waits.close(since), "it is busy");
        assert_eq!(waits.since(), None);
        waits.begin(now);
        assert!(
            !waits.close(moment(now) + 1),
            "it has waited since another moment"
        );
        assert!(waits.close(moment(now)));
        waits.begin(now);
        assert!(!waits.end(), "it is being closed");
    }
}
