//! The checkpoint: the entry up to which this service has acted on the stream of the other service.
//!
//! It lies in the store that has the effects, and is written after them. So a store that loses
//! effects goes back to an earlier checkpoint, and a store from a backup tells how old it is.
//!
//! The checkpoint moves at each look at both stores. It also moves before the consumer acknowledges
//! an entry that is more than [`MAX_UNRECORDED`] ahead of it.

use std::time::Duration;

use futures_util::future::join_all;

mod agreement;
mod recorded;

pub(crate) use crate::stream::checkpoint::agreement::{Agreement, compare};
pub(crate) use crate::stream::checkpoint::recorded::Recorded;

use crate::contract::entry_id::EntryId;
use crate::redis::{Code, Command, Redis, RedisError};
use crate::store::function::Call;
use crate::store::partition::Partition;
use crate::store::{Store, incarnation};
use crate::stream::checkpoint::recorded::as_ms;
use crate::stream::group::Membership;
use crate::stream::replay::REPLAY_WINDOW;
use crate::stream::stream_state::StreamState;

/// The checkpoint of one stream, as one consumer knows it.
pub(crate) struct Checkpoint {
    /// The own store, which has the effects and the checkpoint.
    store: Store,
    partition: Partition,
    /// The store that has the stream.
    stream_store: Redis,
    membership: Membership,
    /// The entry that the own store had recorded when the consumer last read or moved the
    /// checkpoint.
    remembered: EntryId,
    /// The incarnation of the own store in which the last look or replay left nothing forgotten.
    /// `None` until the first look.
    incarnation: Option<String>,
}

/// What a look at both stores found.
pub(crate) struct Look {
    /// The checkpoint that the own store has recorded.
    pub(crate) recorded: Recorded,
    /// The stream.
    pub(crate) stream: StreamState,
    /// The incarnation of the own store.
    pub(crate) incarnation: String,
    /// Whether the two stores agree.
    pub(crate) agreement: Agreement,
    /// Whether the own store may have forgotten effects since the last look.
    pub(crate) may_have_forgotten: bool,
}

/// The direction in which a checkpoint may move.
#[derive(Clone, Copy)]
enum Move {
    /// To a later entry only.
    Forward,
    /// To an earlier entry as well, because the stream has lost its last entries.
    Back,
}

/// Hash from stream to checkpoint.
const CHECKPOINT: &str = "checkpoint";
/// How far an acknowledged entry may be ahead of the recorded checkpoint, by the times in their
/// ids. Far less than [`REPLAY_WINDOW`], and more than 0 because each move costs a call.
const MAX_UNRECORDED: Duration = Duration::from_mins(1);
/// Pause between two looks at whether the own store was restarted.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// The most partitions for which [`LOOK_INTERVAL`] holds. Each consumer looks at all partitions, so
/// with more of them the pause grows in proportion.
const LOOKED_AT_PARTITIONS: u32 = 16;

impl Move {
    fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Back => "back",
        }
    }
}

impl Checkpoint {
    /// The checkpoint in `store` of the stream that `membership` reads in `stream_store`.
    pub(crate) fn new(
        store: Store,
        partition: Partition,
        stream_store: Redis,
        membership: Membership,
    ) -> Self {
        Self {
            store,
            partition,
            stream_store,
            membership,
            remembered: EntryId::default(),
            incarnation: None,
        }
    }

    /// Asks both stores how far the stream was acted on, and whether they agree.
    pub(crate) async fn look(&mut self) -> Result<Look, RedisError> {
        // The checkpoint has to be of the incarnation that this look answers. So it is read before
        // the incarnation, and once more if the incarnation is new.
        let before = self.remembered;
        let mut recorded = self.read().await?;
        let incarnation = self.store.incarnation().await?;
        let is_known = self.incarnation.as_ref() == Some(&incarnation);
        if !is_known {
            recorded = self.read().await?;
        }
        // A person may put older data back under a server that goes on running: the checkpoint goes
        // back, and the incarnation stays.
        let is_older = recorded.id < before;
        let stream = self.read_stream().await?;
        let name = &self.membership.stream;
        let agreement = compare(&stream, &self.stream_store, name, recorded).await?;
        let was_replayed =
            is_known || incarnation::is_recorded(&self.store, self.partition, &incarnation).await?;
        Ok(Look {
            recorded,
            stream,
            incarnation,
            agreement,
            may_have_forgotten: is_older || !was_replayed,
        })
    }

    /// Takes the checkpoint back to the end of a stream that has lost its last entries.
    pub(crate) async fn take_back(&mut self, look: &Look) -> Result<(), RedisError> {
        let to = Recorded::at(look.stream.delivered, &look.stream);
        self.move_to(to, &look.incarnation, Move::Back).await?;
        self.remembered = to.id;
        Ok(())
    }

