//! Notices a client that reports to be connected, and gets no answers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A client that got no answer for this long, while commands failed, is replaced. Two commands in a
/// row that time out are enough.
pub const STUCK_AFTER: Duration = Duration::from_secs(2);

/// Counts the time in which a client gets no answer. An idle client is never stuck: time counts
/// from the first command that failed.
pub(super) struct Watchdog {
    started: Instant,
    /// Milliseconds after `started` of the last answer, or of the last replacement.
    answered_ms: AtomicU64,
    /// When the first command of the current failures was sent, in milliseconds after `started`. 0
    /// while commands are answered.
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

    /// The present time in milliseconds after `started`, at least 1.
    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis())
            .unwrap_or(u64::MAX)
            .max(1)
    }

    /// Records that the server answered, with a reply or an error.
    pub(super) fn answered(&self) {
        self.answered_ms.store(self.now_ms(), Ordering::Relaxed);
        self.failing_since_ms.store(0, Ordering::Relaxed);
        self.replacements.store(0, Ordering::Relaxed);
    }

    /// Records that a command sent at `sent_ms` got no answer. `Some` tells this caller, and no
    /// other, to replace the client. Its value counts the replacements since the last answer.
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
