//! How far the own store has come in the stream of the other service, and whether the two stores
//! still fit together.
//!
//! The checkpoint is written into the store that has the effects, after them. So it goes back when they
//! do, and a store that comes out of a backup tells how old it is. It is moved at each look at the
//! stores, and before entries are acknowledged that are more than [`STEP`] ahead of it.

use std::time::Duration;

mod text;

use crate::contract::entry_id::{EntryId, InvalidEntryId};
use crate::redis::{Command, Redis, RedisError, Reply};
use crate::store::function::Call;
use crate::store::{Store, all};
use crate::stream::replay::REPLAY_WINDOW;

/// Hash from stream to checkpoint.
const CHECKPOINT: &str = "checkpoint";
/// How far an acknowledged entry may be ahead of the checkpoint, by the time in their ids: moving it
/// costs a call. Far less than [`REPLAY_WINDOW`].
pub(crate) const STEP: Duration = Duration::from_mins(1);

/// Up to where the own store has acted on a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Checkpoint {
    /// The last entry that was given out.
    pub(crate) id: EntryId,
    /// About how many entries the stream had been given up to there, never fewer.
    pub(crate) count: u64,
    /// The oldest entry that was still under way then; all before it were acted on.
    pub(crate) open: EntryId,
    /// An entry acted on that is at least [`REPLAY_WINDOW`] older than the last one.
    pub(crate) earlier: EntryId,
}

/// What a consumer knows of its own store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    /// It remembers the stream up to there.
    pub(crate) id: EntryId,
    /// The incarnation of it in which everything is acted on that may have been forgotten before.
    pub(crate) incarnation: String,
}

/// What a stream says about itself, at one instant.
#[derive(Debug, Default)]
pub(crate) struct StreamState {
    length: u64,
    /// Entries it was ever given.
    added: u64,
    /// The first entry it still has.
    first: Option<EntryId>,
    /// The last entry it was given.
    pub(crate) last: EntryId,
    /// The last entry that was given to the group.
    pub(crate) delivered: EntryId,
    /// How many entries there were up to that one; `None` when Redis cannot tell.
    read: Option<u64>,
    /// Entries that the group was given and has not acknowledged.
    pending: u64,
    /// The oldest of them.
    pub(crate) oldest_pending: Option<EntryId>,
    /// The last entry that somebody removed from the middle.
    removed: EntryId,
}

/// Whether the own store and the stream fit together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fit {
    /// They do, or a replay makes them fit.
    Good,
    /// The stream has lost its last entries; none of them is much older than the newest.
    LostTail,
    /// One of the stores is much older than the other knows it. Only a person can decide what is
    /// right.
    Lost(String),
}

impl Checkpoint {
    /// Where to begin to repeat what this store may have forgotten of a stream that was given out
    /// up to `delivered`: [`REPLAY_WINDOW`] before all that was under way.
    pub(crate) fn replay_from(self, delivered: EntryId) -> EntryId {
        let oldest = self.id.min(self.open).min(delivered);
        EntryId::first_of(oldest.ms.saturating_sub(as_ms(REPLAY_WINDOW)))
    }
}

impl Store {
    /// The checkpoint of a stream: the least far one of all partitions.
    pub(crate) async fn checkpoint(&self, stream: &str) -> Result<Checkpoint, RedisError> {
        let checkpoints = all(self.partitions().all().map(|partition| async move {
            let get = Command::new("HGET")
                .key(partition.key(CHECKPOINT))
                .arg(stream);
            let found = self.run(get).await?;
            if found.is_null() {
                return Ok(Checkpoint::default());
            }
            let text = found.text()?;
            text.parse()
                .map_err(|error| RedisError::Refused(format!("{text}: {error}")))
        }));
        let checkpoints: Vec<Checkpoint> = checkpoints
            .await
            .into_iter()
            .collect::<Result<_, RedisError>>()?;
        Ok(checkpoints.into_iter().min().unwrap_or_default())
    }

