//! The recorded checkpoint: as the function `move_checkpoint` writes it, and as it is read.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use futures_util::future::join_all;

use crate::contract::entry_id::{EntryId, InvalidEntryId};
use crate::redis::{Command, RedisError};
use crate::store::Store;
use crate::stream::replay::REPLAY_WINDOW;
use crate::stream::stream_state::StreamState;

/// A checkpoint: up to where a stream was acted on, as the own store records it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Recorded {
    /// The last entry that the group had been given, or the entry that was about to be
    /// acknowledged.
    pub(crate) id: EntryId,
    /// The number of entries that were added to the stream up to `id`, or a larger number.
    pub(crate) count: u64,
    /// The oldest entry that was pending then, or `id`. All entries before it had been acted on.
    pub(crate) open: EntryId,
    /// An entry that was acted on, and is at least [`REPLAY_WINDOW`] older than `id`.
    pub(crate) earlier: EntryId,
}

/// Hash from stream to checkpoint.
pub(super) const CHECKPOINT: &str = "checkpoint";

impl Recorded {
    /// The checkpoint of a store that has acted on the stream up to `id`.
    pub(crate) fn at(id: EntryId, stream: &StreamState) -> Self {
        let open = stream.oldest_pending.unwrap_or(id).min(id);
        Self {
            id,
            count: stream.count(),
            open,
            earlier: EntryId::default(),
        }
    }

    /// The first entry of a replay. It lies [`REPLAY_WINDOW`] before the oldest pending entry,
    /// because the store may have forgotten effects since then. `delivered` is the last entry that
    /// the group was given.
    pub(crate) fn replay_from(self, delivered: EntryId) -> EntryId {
        let oldest = self.id.min(self.open).min(delivered);
        EntryId::first_of(oldest.ms.saturating_sub(as_ms(REPLAY_WINDOW)))
    }
}

impl FromStr for Recorded {
    type Err = InvalidEntryId;

    fn from_str(text: &str) -> Result<Self, InvalidEntryId> {
        let mut words = text.split(' ');
        let mut word = || words.next().ok_or(InvalidEntryId);
        let (id, count) = (
            word()?.parse()?,
            word()?.parse().map_err(|_| InvalidEntryId)?,
        );
        let (open, _middle, earlier) = (word()?.parse()?, word()?, word()?.parse()?);
        Ok(Self {
            id,
            count,
            open,
            earlier,
        })
    }
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            count,
            open,
            earlier,
        } = self;
        write!(f, "{id} {count} {open} {id} {earlier}")
    }
}

/// Reads the checkpoint of a stream from a store. If its partitions differ, the earliest counts.
pub(crate) async fn read(store: &Store, stream: &str) -> Result<Recorded, RedisError> {
    let reads = store.partitions().all().map(|partition| async move {
        let get = Command::new("HGET")
            .key(partition.key(CHECKPOINT))
            .arg(stream);
        let found = store.run(get).await?;
        if found.is_null() {
            return Ok(Recorded::default());
        }
        let text = found.text()?;
        text.parse()
            .map_err(|error| RedisError::malformed(text, error))
    });
    let recorded: Vec<Recorded> = join_all(reads)
        .await
        .into_iter()
        .collect::<Result<_, RedisError>>()?;
    Ok(recorded.into_iter().min().unwrap_or_default())
}

/// Records `to` in every partition, in the place of any other checkpoint.
pub(crate) async fn reset(store: &Store, stream: &str, to: Recorded) -> Result<(), RedisError> {
    for partition in store.partitions().all() {
        let set = Command::new("HSET")
            .key(partition.key(CHECKPOINT))
            .arg(stream);
        store.run(set.arg(to.to_string())).await?;
    }
    Ok(())
}

/// A length of time in milliseconds, as entry ids count it.
pub(crate) fn as_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
