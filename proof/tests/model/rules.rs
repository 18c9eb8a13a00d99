//! What holds for a whole run: the durability of the stores, the limits, and a planted bug. Also
//! counts what happened, because a run without faults proves nothing.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::planted::Planted;
use crate::stream::Time;

/// What a store may lose by a crash or a failover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Profile {
    /// `appendfsync always`: nothing.
    Durable,
    /// `appendfsync everysec`, or a failover to a replica: the last changes.
    Lossy,
    /// A failover to a replica with a `WAIT` gate: no change on which any process has acted.
    Gated,
}

#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) profile: Profile,
    /// `COMPLETION_DELAY`.
    pub(crate) delay: Time,
    /// `RECLAIM_IDLE`.
    pub(crate) reclaim_idle: Time,
    /// `REPLAY_WINDOW`.
    pub(crate) replay: Time,
    /// How far ahead of the checkpoint an acknowledged entry may be.
    pub(crate) step: Time,
    /// `STREAM_RETENTION`.
    pub(crate) retention: Time,
    /// How long a copy may be behind: less than `replay`, so that a replay covers it.
    pub(crate) window: Time,
    pub(crate) planted: Option<Planted>,
    pub(crate) seen: Sightings,
}

/// What has to happen in a run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sight {
    Crash,
    Restart,
    TailLost,
    LostAnswer,
    Duplicate,
    ReplayedRefund,
    Takeover,
    Replay,
    Refund,
    Cancellation,
    TooLate,
    Deletion,
    RetriedPost,
    GroupDestroyed,
    Emptied,
    EarlyTrim,
    ClockStep,
    WaitRefused,
    Repair,
}

pub(crate) const SIGHTS: [Sight; 19] = [
    Sight::Crash,
    Sight::Restart,
    Sight::TailLost,
    Sight::LostAnswer,
    Sight::Duplicate,
    Sight::ReplayedRefund,
    Sight::Takeover,
    Sight::Replay,
    Sight::Refund,
    Sight::Cancellation,
    Sight::TooLate,
    Sight::Deletion,
    Sight::RetriedPost,
    Sight::GroupDestroyed,
    Sight::Emptied,
    Sight::EarlyTrim,
    Sight::ClockStep,
    Sight::WaitRefused,
    Sight::Repair,
];

/// How often each happened, over all steps and all threads of a run.
#[derive(Debug, Default)]
pub(crate) struct Sightings([AtomicU64; SIGHTS.len()]);

impl Sightings {
    pub(crate) fn count(&self, sight: Sight) {
        self.0[sight as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn of(&self, sight: Sight) -> u64 {
        self.0[sight as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, other: &Self) {
        for (sum, count) in self.0.iter().zip(&other.0) {
            sum.fetch_add(count.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }
}

impl Rules {
    pub(crate) fn new(profile: Profile) -> Self {
        Self {
            profile,
            delay: 2,
            reclaim_idle: 3,
            replay: 12,
            step: 1,
            retention: 12,
            window: 3,
            planted: None,
            seen: Sightings::default(),
        }
    }

    pub(crate) fn has(&self, planted: Planted) -> bool {
        self.planted == Some(planted)
    }
}
