//! Counts what a run is planned to do and what it did: a run that did less than planned proves
//! less, and fails.

use std::sync::atomic::{AtomicU32, Ordering};

macro_rules! figures {
    ($($name:ident $label:literal)*) => {
        /// A thing that a run does a planned number of times.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the label next to each says what it is")]
        pub enum Figure { $($name),* }

        impl Figure {
            /// All of them, in the order in which they are reported.
            pub const ALL: [Self; [$($label),*].len()] = [$(Self::$name),*];

            /// The name of the figure in reports.
            pub fn label(self) -> &'static str {
                match self { $(Self::$name => $label),* }
            }
        }
    };
}

figures! {
    Orders "orders accepted"
    ServiceKills "SIGKILL of a service"
    Terminations "SIGTERM of a service"
    Freezes "SIGSTOP of a service"
    StoreKills "SIGKILL of a store"
    TailCuts "of these, with the end of the file cut off"
    TcpFaults "TCP faults (cut, half-open, slow, split)"
    DroppedAnswers "answers dropped after the command was done"
    Partitions "network partitions, link by link"
    ClockJumps "clock jumps of a store"
    LongJumps "clock jumps of 31 to 400 days, and back"
    OutOfMemory "store out of memory"
    DiskFull "disk of a store full"
    StoreExits "store ended, and started on a full disk"
    UnreadLogs "logs read slowly or not at all"
    Floods "floods from one address"
    FunctionFlushes "FUNCTION FLUSH"
    GroupsDestroyed "consumer group destroyed"
    EarlyTrims "unread entries trimmed"
    Poison "poison entries"
    LargeEntries "poison entries of 2 MB"
    Duplicates "entries emitted again under a new id"
    Retries "POST repeated with its key"
    CancelRaces "cancellation against completion"
    LastUnitRaces "races for the last piece"
    Restocks "restocks"
    Stocktakes "stocktakes"
    Deletions "products deleted"
    Restarts "restarts by the supervisor"
}

/// A number for each figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures([u32; Figure::ALL.len()]);

impl Figures {
    /// The number of one figure.
    pub fn get(&self, figure: Figure) -> u32 {
        self.0[figure as usize]
    }

    /// The same numbers, with `number` for `figure`.
    #[must_use]
    pub fn with(mut self, figure: Figure, number: u32) -> Self {
        self.0[figure as usize] = number;
        self
    }

    /// The number of figures that are not 0.
    pub fn how_many(&self) -> usize {
        self.0.iter().filter(|number| **number > 0).count()
    }

    /// The sum of both, figure by figure.
    #[must_use]
    pub fn plus(mut self, other: &Self) -> Self {
        for (number, more) in self.0.iter_mut().zip(other.0) {
            *number += more;
        }
        self
    }

    /// The figures that are below their planned number, each with the planned number and its own.
    pub fn short_of(&self, planned: &Self) -> Vec<(Figure, u32, u32)> {
        let both = Figure::ALL.map(|figure| (figure, planned.get(figure), self.get(figure)));
        both.into_iter()
            .filter(|(_, planned, seen)| seen < planned)
            .collect()
    }
}

/// Counts the figures during the run.
#[derive(Debug, Default)]
pub(super) struct Tally([AtomicU32; Figure::ALL.len()]);

impl Tally {
    pub(super) fn count(&self, figure: Figure) {
        self.add(figure, 1);
    }

    pub(super) fn add(&self, figure: Figure, times: u32) {
        self.0[figure as usize].fetch_add(times, Ordering::Relaxed);
    }

    pub(super) fn seen(&self) -> Figures {
        let mut seen = Figures::default();
        for (number, counter) in seen.0.iter_mut().zip(&self.0) {
            *number = counter.load(Ordering::Relaxed);
        }
        seen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_that_is_not_reached_is_named() {
        let planned = Figures::default()
            .with(Figure::Orders, 2)
            .with(Figure::Poison, 1);
        let tally = Tally::default();
        assert_eq!(
            tally.seen().short_of(&planned).len(),
            2,
            "nothing was done at all"
        );
        tally.add(Figure::Orders, 2);
        assert_eq!(tally.seen().short_of(&planned), [(Figure::Poison, 1, 0)]);
        tally.count(Figure::Poison);
        assert_eq!(tally.seen().short_of(&planned), []);
    }
}
