//! What holds for all connections: how long the service waits for a client, and what it tells one.

use std::time::Duration;

use super::pace::WRITE_TIMEOUT;
use crate::http::admission::{Admission, EXCESS_TIMEOUT};
use crate::http::public_url::PublicUrl;

/// The limits that all connections of a process share.
#[derive(Debug)]
pub(super) struct Terms {
    /// Longest time for a head, from its first byte on.
    pub(super) head: Duration,
    /// Longest time until the next request begins.
    pub(super) idle: Duration,
    /// The permits for requests. While all are taken, a client that pauses in reading its answer
    /// gets at most the time of a head.
    pub(super) admission: Admission,
    /// Most bytes of a body that announces its length.
    pub(super) max_body_bytes: usize,
    /// Where clients see the service.
    pub(super) public_url: Option<PublicUrl>,
}

#[derive(Clone, Copy)]
pub(super) enum Wait {
    Head,
    Idle,
    Write,
    Excess,
}

impl Terms {
    /// The limit of a wait at this moment.
    pub(super) fn of(&self, wait: Wait) -> Duration {
        match wait {
            Wait::Idle => self.idle,
            Wait::Head => self.head,
            Wait::Write if self.admission.is_full() => WRITE_TIMEOUT.min(self.head),
            Wait::Write => WRITE_TIMEOUT,
            Wait::Excess => EXCESS_TIMEOUT,
        }
    }

    /// The shortest limit that the wait may get, however the permits change meanwhile.
    pub(super) fn soonest(&self, wait: Wait) -> Duration {
        match wait {
            Wait::Write => WRITE_TIMEOUT.min(self.head),
            wait => self.of(wait),
        }
    }
}