    /// Moves the checkpoint of a stream, in every partition, because the orders of one stream touch
    /// products of all. Answers `false` when some partition is behind what is `known` of it, or
    /// in another incarnation than that in which this was found to be right.
    pub(crate) async fn move_checkpoint(
        &self,
        stream: &str,
        known: &Known,
        to: Checkpoint,
        direction: &'static str,
    ) -> Result<bool, RedisError> {
        let moved = all(self.partitions().all().map(|partition| async move {
            let call = Call::new("move_checkpoint")
                .key(partition.key(CHECKPOINT))
                .arg(stream)
                .text(known.id)
                .text(to.id)
                .text(to.count)
                .text(to.open)
                .text(REPLAY_WINDOW.as_millis())
                .arg(known.incarnation.as_str())
                .arg(direction);
            Ok(self.call(partition, &call).await?.int()? == 1)
        }));
        let moved: Vec<bool> = moved.await.into_iter().collect::<Result<_, RedisError>>()?;
        Ok(moved.into_iter().all(|moved| moved))
    }

    /// Puts the checkpoint there, whatever was acted on.
    pub(crate) async fn reset_checkpoint(
        &self,
        stream: &str,
        checkpoint: Checkpoint,
    ) -> Result<(), RedisError> {
        for partition in self.partitions().all() {
            let set = Command::new("HSET")
                .key(partition.key(CHECKPOINT))
                .arg(stream);
            self.run(set.arg(checkpoint.to_string())).await?;
        }
        Ok(())
    }
}

impl StreamState {
    /// Asks the store that has the stream. A stream that does not exist has nothing.
    pub(crate) async fn read(redis: &Redis, stream: &str, group: &str) -> Result<Self, RedisError> {
        let info = Command::new("XINFO")
            .arg("STREAM")
            .key(stream)
            .args(["FULL", "COUNT", "1"]);
        let info = match redis.run(info).await {
            Err(error) if error.is_refusal("ERR no such key") => return Ok(Self::default()),
            info => info?,
        };
        let first = info.clone().field("entries")?.entries()?.into_iter().next();
        let mut state = Self {
            length: info.clone().field("length")?.unsigned()?,
            added: info.clone().field("entries-added")?.unsigned()?,
            first: first.map(|entry| read_id(&entry.id)).transpose()?,
            last: id_field(&info, "last-generated-id")?,
            removed: id_field(&info, "max-deleted-entry-id")?,
            ..Self::default()
        };
        for found in info.field("groups")?.list()? {
            if found.clone().field("name")?.text()? == group {
                state.delivered = id_field(&found, "last-delivered-id")?;
                state.read = found.clone().field("entries-read")?.unsigned().ok();
                state.pending = found.clone().field("pel-count")?.unsigned()?;
                let oldest = found.field("pending")?.list()?.into_iter().next();
                state.oldest_pending = oldest.map(read_pending).transpose()?;
            }
        }
        Ok(state)
    }

    /// The checkpoint of a store that has acted on the stream up to `id`.
    pub(crate) fn checkpoint_at(&self, id: EntryId) -> Checkpoint {
        let open = self.oldest_pending.unwrap_or(id).min(id);
        Checkpoint {
            id,
            count: self.count(),
            open,
            earlier: EntryId::default(),
        }
    }

    /// Whether there is nothing, and perhaps nothing any more: what there was to repeat may come
    /// back with the files of its store. The own checkpoint, which may be lost too, does not tell.
    pub(crate) fn is_empty(&self) -> bool {
        self.added == 0
    }

    /// Whether an entry that was pending once is so no longer.
    pub(crate) fn is_settled(&self, entry: EntryId) -> bool {
        self.oldest_pending.is_none_or(|oldest| entry < oldest)
    }

    /// How many entries there were up to the last one that the group was given, or more.
    fn count(&self) -> u64 {
        self.read.unwrap_or(self.added)
    }

