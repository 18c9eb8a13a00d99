//! Answers that the clients of one network do not take.
//!
//! Such an answer keeps the permit of its request. So one address, with its share of the connections,
//! could hold every permit for requests. It has the same share of those: beyond it, its next requests
//! are refused, and answers beyond it are given little time.
//!
//! Only an answer that its socket does not take at once is counted. A proxy in front that reads what it
//! asked for is far from its share, whatever it asks for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Longest time for a client to take the next piece of an answer beyond the share of its network.
pub(crate) const EXCESS_TIMEOUT: Duration = Duration::from_secs(1);

/// How many answers the clients of one network do not take now.
#[derive(Debug)]
pub(crate) struct Untaken {
    answers: AtomicUsize,
    /// At this number of untaken answers the network has its share.
    share: usize,
}

/// One answer that is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Counted(Arc<Untaken>);

impl Untaken {
    pub(crate) fn new(share: usize) -> Self {
        Self {
            answers: AtomicUsize::new(0),
            share,
        }
    }

    /// Whether the network has its share. Its next requests are refused.
    pub(crate) fn is_full(&self) -> bool {
        self.answers.load(Ordering::Relaxed) >= self.share
    }

    /// Whether it has more than that: requests that were under way have been answered since.
    pub(crate) fn is_exceeded(&self) -> bool {
        self.answers.load(Ordering::Relaxed) > self.share
    }

    /// Counts one more.
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
