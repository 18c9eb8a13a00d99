//! Counts the answers that the clients of one network do not read.
//!
//! Such an answer keeps the permit of its request. So the clients of one network could hold every
//! permit for requests. To prevent that, a network has a share of these permits, as it has a share
//! of the connections. When its unread answers reach the share, the service refuses its next
//! requests. When they exceed it, each of its clients has only [`EXCESS_TIMEOUT`] to take the next
//! piece.
//!
//! An answer counts only if its socket does not take all of it at once. So a proxy that reads the
//! answers stays far below its share, no matter how much it asks for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Longest time for a client to take the next piece of an answer, when its network has exceeded its
/// share.
pub(crate) const EXCESS_TIMEOUT: Duration = Duration::from_secs(1);

/// How many answers the clients of one network leave unread at this moment.
#[derive(Debug)]
pub(crate) struct Untaken {
    answers: AtomicUsize,
    /// Most unread answers before the service refuses requests of the network.
    share: usize,
}

/// One unread answer. It counts until this value is dropped.
#[derive(Debug)]
pub(crate) struct Counted(Arc<Untaken>);

impl Untaken {
    pub(crate) fn new(share: usize) -> Self {
        Self {
            answers: AtomicUsize::new(0),
            share,
        }
    }

    /// Whether the network has reached its share. The service then refuses its next requests.
    pub(crate) fn is_full(&self) -> bool {
        self.answers.load(Ordering::Relaxed) >= self.share
    }

    /// Whether the network has exceeded its share. That happens when requests that were under way
    /// already are answered after the share was reached.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.answers.load(Ordering::Relaxed) > self.share
    }

    /// Counts one more unread answer.
    pub(crate) fn count(self: &Arc<Self>) -> Counted {
        self.answers.fetch_add(1, Ordering::Relaxed);
        Counted(self.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.answers.fetch_sub(1, Ordering::Relaxed);
    }
}
