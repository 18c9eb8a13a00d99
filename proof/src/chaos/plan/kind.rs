//! The kinds of faults, and their descriptions in the history.

use std::fmt;
use std::time::Duration;

use stack::process::Reading;
use stack::redis::Owner;

use crate::aof::Cut;

/// A fault, without its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::chaos) enum FaultKind {
    Kill(&'static str),
    Terminate(&'static str),
    Freeze(&'static str, Duration),
    KillStore(Owner),
    /// The store is killed, and the end of its append-only file is cut off.
    CutTail(Owner, Cut),
    Tcp(Link, Tcp, Duration),
    /// The links are blocked one by one, and released in another order.
    Partition {
        stop: Vec<Link>,
        release: Vec<Link>,
        pause: Duration,
    },
    /// The clock of the store jumps by this number of milliseconds, forward or back.
    JumpClock(Owner, i64),
    /// The clock of the store jumps by this number of days, and is then set right. Meanwhile the
    /// consumers and the store restart.
    LongJump(Owner, i64),
    OutOfMemory(Owner, Duration),
    DiskFull(Owner, Duration),
    /// The store ends by itself, and is started while its disk is still full.
    StoreExit(Owner, Duration),
    /// The log of the process is read slowly, or not at all.
    UnreadLog(&'static str, Reading, Duration),
    /// Clients connect to the process only to take its connections.
    Flood(&'static str, Crowd, Duration),
    FlushFunctions(Owner),
    DestroyGroup(Owner),
    TrimUnread(Owner),
    Poison(Owner, Poison),
    LargeEntry(Owner),
    Duplicate(Owner, u64),
}

/// The clients that flood a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::chaos) enum Crowd {
    /// Clients that connect and send nothing.
    Idle,
    /// Clients that send requests and read no answer.
    Unreading,
}

/// A TCP link that can be harmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::chaos) enum Link {
    /// From a process to a store.
    Owner(&'static str, Owner),
    /// From a process of payments to inventory's API.
    Inventory(&'static str),
}

/// A fault of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::chaos) enum Tcp {
    /// All connections are closed.
    Cut,
    /// Nothing passes, and neither end notices.
    HalfOpen,
    /// Every chunk arrives this much later.
    Slow(Duration),
    /// Every write arrives in pieces of a few bytes.
    Split(usize),
}

/// An entry that no consumer can act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::chaos) enum Poison {
    /// The entry has no field of an event.
    Rubbish,
    /// The event has a type that no consumer knows.
    UnknownType,
    /// The event has no order id.
    NoOrder,
    /// The event has text in the field of a number.
    BadNumber,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(process) => write!(f, "SIGKILL {process}"),
            Self::Terminate(process) => write!(f, "SIGTERM {process}"),
            Self::Freeze(process, time) => write!(f, "SIGSTOP {process} for {time:?}"),
            Self::KillStore(store) => write!(f, "SIGKILL {} store", store.name()),
            Self::CutTail(store, cut) => {
                write!(
                    f,
                    "SIGKILL {} store, its tail cut off: {cut:?}",
                    store.name()
                )
            }
            Self::Tcp(link, what, time) => write!(f, "{what:?} {link} for {time:?}"),
            Self::Partition { stop, pause, .. } => {
                write!(f, "partition of {} links, one each {pause:?}", stop.len())
            }
            Self::JumpClock(store, by) => write!(f, "clock of {} store {by:+} ms", store.name()),
            Self::LongJump(store, days) => {
                write!(
                    f,
                    "clock of {} store {days:+} days, there and back",
                    store.name()
                )
            }
            Self::OutOfMemory(store, time) => {
                write!(f, "{} store out of memory for {time:?}", store.name())
            }
            Self::DiskFull(store, time) => {
                write!(f, "disk of {} store full for {time:?}", store.name())
            }
            Self::StoreExit(store, time) => {
                write!(
                    f,
                    "{} store ends, and is started on a full disk: {time:?}",
                    store.name()
                )
            }
            Self::UnreadLog(process, reading, time) => {
                write!(f, "log of {process} read {reading:?} for {time:?}")
            }
            Self::Flood(process, crowd, time) => {
                write!(f, "flood of {crowd:?} clients at {process} for {time:?}")
            }
            Self::LargeEntry(store) => write!(f, "large entry in {} store", store.name()),
            Self::FlushFunctions(store) => write!(f, "FUNCTION FLUSH in {} store", store.name()),
            Self::DestroyGroup(store) => write!(f, "group destroyed in {} store", store.name()),
            Self::TrimUnread(store) => write!(f, "unread entries trimmed in {}", store.name()),
            Self::Poison(store, shape) => write!(f, "poison in {} store: {shape:?}", store.name()),
            Self::Duplicate(store, _) => write!(f, "entry emitted again in {}", store.name()),
        }
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner(process, store) => write!(f, "{process} -> {} store", store.name()),
            Self::Inventory(process) => write!(f, "{process} -> inventory"),
        }
    }
}
