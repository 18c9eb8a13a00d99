//! Counts the answers that the clients of one network do not read.
//!
//! Such an answer keeps the permit of its request. So the clients of one network could hold every
//! permit for requests. To prevent that, a network has a share of these permits, as it has a share
//! of the connections. When its unread answers reach the share, the service refuses its next
//! requests. Requests that were under way already may be answered after that. A client has only
//! [`EXCESS_TIMEOUT`] to take the next piece of such an answer beyond the share. The clients of the
//! answers within the share keep their time.
//!
//! An answer counts only if its socket does not take all of it at once. So a proxy that reads the
//! answers stays far below its share, no matter how much it asks for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Longest time for a client to take the next piece of an answer beyond the share of its network.
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
pub(crate) struct Counted {
    untaken: Arc<Untaken>,
    /// Whether the network had reached its share already, and has exceeded it since.
    is_excess: bool,
}

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

    /// Counts one more unread answer.
    pub(crate) fn count(self: &Arc<Self>) -> Counted {
        let before = self.answers.fetch_add(1, Ordering::Relaxed);
        Counted {
            untaken: self.clone(),
            is_excess: before >= self.share,
        }
    }

    fn is_exceeded(&self) -> bool {
        self.answers.load(Ordering::Relaxed) > self.share
    }
}

impl Counted {
    /// Whether the answer is one beyond the share. Once others have been read, so that the network
    /// is within its share again, it is an answer as any other.
    pub(crate) fn is_excess(&mut self) -> bool {
        self.is_excess &= self.untaken.is_exceeded();
        self.is_excess
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.untaken.answers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_answers_beyond_the_share_are_in_excess_and_only_while_the_share_is_exceeded() {
        let untaken = Arc::new(Untaken::new(2));
        let [mut first, mut second, mut third] = [(); 3].map(|()| untaken.count());
        assert!(untaken.is_full());
        assert!(!first.is_excess() && !second.is_excess());
        assert!(third.is_excess());
        drop(first);
        assert!(!third.is_excess(), "the network is within its share again");
        let mut fourth = untaken.count();
        assert!(fourth.is_excess() && !third.is_excess() && !second.is_excess());
    }
}
