//! Items, the writes that wait for them, and the tickets of these writes. No I/O.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use shared::contract::time::Timestamp;

mod write_queued;

pub use write_queued::WriteQueued;

shared::id! {
    /// Names one write, from its request to its end.
    TicketId "01a1f866-0d7b-7000-8000-2f0d6a1b9c3e"
}

/// The name that a client gave to an item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(String);

/// The text is no name of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to {MAX_ITEM_ID} characters, and no control characters")]
pub struct InvalidItemId;

/// What an item holds: a text that is not empty, of at most [`MAX_VALUE_BYTES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemValue(String);

/// The text cannot be the value of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidValue {
    /// It has no characters.
    #[error("must not be empty")]
    Empty,
    /// It is too long.
    #[error("must have at most {MAX_VALUE_BYTES} bytes in UTF-8")]
    TooLong,
}

/// An item as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its name.
    pub id: ItemId,
    /// What it holds.
    pub value: String,
    /// The number of the write that the item has. Writes of one item are numbered from 1, in the
    /// order in which they were queued.
    pub version: u64,
    /// When that write was applied.
    pub updated_at: Timestamp,
}

/// What a client can learn about a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Its id.
    pub id: TicketId,
    /// The item.
    pub item_id: ItemId,
    /// The version that the item has once the write is applied.
    pub version: u64,
    /// How far the write is.
    pub state: TicketState,
    /// When the write was queued.
    pub queued_at: Timestamp,
}

/// How far a write is. It ends once, and the functions in `lua/` end it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TicketState {
    /// It waits for a worker.
    Queued,
    /// A worker has applied it.
    Applied {
        /// When.
        at: Timestamp,
        /// A later write of the item was applied before it, so the item keeps the later value.
        superseded: bool,
    },
    /// It cannot be applied.
    Failed {
        /// When that was found.
        at: Timestamp,
        /// Why.
        reason: String,
    },
}

/// How long the queue may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Most writes that wait.
    pub writes: usize,
    /// Most bytes of their values.
    pub bytes: usize,
    /// Most entries of the stream, those of ended writes included.
    pub entries: usize,
}

/// How long, and how many, tickets of ended writes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketLimits {
    /// How long a ticket is kept after its write has ended.
    pub longest: Duration,
    /// Beyond half of this number, a ticket is kept for a shorter time.
    pub most: usize,
}

/// The outcome of a request to queue a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enqueued {
    /// It waits for a worker.
    Queued(Ticket),
    /// As many writes, or bytes of values, wait as may wait. Nothing was queued.
    QueueFull,
    /// The stream has as many entries as it may have, ended writes included. Nothing was queued.
    StreamFull,
}

/// The outcome of applying a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The item has the value now.
    Now,
    /// The item keeps the value of a later write.
    Superseded,
    /// The write ended at an earlier delivery. Its ticket may be gone.
    Before,
    /// The item or the ticket is not what a worker wrote.
    Damaged,
}

/// Most characters of the name of an item.
pub const MAX_ITEM_ID: usize = 200;
/// Most bytes of a value.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

impl ItemId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ItemId {
    type Err = InvalidItemId;

    fn from_str(text: &str) -> Result<Self, InvalidItemId> {
        let length = (1..=MAX_ITEM_ID).contains(&text.chars().count());
        let fits = length && !text.chars().any(char::is_control);
        fits.then(|| Self(text.to_owned())).ok_or(InvalidItemId)
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl ItemValue {
    /// The value as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ItemValue {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        match text.len() {
            0 => Err(InvalidValue::Empty),
            1..=MAX_VALUE_BYTES => Ok(Self(text.to_owned())),
            _ => Err(InvalidValue::TooLong),
        }
    }
}

impl Ticket {
    /// Whether the write was applied or failed.
    pub fn has_ended(&self) -> bool {
        self.state != TicketState::Queued
    }
}

#[cfg(test)]
mod tests;
