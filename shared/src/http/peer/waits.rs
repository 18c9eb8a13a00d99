//! Since when a connection waits for its client.
//!
//! Where places run out, the connection that has waited longest is closed. The connection itself says
//! when it waits, with one atomic number: nothing is locked for a request.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

/// Since when a connection waits for its client: for a head, for a body, or for the end of what was
/// refused. While a request is worked on and answered, it does not wait.
#[derive(Debug)]
pub(crate) struct Waits(AtomicU64);

/// The connection does not wait.
const BUSY: u64 = 0;
/// The connection is being closed.
const CLOSED: u64 = u64::MAX;
/// What moments are counted from.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Waits {
    /// A connection that waits for its first request.
    pub(crate) fn new(now: Instant) -> Self {
        Self(AtomicU64::new(moment(now)))
    }

    /// The connection waits from now on.
    pub(crate) fn begin(&self, now: Instant) {
        let begin = |since| (since != CLOSED).then(|| moment(now));
        // Where it is being closed, that stands.
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, begin);
    }

    /// The connection waits no more. `false` where it is being closed: nothing may be begun on it.
    pub(crate) fn end(&self) -> bool {
        self.0.swap(BUSY, Ordering::Relaxed) != CLOSED
    }

    /// Since when it waits, if it does.
    pub(crate) fn since(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|&since| since != BUSY)
    }

    /// Closes it, if it still waits since that moment.
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
