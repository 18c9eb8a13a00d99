//! What may be removed because of its age.
//!
//! Whatever is removed by its age is removed by this rule, because the clock of a store may be wrong for
//! a while: set a month ahead for three seconds, it would make everything look old. So a sweep counts
//! from the clock or from the newest thing that the store itself has recorded, whichever is earlier. It
//! removes only what was old at the look before as well, some time ago on the clock of the machine that
//! never jumps. And it removes nothing while the clock is implausible, and for a day after that.
//!
//! A clock that was wrong before the process started gives itself away by a gap: between the newest
//! record and the clock, or, once records are made by that clock, between these and the ones before.
//!
//! A store in which nothing is recorded for a day therefore keeps everything until something is. So does
//! one on a machine that sleeps every day: the clock that never jumps stands still meanwhile, and the
//! other one seems to jump at each awakening.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::contract::time::Timestamp;
use crate::store::partition::Partition;

/// How much more, or less, the clock of a store may advance between two looks than time passes.
pub const MAX_STEP: Duration = Duration::from_mins(1);
/// How far the clock of a store may be ahead of the newest thing it has recorded: longer than a shop is
/// closed for holidays.
pub const MAX_QUIET: Duration = Duration::from_hours(14 * 24);
/// How far the clock of a store may be ahead of the newest thing it has recorded without being distrusted:
/// no store records anything that is further away from its clock ([`crate::contract::limits::MAX_SKEW`]).
pub const MAX_GAP: Duration = Duration::from_hours(24);
/// How long nothing is removed after the clock of a store has moved by more than [`MAX_STEP`], or was
/// ahead by more than [`MAX_GAP`].
pub const DISTRUST: Duration = Duration::from_hours(24);
/// Records that follow a gap of more than [`MAX_QUIET`] are believed once they span this time.
pub const MIN_SPAN: Duration = Duration::from_hours(24);

/// The newest record that is to be believed, of the newest one and the newest that is [`MIN_SPAN`] older.
/// A long gap between both says that the clock was wrong when the newer one was recorded.
pub fn believed(newest: Timestamp, older: Timestamp) -> Timestamp {
    if newest > older.later_by(MAX_QUIET.saturating_add(MIN_SPAN)) {
        older
    } else {
        newest
    }
}

/// Decides what one task may remove, at one look after the other.
pub struct Sweep {
    /// What the task removes, as the log names it.
    what: &'static str,
    /// Time between two looks that have to agree.
    pause: Duration,
    looks: Mutex<HashMap<Partition, Memory>>,
}

/// Tells whether the clock of a store goes on as time passes, from one look to the next.
#[derive(Default)]
pub struct ClockWatch {
    looks: Mutex<HashMap<Partition, Look>>,
}

impl ClockWatch {
    /// Whether the clock, since the look before, has advanced as time passed, to within [`MAX_STEP`].
    /// Not so at the first look.
    pub fn is_steady(&self, partition: Partition, clock: Timestamp) -> bool {
        let look = Look {
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
    before: Option<Look>,
    /// Nothing is removed before this.
    distrusted_until: Option<Instant>,
    /// The last thing that was found wrong, which is told once.
    told: Option<Doubt>,
}

/// One look at a store.
#[derive(Clone, Copy, Debug)]
struct Look {
    at: Instant,
    clock: Timestamp,
    /// The newest thing that the store has recorded.
    newest: Timestamp,
}

/// Why nothing is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    /// The clock moved in another way than time passed.
    Step,
    /// The clock is far ahead of all that is recorded.
    Ahead,
}

impl Sweep {
    /// A sweep of `what`. Two looks have to agree that are at least `pause` apart.
    pub fn new(what: &'static str, pause: Duration) -> Self {
        Self {
            what,
            pause,
            looks: Mutex::default(),
        }
    }

    /// Looks at the clock of a store and at the time of the newest thing that it has recorded. Answers
    /// from when on the age of things counts; `None` while nothing may be removed.
    pub fn look(
        &self,
        partition: Partition,
        clock: Timestamp,
        newest: Timestamp,
    ) -> Option<Timestamp> {
        let look = Look {
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

    fn tell(&self, partition: Partition, doubt: Doubt, before: Option<Look>, look: Look) {
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
                "the clock of the store is more than {} days ahead of the newest {what}: either none \
                 were recorded for so long, or the clock is wrong. None are removed until newer ones \
                 are recorded",
                MAX_QUIET.as_secs() / 86_400
            ),
        }
    }
}

impl Memory {
    /// What the new look says beside the one before, which it replaces where enough time has passed.
    fn judge(&mut self, look: Look, pause: Duration) -> Result<Option<Timestamp>, Doubt> {
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

impl Look {
    /// From when on the age of things counts, as far as this look tells.
    fn reference(self) -> Timestamp {
        self.clock.min(self.newest)
    }

    /// Whether the clock is so far ahead of all that is recorded.
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
