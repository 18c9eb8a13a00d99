//! What the consumer loop hands to the handler of a service, and what the handler answers.

use std::borrow::Borrow;
use std::future::Future;

use crate::contract::event::Event;
use crate::redis::{Entry, RedisError};

/// Acts on events. Delivery is at least once, so acting on the same event twice must change nothing
/// the second time.
pub trait Handler: Send + Sync + 'static {
    /// The event that the handler acts on.
    type Event: Event;

    /// Acts on a batch and answers one settlement for each event, in the same order.
    ///
    /// After [`RedisError::Unavailable`] the loop waits and hands all events over again, without
    /// counting an attempt. After any other error it retries each event alone.
    fn handle(
        &self,
        batch: &[Delivered<'_, Self::Event>],
    ) -> impl Future<Output = Result<Vec<Settlement>, RedisError>> + Send;

    /// Learns that an event became a dead letter, before its entry is acknowledged. A crash in
    /// between, or a replay, calls this again. A service whose clients ask about the event records
    /// the failure here; others have nothing to do.
    fn parked(
        &self,
        _event: &Self::Event,
        _parking: &Parking,
    ) -> impl Future<Output = Result<(), RedisError>> + Send {
        async { Ok(()) }
    }
}

/// An event, and the stream entry that brought it.
#[derive(Clone, Copy, Debug)]
pub struct Delivered<'a, E> {
    /// The id of the stream entry.
    pub entry_id: &'a str,
    /// The event.
    pub event: E,
}

/// What the handler did with an event, and how its delivery goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// The effect is in the store: acknowledge the entry.
    Done,
    /// The handler failed, and another attempt may succeed: hand the entry over again, alone, after
    /// a pause.
    Retry(String),
    /// No attempt will ever succeed: park the entry for a person.
    Park(Parking),
}

/// Why an entry is parked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parking {
    /// The kind of failure, as one word.
    pub reason: &'static str,
    /// What exactly is wrong.
    pub detail: String,
}

/// An entry in the hands of this consumer.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The entry.
    pub entry: Entry,
    /// How often the handler was given the entry before, as far as this process knows: the count in
    /// the store of an entry that was recovered or is replayed, and the attempts since then.
    pub attempts: u32,
}

/// How often the handler is given an entry. After this many failures, or deaths of the process, the
/// entry becomes a dead letter. In a replay an entry has fewer attempts: one with its batch and one
/// alone.
pub const MAX_ATTEMPTS: u32 = 5;

/// Lets a store that needs only the events take the batch without a copy.
impl<E> Borrow<E> for Delivered<'_, E> {
    fn borrow(&self) -> &E {
        &self.event
    }
}

impl Delivery {
    /// The first delivery of an entry.
    pub fn first(entry: Entry) -> Self {
        Self { entry, attempts: 0 }
    }
}

impl Parking {
    /// The handler failed on the entry [`MAX_ATTEMPTS`] times, or in a replay with its batch and
    /// alone. Or the process died each time that the entry was handed over.
    pub(crate) fn too_often(detail: String) -> Self {
        Self {
            reason: "max_deliveries",
            detail,
        }
    }
}