    /// Compares the stream with what the own store remembers of it.
    pub(crate) async fn fit(
        &self,
        redis: &Redis,
        stream: &str,
        own: Checkpoint,
    ) -> Result<Fit, RedisError> {
        let mut found = Vec::new();
        for id in [own.earlier, own.id] {
            if self.has_to_have(id) && own.id > self.delivered {
                let id = id.to_string();
                let find = Command::new("XRANGE")
                    .key(stream)
                    .arg(id.as_str())
                    .arg(id.as_str());
                found.extend(
                    redis
                        .run(find)
                        .await?
                        .entries()?
                        .into_iter()
                        .map(|entry| entry.id),
                );
            }
        }
        Ok(self.judge(stream, own, |id| found.contains(&id.to_string())))
    }

    fn judge(&self, stream: &str, own: Checkpoint, has: impl Fn(EntryId) -> bool) -> Fit {
        if let Some(gone) = self.gone_behind(own) {
            return Fit::Lost(format!(
                "this store is older than what was acted on: it remembers {stream} up to {}, the \
                 stream was acted on up to {}, and {gone} entries in between are gone. {REMEDY}",
                own.id, self.delivered,
            ));
        }
        // A group that was lost and made again begins anew in a stream that has lost nothing. A
        // stream that was never given anything was lost with its whole store, which that store has
        // to be asked about.
        if own.id <= self.delivered || self.added == 0 {
            return Fit::Good;
        }
        let has_forgotten = |id| id > self.last || self.has_to_have(id) && !has(id);
        if has_forgotten(own.earlier) {
            return Fit::Lost(format!(
                "the stream {stream} is older than what was acted on: it is given out up to {}, \
                 and was acted on up to {}. {REMEDY}",
                self.delivered, own.id,
            ));
        }
        if has_forgotten(own.id) {
            Fit::LostTail
        } else {
            Fit::Good
        }
    }

    /// How many entries behind the checkpoint no replay can bring back, because the stream has none of
    /// them any more. An own store that lost only its tail is never that far behind.
    fn gone_behind(&self, own: Checkpoint) -> Option<u64> {
        let is_far = self.delivered.ms.saturating_sub(own.id.ms) > as_ms(REPLAY_WINDOW);
        let begins_later = self.first.is_none_or(|first| first > own.id);
        let gone = self
            .added
            .saturating_sub(self.length)
            .saturating_sub(own.count);
        // What is only under way is not behind, even where somebody removed it from the stream.
        let acted_on = self.count().saturating_sub(own.count) > self.pending;
        (is_far && begins_later && acted_on && gone > 0).then_some(gone)
    }

    /// Whether an entry with this id, if there ever was one, cannot have been trimmed or removed.
    fn has_to_have(&self, entry: EntryId) -> bool {
        let is_within = entry <= self.last && self.first.is_some_and(|first| first <= entry);
        is_within && entry > self.removed
    }
}

/// What a person has to do.
const REMEDY: &str = "Nothing is acted on, because it might be wrong. Put the right files back, or run \
     `payments reconcile --apply` and then the verb adopt-store of this service";

/// The same length of time in milliseconds, as ids count it.
pub(crate) fn as_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// An id that the server wrote.
pub(crate) fn read_id(text: &str) -> Result<EntryId, RedisError> {
    text.parse()
        .map_err(|error: InvalidEntryId| RedisError::Refused(format!("{text}: {error}")))
}

fn read_pending(entry: Reply) -> Result<EntryId, RedisError> {
    let [id, _consumer, _time, _deliveries] = entry.exactly("a pending entry")?;
    read_id(&id.text()?)
}

fn id_field(info: &Reply, name: &'static str) -> Result<EntryId, RedisError> {
    read_id(&info.clone().field(name)?.text()?)
}

#[cfg(test)]
mod tests;
