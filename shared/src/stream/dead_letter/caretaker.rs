//! The task that tends the dead letters of a store once a minute.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::Mutex;

use super::{Bounds, Dead, DeadLetters, Keeper};
use crate::contract::time::Timestamp;
use crate::redis::{Code, RedisError};
use crate::store::Store;
use crate::store::partition::Partition;
use crate::store::sweep::Sweep;
use crate::stream::dead_letter::census::Census;
use crate::stream::dead_letter::names::Scanned;

/// Tells people about the dead letters of a store, and keeps them within bounds.
pub struct Caretaker {
    /// Decides which dead letters are too old.
    sweep: Sweep,
    /// A round holds this lock while it works on the partitions.
    memory: Mutex<Memory>,
}

/// What one round leaves for the next.
struct Memory {
    keeper: Keeper,
    scanned: HashMap<Partition, Scanned>,
}

impl Caretaker {
    /// A dead letter leaves because of its age when two rounds at least `pause` apart agree.
    pub fn new(bounds: Bounds, pause: Duration) -> Self {
        let sweep = Sweep::new("dead letters", pause);
        Self {
            sweep,
            memory: Mutex::new(Memory {
                keeper: Keeper::new(bounds),
                scanned: HashMap::new(),
            }),
        }
    }

    /// One round. If there are dead letters, logs their number and how to list them. Moves the dead
    /// letters beyond the bounds into the log. Forgets the names of dead letters that a person took
    /// out of the store.
    pub async fn tend(&self, store: &Store) -> Result<(), RedisError> {
        let dead = Dead::of(store).await?;
        if dead.count > 0 {
            let service = store.layout().service;
            tracing::error!(
                dead_letters = dead.count,
                oldest_for = dead.age(),
                "dead letters wait for a person to look at them: `{service} dead-letters` lists \
                 them"
            );
        }
        let mut failure = None;
        let memory = &mut *self.memory.lock().await;
        for partition in store.partitions().all() {
            let dead_letters = DeadLetters { store, partition };
            dead_letters.keep_within(&mut memory.keeper).await;
            // A failure of a sweep stops neither the names of this partition nor the next
            // partition.
            let sweep = self.sweep_old(&dead_letters, &mut memory.keeper).await;
            let names = memory.forget_names(&dead_letters).await;
            failure = failure.or(sweep.and(names).err());
        }
        failure.map_or(Ok(()), Err)
    }

    /// Moves the dead letters that are too old, by the clock and by the newest dead letter.
    async fn sweep_old(
        &self,
        dead_letters: &DeadLetters<'_>,
        keeper: &mut Keeper,
    ) -> Result<(), RedisError> {
        let DeadLetters { store, partition } = *dead_letters;
        let census = Census::of(store, partition).await?;
        if census.count == 0 {
            return Ok(());
        }
        let (now, newest) = (
            store.now(partition).await?,
            Timestamp::from_millis(census.newest.ms),
        );
        let Some(reference) = self.sweep.look(partition, now, newest) else {
            return Ok(());
        };
        let oldest = reference.earlier_by(keeper.bounds.age);
        if census.oldest.ms < oldest.as_millis() {
            dead_letters.keep_since(keeper, oldest).await;
        }
        Ok(())
    }
}

impl Memory {
    async fn forget_names(&mut self, dead_letters: &DeadLetters<'_>) -> Result<(), RedisError> {
        let partition = dead_letters.partition;
        let before = self.scanned.get(&partition).copied();
        match dead_letters.forget_names(before).await {
            Ok(now) => {
                self.scanned.extend(now.map(|now| (partition, now)));
                Ok(())
            }
            // The Redis user of an older build may not scan the names.
            Err(error) if error.is(Code::NoPerm) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
