//! A store: the data in its memory, and what would be left of it after a crash.
//!
//! A change is in the memory of the server at once. Its copy (the disk under
//! `appendfsync everysec`, or a replica) may be behind, and then a restart, or a failover, brings
//! back the copy: a prefix of the history, cut between two functions. With `appendfsync always`
//! the copy is never behind.

use crate::stream::Time;

/// One incarnation of a store's server: each restart and each failover begins another
/// (`master_replid`).
pub(crate) type Incarnation = u32;

/// The service whose store it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Payments,
    Inventory,
}

/// The data of a store of either service.
pub(crate) trait Records: Clone + Default + PartialEq {
    /// Whether the store has its identity. Every function refuses without it.
    fn has_identity(&self) -> bool;
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Store<R> {
    pub(crate) memory: R,
    pub(crate) clock: Time,
    pub(crate) incarnation: Incarnation,
    /// When this incarnation began.
    pub(crate) born: Time,
    /// The copy and the time since when it is behind; `None` while it is up to date.
    behind: Option<Box<(R, Time)>>,
    /// The data from before the store was emptied.
    backup: Option<Box<R>>,
}

impl<R: Records> Store<R> {
    pub(crate) fn new(memory: R, clock: Time) -> Self {
        Self {
            memory,
            clock,
            incarnation: 0,
            born: clock,
            behind: None,
            backup: None,
        }
    }

    /// From now on changes reach the memory, and not the copy.
    pub(crate) fn fall_behind(&mut self) -> bool {
        let may = self.behind.is_none() && self.memory.has_identity();
        if may {
            self.behind = Some(Box::new((self.memory.clone(), self.clock)));
        }
        may
    }

    /// The copy is up to date again.
    pub(crate) fn catch_up(&mut self) -> bool {
        self.behind.take().is_some()
    }

    pub(crate) fn is_behind(&self) -> bool {
        self.behind.is_some()
    }

    /// `WAIT 1`, or an `fsync`: whether all data in memory would survive a crash.
    pub(crate) fn is_replicated(&self) -> bool {
        self.behind
            .as_ref()
            .is_none_or(|copy| copy.0 == self.memory)
    }

    /// Time passes. A copy is behind for at most `window`.
    pub(crate) fn tick(&mut self, window: Time) {
        self.clock += 1;
        let late = |copy: &(R, Time)| copy.1 + window <= self.clock;
        if self.behind.as_ref().is_some_and(|copy| late(copy)) {
            self.behind = None;
        }
    }

    /// The clock is set to another time.
    pub(crate) fn step_clock(&mut self, forward: bool, by: Time) {
        self.clock = if forward {
            self.clock + by
        } else {
            self.clock.saturating_sub(by)
        };
    }

    /// The server dies and restarts, or its replica takes over. Answers whether data was lost.
    pub(crate) fn restart(&mut self) -> bool {
        self.incarnation += 1;
        self.born = self.clock;
        let forgot = !self.is_replicated();
        if let Some(copy) = self.behind.take() {
            self.memory = copy.0;
        }
        forgot
    }

    /// `FLUSHALL`.
    pub(crate) fn empty(&mut self) -> bool {
        let may = self.memory.has_identity();
        if may {
            self.backup = Some(Box::new(std::mem::take(&mut self.memory)));
            self.behind = None;
        }
        may
    }

    /// An operator restores the files of an emptied store.
    pub(crate) fn restore(&mut self) -> bool {
        let Some(backup) = self.backup.take() else {
            return false;
        };
        self.memory = *backup;
        self.incarnation += 1;
        self.born = self.clock;
        true
    }
}
