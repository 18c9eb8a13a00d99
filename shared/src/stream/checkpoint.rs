//! The checkpoint: the entry up to which this service has acted on the stream that it reads.
//!
//! It lies in the store that has the effects, and is written after them. So a store that loses
//! effects goes back to an earlier checkpoint, and a store from a backup tells how old it is.
//!
//! The checkpoint moves at each look at both stores. It also moves before the consumer acknowledges
//! an entry that is more than [`MAX_UNRECORDED`] ahead of it.

use std::time::Duration;

use futures_util::future::join_all;

mod agreement;
mod both_stores;
mod recorded;

pub(crate) use crate::stream::checkpoint::agreement::{Agreement, compare};
pub(crate) use crate::stream::checkpoint::both_stores::BothStores;
pub(crate) use crate::stream::checkpoint::recorded::{Recorded, read, reset};

use crate::contract::entry_id::EntryId;
use crate::redis::{Code, Redis, RedisError};
use crate::store::function::Call;
use crate::store::partition::Partition;
use crate::store::{Store, due, incarnation};
use crate::stream::checkpoint::recorded::{CHECKPOINT, as_ms};
use crate::stream::group::Membership;
use crate::stream::replay::{Pass, REPLAY_WINDOW};
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

/// The direction in which a checkpoint may move.
#[derive(Clone, Copy)]
enum Move {
    /// To a later entry only.
    Forward,
    /// To an earlier entry as well, because the stream has lost its last entries.
    Back,
}

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
    pub(crate) async fn look(&mut self) -> Result<BothStores, RedisError> {
        // The checkpoint has to be of the incarnation that this look answers. So it is read before
        // the incarnation, and once more if the incarnation is new.
        let identity = self.store.identity(self.partition).await?;
        let mut recorded = self.read().await?;
        let incarnation = self.store.incarnation().await?;
        if self.incarnation.as_ref() != Some(&incarnation) {
            recorded = self.read().await?;
        }
        // A person may put older data back under a server that goes on running: the checkpoint goes
        // back, and the incarnation stays. Only this process knows it, so it writes a mark before
        // it forgets the later entry.
        if recorded.id < self.remembered {
            self.mark_for_certain("the checkpoint of the store went back")
                .await?;
        }
        self.remembered = recorded.id;
        // The marks are read before the stream. So a replay that removes these marks acts on all
        // entries that Redis gave out before they were written.
        let marks = due::read(&self.store, self.partition).await?;
        let stream = self.read_stream().await?;
        let name = &self.membership.stream;
        let agreement = compare(&stream, &self.stream_store, name, recorded).await?;
        let was_replayed = self.incarnation.as_ref() == Some(&incarnation)
            || incarnation::is_recorded(&self.store, self.partition, &incarnation).await?;
        Ok(BothStores {
            recorded,
            stream,
            identity,
            incarnation,
            was_replayed,
            marks,
            agreement,
        })
    }

    /// Writes down that a replay is due. A store without memory for a mark forgets the recorded
    /// incarnation instead.
    pub(crate) async fn mark_for_certain(&mut self, reason: &str) -> Result<(), RedisError> {
        match self.mark(reason).await {
            Err(error) if error.is(Code::Oom) => {
                incarnation::forget(&self.store, self.partition).await?;
                self.incarnation = None;
                Ok(())
            }
            marked => marked.map(drop),
        }
    }

    /// Writes a mark that a replay is due, and answers its id.
    pub(crate) async fn mark(&self, reason: &str) -> Result<String, RedisError> {
        due::mark(&self.store, self.partition, reason).await
    }

    /// Whether a replay that began is still due. A person may have accepted a loss (`loss`), and then
    /// acting again might refund what was served: a lost store has another identity then, and the
    /// marks are gone.
    ///
    /// In a new incarnation each consumer finishes its own replay, even if another one has recorded
    /// the incarnation. A replay covers the entries that were given out when it began, and this
    /// consumer may have acted on later ones at the store that was before.
    pub(crate) async fn is_still_due(&self, pass: &Pass) -> Result<bool, RedisError> {
        if self.store.identity(self.partition).await? != pass.identity {
            return Ok(false);
        }
        if !pass.is_due_by_marks {
            return Ok(true);
        }
        let marks = due::read(&self.store, self.partition).await?;
        Ok(pass.marks.iter().any(|mark| marks.contains(mark)))
    }

    /// Removes marks: no replay is due because of them any more.
    pub(crate) async fn remove_marks(&self, marks: Vec<String>) -> Result<(), RedisError> {
        due::remove(&self.store, self.partition, marks).await
    }

    /// Takes the checkpoint back to the end of a stream that has lost its last entries.
    pub(crate) async fn take_back(&mut self, look: &BothStores) -> Result<(), RedisError> {
        let to = Recorded::at(look.stream.delivered, &look.stream);
        self.move_to(to, &look.incarnation, Move::Back).await?;
        self.remembered = to.id;
        Ok(())
    }

    /// Moves the checkpoint to the last entry that the group was given, after a look that found
    /// nothing forgotten. The checkpoint also says which of these entries is the oldest pending
    /// one.
    pub(crate) async fn catch_up(&mut self, look: &BothStores) -> Result<(), RedisError> {
        self.incarnation = Some(look.incarnation.clone());
        if look.stream.delivered > self.remembered {
            let to = Recorded::at(look.stream.delivered, &look.stream);
            self.move_to(to, &look.incarnation, Move::Forward).await?;
        }
        Ok(())
    }

    /// Moves the checkpoint to the end of a replay. Then records the incarnation in which the replay
    /// began, and removes the marks that were there. If this process crashes before that, or the
    /// store restarts once more, the next look begins another replay.
    pub(crate) async fn complete_replay(&mut self, pass: Pass) -> Result<(), RedisError> {
        let Pass {
            last,
            incarnation,
            marks,
            ..
        } = pass;
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
        self.remove_marks(marks).await
    }

    /// Makes sure that an entry may be acknowledged: moves the checkpoint there if the entry is
    /// more than [`MAX_UNRECORDED`] ahead of it.
    pub(crate) async fn cover(&mut self, entry: EntryId) -> Result<(), RedisError> {
        if entry.ms <= self.remembered.ms.saturating_add(as_ms(MAX_UNRECORDED)) {
            return Ok(());
        }
        let to = Recorded::at(entry, &self.read_stream().await?);
        // Before the first look no incarnation is known, and the store refuses the move.
        let incarnation = self.incarnation.clone().unwrap_or_default();
        self.move_to(to, &incarnation, Move::Forward).await
    }

    async fn read(&self) -> Result<Recorded, RedisError> {
        read(&self.store, &self.membership.stream).await
    }

    /// Reads the state of the stream and of the group.
    pub(crate) async fn read_stream(&self) -> Result<StreamState, RedisError> {
        let Membership { stream, group, .. } = &self.membership;
        StreamState::read(&self.stream_store, stream, group).await
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

#[cfg(test)]
mod tests;
