//! Notices a client that only believes to be connected.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A client that got no answer for this long, while commands failed, is replaced. Two commands in a
/// row that wait in vain are enough.
pub const STUCK_AFTER: Duration = Duration::from_secs(2);

/// Counts the time in which a client gets no answer. An idle client is never stuck: time counts
/// from the first command that failed.
pub(super) struct Watchdog {
    started: Instant,
    /// Milliseconds after `started` of the last answer, or of the last replacement.
    answered_ms: AtomicU64,
    /// Milliseconds after `started` at which the first command of the present row of failures was
    /// sent; 0 while all is well.
    failing_since_ms: AtomicU64,
    /// Replacements since the last answer.
    replacements: AtomicU64,
}

impl Watchdog {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            answered_ms: AtomicU64::new(0),
            failing_since_ms: AtomicU64::new(0),
            replacements: AtomicU64::new(0),
        }
    }

    /// Now, as other methods take it. Never 0.
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis())
            .unwrap_or(u64::MAX)
            .max(1)
    }

    /// The server answered, whatever it was.
    pub(super) fn answered(&self) {
        self.answered_ms.store(self.now_ms(), Ordering::Relaxed);
        self.failing_since_ms.store(0, Ordering::Relaxed);
        self.replacements.store(0, Ordering::Relaxed);
    }

    /// A command that was sent at `sent_ms` got no answer. Whether the client has to be replaced
    /// now, by this caller and nobody else: then, for the how many-th time in a row.
    pub(super) fn failed(&self, sent_ms: u64) -> Option<u64> {
        let begin = sent_ms.max(self.answered_ms.load(Ordering::Relaxed));
        let exchange = |old, new| {
            let field = &self.failing_since_ms;
            field.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed)
        };
        let since = exchange(0, begin).err().unwrap_or(begin);
        let now = self.now_ms();
        if u128::from(now.saturating_sub(since)) < STUCK_AFTER.as_millis() {
            return None;
        }
        exchange(since, 0).ok()?;
        // The new client has as much time as this one had.
        self.answered_ms.store(now, Ordering::Relaxed);
        Some(self.replacements.fetch_add(1, Ordering::Relaxed) + 1)
    }
}