    /// Moves the checkpoint to the last entry that the group was given, after a look that found
    /// nothing forgotten. The checkpoint also says which of these entries is the oldest pending
    /// one.
    pub(crate) async fn catch_up(&mut self, look: &Look) -> Result<(), RedisError> {
        self.incarnation = Some(look.incarnation.clone());
        if look.stream.delivered > self.remembered {
            let to = Recorded::at(look.stream.delivered, &look.stream);
            self.move_to(to, &look.incarnation, Move::Forward).await?;
        }
        Ok(())
    }

    /// Moves the checkpoint to the end of a replay, and then records the incarnation in which the
    /// replay began. If this process crashes before that record, or the store restarts once more,
    /// the next look begins another replay.
    pub(crate) async fn complete_replay(
        &mut self,
        last: EntryId,
        incarnation: String,
    ) -> Result<(), RedisError> {
        let stream = self.read_stream().await?;
        // The stream lost entries during the replay. If they are put back, they were not acted on.
        if stream.last < last {
            let error = format!("the stream {} has gone back", self.membership.stream);
            return Err(RedisError::unknown(error));
        }
        if last > self.remembered {
            let to = Recorded::at(last, &stream);
            self.move_to(to, &incarnation, Move::Forward).await?;
        }
        match incarnation::record(&self.store, self.partition, &incarnation).await {
            // A store without memory for this record costs one more replay at the next start.
            Err(error) if !error.is(Code::Oom) => return Err(error),
            _ => self.incarnation = Some(incarnation),
        }
        Ok(())
    }

    /// Makes sure that an entry may be acknowledged: moves the checkpoint there if the entry is
    /// more than [`MAX_UNRECORDED`] ahead of it.
    pub(crate) async fn cover(&mut self, entry: EntryId) -> Result<(), RedisError> {
        if entry.ms <= self.remembered.ms.saturating_add(as_ms(MAX_UNRECORDED)) {
            return Ok(());
        }
        let to = Recorded::at(entry, &self.read_stream().await?);
        let incarnation = self.known_incarnation();
        self.move_to(to, &incarnation, Move::Forward).await
    }

    /// Reads the checkpoint from the own store.
    pub(crate) async fn read(&mut self) -> Result<Recorded, RedisError> {
        let recorded = read(&self.store, &self.membership.stream).await?;
        self.remembered = recorded.id;
        Ok(recorded)
    }

    /// Reads the state of the stream and of the group.
    pub(crate) async fn read_stream(&self) -> Result<StreamState, RedisError> {
        let Membership { stream, group, .. } = &self.membership;
        StreamState::read(&self.stream_store, stream, group).await
    }

    /// The incarnation in which the last look or replay left nothing forgotten; empty before the
    /// first look.
    pub(crate) fn known_incarnation(&self) -> String {
        self.incarnation.clone().unwrap_or_default()
    }

    /// Pause between two looks at both stores.
    pub(crate) fn look_interval(&self) -> Duration {
        let partitions = self.store.partitions().all().count();
        let partitions = u32::try_from(partitions).unwrap_or(u32::MAX);
        LOOK_INTERVAL * partitions.max(LOOKED_AT_PARTITIONS) / LOOKED_AT_PARTITIONS
    }

    /// Moves the checkpoint in every partition, because the orders of one stream touch products of
    /// all partitions.
    ///
    /// The store refuses the move if it has recorded less than this process knows: older files were
    /// put back a moment ago, and a move would hide that. It also refuses in another incarnation:
    /// it may have lost its last effects, so what this process saw before no longer holds.
    async fn move_to(
        &mut self,
        to: Recorded,
        incarnation: &str,
        direction: Move,
    ) -> Result<(), RedisError> {
        let (store, stream, known) = (&self.store, &self.membership.stream, self.remembered);
        let calls = store.partitions().all().map(|partition| async move {
            let call = Call::new("move_checkpoint")
                .key(partition.key(CHECKPOINT))
                .arg(stream.as_str())
                .text(known)
                .text(to.id)
                .text(to.count)
                .text(to.open)
                .text(REPLAY_WINDOW.as_millis())
                .arg(incarnation)
                .arg(direction.as_str());
            Ok(store.call(partition, &call).await?.int()? == 1)
        });
        let moved: Vec<bool> = join_all(calls)
            .await
            .into_iter()
            .collect::<Result<_, RedisError>>()?;
        if moved.contains(&false) {
            let error = format!("the own store may have forgotten that {stream} was acted on");
            return Err(RedisError::unknown(error));
        }
        self.remembered = to.id.max(known);
        Ok(())
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

/// Records `to` in every partition, whatever checkpoint is recorded there.
pub(crate) async fn reset(store: &Store, stream: &str, to: Recorded) -> Result<(), RedisError> {
    for partition in store.partitions().all() {
        let set = Command::new("HSET")
            .key(partition.key(CHECKPOINT))
            .arg(stream);
        store.run(set.arg(to.to_string())).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
