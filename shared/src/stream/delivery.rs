//! What passes between the consumer loop and the code that acts on events.

use std::future::Future;

use crate::contract::event::Event;
use crate::redis::{Entry, RedisError};

/// Acts on events. Everything it does must be safe to do twice: delivery is at least once.
pub trait Handler: Send + Sync + 'static {
    /// The event it acts on.
    type Event: Event;

    /// Acts on a batch and answers one settlement per event, in the same order. `entry_ids` tells
    /// which stream entry brought which event.
    ///
    /// An [`RedisError::Unavailable`] says that nothing is known about any of them, and a
    /// [`RedisError::NotNow`] that nothing was done about any. After either, the loop waits and hands
    /// them over again, without counting. A [`RedisError::Refused`] is a retry of each, alone.
    fn handle(
        &self,
        events: &[Self::Event],
        entry_ids: &[&str],
    ) -> impl Future<Output = Result<Vec<Settlement>, RedisError>> + Send;
}

/// What becomes of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// The effect is in the store: acknowledge.
    Done,
    /// It did not work, but may: hand it over again, alone, after a pause.
    Retry(String),
    /// It will never work: set it aside for a person.
    Park(Parking),
}

/// Why an entry is set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parking {
    /// One word to file it under.
    pub reason: &'static str,
    /// What exactly is wrong.
    pub detail: String,
}

/// An entry in the hands of this consumer.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The entry.
    pub entry: Entry,
    /// How often it reached the handler before.
    pub attempts: u32,
}

/// An entry that reached the handler this often without success is set aside.
pub const MAX_ATTEMPTS: u32 = 5;

impl Delivery {
    /// The first delivery of an entry.
    pub fn first(entry: Entry) -> Self {
        Self { entry, attempts: 0 }
    }
}
