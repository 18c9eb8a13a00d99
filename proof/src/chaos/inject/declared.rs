//! What was done to the system that the checker has to know of.

use std::time::Duration;

use stack::redis::Owner;

/// Everything that is allowed to be missing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declared {
    /// Entries that were removed by hand.
    pub(crate) trimmed: Vec<Trimmed>,
    /// Crashes that took a tail of the data with them.
    pub(crate) crashes: Vec<Crash>,
    /// What a process did that it must not.
    pub(crate) complaints: Vec<String>,
}

/// An entry that was removed by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trimmed {
    pub(crate) store: Owner,
    pub(crate) order: String,
    /// No consumer had been given it, or none had acknowledged it.
    pub(crate) unread: bool,
}

/// A crash that lost the newest data of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crash {
    pub(crate) store: Owner,
    /// Just before it, on the clock of the history.
    pub(crate) at: Duration,
    /// Just after it.
    pub(crate) over: Duration,
}
