//! The damage that the harness did on purpose, and that the checker has to allow for.

use std::time::Duration;

use stack::redis::Owner;

/// The data that may be missing after the run, and the complaints of the harness.
#[derive(Clone, Debug, Default)]
pub(crate) struct Declared {
    /// Entries that were removed by hand.
    pub(crate) trimmed: Vec<Trimmed>,
    /// Crashes that took a tail of the data with them.
    pub(crate) crashes: Vec<Crash>,
    /// Ends of processes that must not happen, such as an end without a signal.
    pub(crate) complaints: Vec<String>,
}

/// An entry that was removed by hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trimmed {
    pub(crate) store: Owner,
    pub(crate) order: String,
    /// Whether no consumer had acknowledged the entry.
    pub(crate) unread: bool,
}

/// A crash that lost the newest data of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Crash {
    pub(crate) store: Owner,
    /// Just before the crash, on the clock of the history.
    pub(crate) at: Duration,
    /// Just after the crash.
    pub(crate) over: Duration,
}
