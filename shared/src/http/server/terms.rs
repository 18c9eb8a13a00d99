//! How long a connection may keep the service waiting.

use std::time::Duration;

use super::pace::WRITE_TIMEOUT;
use crate::http::admission::{Admission, EXCESS_TIMEOUT};
use crate::http::public_url::PublicUrl;

/// What holds for every connection of a process.
#[derive(Debug)]
pub(super) struct Terms {
    /// How long a head may take, once its first byte has arrived.
    pub(super) head: Duration,
    /// How long the next request may take to begin.
    pub(super) idle: Duration,
    /// The permits for requests. While none is free a client may stop taking an answer for no longer
    /// than a head may take.
    pub(super) admission: Admission,
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
    /// How long a wait may be as things are now.
    pub(super) fn of(&self, wait: Wait) -> Duration {
        match wait {
            Wait::Idle => self.idle,
            Wait::Head => self.head,
            Wait::Write if self.admission.is_full() => WRITE_TIMEOUT.min(self.head),
            Wait::Write => WRITE_TIMEOUT,
            Wait::Excess => EXCESS_TIMEOUT,
        }
    }

    /// The soonest that a wait may be too long, whatever happens meanwhile.
    pub(super) fn soonest(&self, wait: Wait) -> Duration {
        match wait {
            Wait::Write => WRITE_TIMEOUT.min(self.head),
            wait => self.of(wait),
        }
    }
}
