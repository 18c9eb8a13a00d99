//! Which records may be removed because of their age.
//!
//! A record here is a thing that a task sweeps: the record of an order, a day of claims, or a dead
//! letter. Function libraries (`libraries`) and entries of streams (`retention`) have rules of
//! their own.
//!
//! The clock of a store may be wrong for a while. A clock that is a month ahead for three seconds
//! would make all records look old. Therefore:
//!
//! * A sweep counts age from the clock of the store or from its newest record, whichever is
//!   earlier.
//! * It removes only records that were old at the previous look too. The time between the two looks
//!   is measured on the monotonic clock of this machine.
//! * It removes nothing while the clock of the store is implausible, and for a day after that.
//!
//! A clock that was wrong before the process started shows as a gap. The gap lies between the
//! newest record and the clock. Once the wrong clock has made records, it lies between these and
//! older records.
//!
//! So a store without a new record for a day keeps everything: each look finds the clock ahead, and
//! renews the distrust. A look 24 hours after the next record removes again, if the newest record
//! is not a day old by then. So records that come less than once a day may stay longer.
//!
//! A store on a machine that sleeps every day keeps everything as well: the monotonic clock stands
//! still during the sleep, so the clock of the store seems to jump at each awakening.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::contract::time::Timestamp;
use crate::store::partition::Partition;

/// The most by which the advance of a store's clock between two looks may differ from the time that
/// passed.
pub const MAX_STEP: Duration = Duration::from_mins(1);
/// The largest gap between the newest record of a store and its clock: longer than a shop is closed
/// for holidays. Nothing is removed while the gap is larger.
pub const MAX_QUIET: Duration = Duration::from_hours(14 * 24);
/// The largest gap between the newest record of a store and its clock that raises no distrust. No
/// store records a time that is further from its clock ([`crate::contract::limits::MAX_SKEW`]).
pub const MAX_GAP: Duration = Duration::from_hours(24);
/// How long a sweep removes nothing after a look found a jump of more than [`MAX_STEP`], or a clock
/// that is ahead by more than [`MAX_GAP`]. Each such look begins this time anew.
pub const DISTRUST: Duration = Duration::from_hours(24);
/// Records that follow a gap of more than [`MAX_QUIET`] are believed once they span this time.
pub const MIN_SPAN: Duration = Duration::from_hours(24);

/// The newest record whose time is believed. `newest` is the newest record, and `older` the newest
/// of those that are at least [`MIN_SPAN`] older. A long gap between both says that the clock was
/// wrong when `newest` was recorded.
pub fn believed(newest: Timestamp, older: Timestamp) -> Timestamp {
    if newest > older.later_by(MAX_QUIET.saturating_add(MIN_SPAN)) {
        older
    } else {
        newest
    }
}

/// Decides what one task may remove, look by look.
pub struct Sweep {
    /// The name, in log lines, of what the task removes.
    what: &'static str,
    /// The least time between two looks that have to agree.
    pause: Duration,
    looks: Mutex<HashMap<Partition, Memory>>,
}

/// Tells whether the clock of a store advances as time passes, from one look to the next.
#[derive(Default)]
pub struct ClockWatch {
    looks: Mutex<HashMap<Partition, ClockReading>>,
}

impl ClockWatch {
    /// Whether the clock has advanced since the previous look as time passed, to within
    /// [`MAX_STEP`]. False at the first look.
    pub fn is_steady(&self, partition: Partition, clock: Timestamp) -> bool {
        let look = ClockReading {
            at: Instant::now(),
            clock,
            newest: clock,
        };
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        looks
            .insert(partition, look)
            .is_some_and(|before| !look.jumped_since(before))
    }
}

/// What is remembered between two looks at a store.
#[derive(Debug, Default)]
struct Memory {
    before: Option<ClockReading>,
    /// Nothing is removed before this instant.
    distrusted_until: Option<Instant>,
    /// The doubt that the last look had. The same doubt in a row is logged once. A gap of more than
    /// [`MAX_GAP`] and up to [`MAX_QUIET`] is no doubt, because a closed shop has one too.
    told: Option<Doubt>,
}

/// What one look at a store found: its clock, and its newest record.
#[derive(Clone, Copy, Debug)]
struct ClockReading {
    at: Instant,
    clock: Timestamp,
    /// The time of the newest record in the store.
    newest: Timestamp,
}

/// Why nothing is removed, where a person should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    /// The clock jumped: it did not advance as time passed.
    Step,
    /// The clock is far ahead of all records.
    Ahead,
}

impl Sweep {
    /// A sweep of `what`. Two looks at least `pause` apart have to agree.
    pub fn new(what: &'static str, pause: Duration) -> Self {
        Self {
            what,
            pause,
            looks: Mutex::default(),
        }
    }

    /// Looks at the clock of a store and at the time of its newest record. Answers the time from
    /// which ages are counted back; `None` while nothing may be removed.
    pub fn look(
        &self,
        partition: Partition,
        clock: Timestamp,
        newest: Timestamp,
    ) -> Option<Timestamp> {
        let look = ClockReading {
            at: Instant::now(),
            clock,
            newest,
        };
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = looks.entry(partition).or_default();
        let before = memory.before;
        let verdict = memory.judge(look, self.pause);
        let doubt = verdict.err();
        if let Some(news) = doubt.filter(|_| doubt != memory.told) {
            self.tell(partition, news, before, look);
        }
        memory.told = doubt;
        verdict.ok().flatten()
    }

    fn tell(
        &self,
        partition: Partition,
        doubt: Doubt,
        before: Option<ClockReading>,
        look: ClockReading,
    ) {
        let (what, now, newest, partition) =
            (self.what, look.clock, look.newest, partition.index());
        match doubt {
            Doubt::Step => tracing::error!(
                partition,
                before = before.map(|before| before.clock.to_string()),
                %now,
                passed_s = before.map(|before| look.passed_since(before).as_secs()),
                "the clock of the store jumped: no {what} are removed for {} hours",
                DISTRUST.as_secs() / 3_600
            ),
            Doubt::Ahead => tracing::error!(
                partition,
                %now,
                %newest,
                "the clock of the store is more than {} days ahead of the newest {what}: either \
                 the store recorded no {what} in that time, or its clock is wrong. It keeps all \
                 {what} until it records newer ones",
                MAX_QUIET.as_secs() / 86_400
            ),
        }
    }
}

impl Memory {
    /// Judges the new look against the previous one. The new look replaces the previous one once
    /// `pause` has passed, or after a jump.
    fn judge(&mut self, look: ClockReading, pause: Duration) -> Result<Option<Timestamp>, Doubt> {
        let before = self.before;
        if before.is_none_or(|before| look.passed_since(before) >= pause) {
            self.before = Some(look);
        }
        if before.is_some_and(|before| look.jumped_since(before)) {
            self.before = Some(look);
            self.distrusted_until = Some(look.at + DISTRUST);
            return Err(Doubt::Step);
        }
        if look.is_ahead_by(MAX_GAP) {
            self.distrusted_until = Some(look.at + DISTRUST);
        }
        if look.is_ahead_by(MAX_QUIET) {
            return Err(Doubt::Ahead);
        }
        let Some(before) = before.filter(|before| look.passed_since(*before) >= pause) else {
            return Ok(None);
        };
        if self.distrusted_until.is_some_and(|until| look.at < until) {
            return Ok(None);
        }
        Ok(Some(before.reference().min(look.reference())))
    }
}

impl ClockReading {
    /// The time from which ages are counted back, as far as this look tells.
    fn reference(self) -> Timestamp {
        self.clock.min(self.newest)
    }

    /// Whether the clock is ahead of the newest record by more than `time`.
    fn is_ahead_by(self, time: Duration) -> bool {
        self.clock > self.newest.later_by(time)
    }

    fn passed_since(self, before: Self) -> Duration {
        self.at.saturating_duration_since(before.at)
    }

    fn jumped_since(self, before: Self) -> bool {
        let expected = before.clock.later_by(self.passed_since(before));
        self.clock > expected.later_by(MAX_STEP) || self.clock.later_by(MAX_STEP) < expected
    }
}

#[cfg(test)]
mod tests;
