//! The task that tends the dead letters of a store once a minute.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Mutex;

use super::{Bounds, DEAD_LETTERS, Dead, DeadLetters, Keeper};
use crate::contract::time::Timestamp;
use crate::redis::{Code, RedisError};
use crate::store::Store;
use crate::store::partition::Partition;
use crate::store::sweep::Sweep;
use crate::stream::dead_letter::census::Census;
use crate::stream::dead_letter::names::Scanned;

/// Tells people about the dead letters of a store, and keeps them within bounds.
pub struct Caretaker {
    bounds: Bounds,
    /// Decides which dead letters are too old.
    sweep: Sweep,
    /// A round holds this lock while it works on the partitions.
    memory: Mutex<HashMap<Partition, Memory>>,
}

/// Why a round did not tend every partition.
#[derive(Debug, thiserror::Error)]
#[error("{failed} of {all} partitions failed; in {first}: {error}")]
pub struct Untended {
    failed: usize,
    all: usize,
    first: String,
    error: RedisError,
}

/// What one round leaves for the next, in each partition.
struct Memory {
    /// A partition in which dead letters cannot leave pauses alone.
    keeper: Keeper,
    scanned: Option<Scanned>,
}

impl Caretaker {
    /// A dead letter leaves because of its age when two rounds at least `pause` apart agree.
    pub fn new(bounds: Bounds, pause: Duration) -> Self {
        Self {
            bounds,
            sweep: Sweep::new("dead letters", pause),
            memory: Mutex::default(),
        }
    }

    /// One round. If there are dead letters, logs their number and how to list them. Moves the dead
    /// letters beyond the bounds into the log. Forgets the names of dead letters that a person took
    /// out of the store.
    ///
    /// A partition that fails holds up no other partition. The error names the first that failed.
    pub async fn tend(&self, store: &Store) -> Result<(), Untended> {
        let partitions: Vec<Partition> = store.partitions().all().collect();
        let counted = partitions
            .iter()
            .map(|&partition| Dead::in_partition(store, partition));
        let counted = join_all(counted).await;
        // The steps below fail in the same partitions, and tell it.
        let dead = counted
            .into_iter()
            .flatten()
            .fold(Dead::default(), Dead::and);
        if dead.count > 0 {
            let service = store.layout().service;
            tracing::error!(
                dead_letters = dead.count,
                oldest_for = dead.age(),
                "dead letters wait for a person to look at them: `{service} dead-letters` lists \
                 them"
            );
        }
        let mut failures = Vec::new();
        let memory = &mut *self.memory.lock().await;
        for &partition in &partitions {
            let memory = memory.entry(partition).or_insert_with(|| Memory {
                keeper: Keeper::new(self.bounds),
                scanned: None,
            });
            let dead_letters = DeadLetters { store, partition };
            dead_letters.keep_within(&mut memory.keeper).await;
            // A failure of a sweep does not stop the names of this partition.
            let sweep = self.sweep_old(&dead_letters, &mut memory.keeper).await;
            let names = memory.forget_names(&dead_letters).await;
            let failure = sweep.and(names).err();
            failures.extend(failure.map(|error| (partition, error)));
        }
        let failed = failures.len();
        failures
            .into_iter()
            .next()
            .map_or(Ok(()), |(first, error)| {
                Err(Untended {
                    failed,
                    all: partitions.len(),
                    first: first.key(DEAD_LETTERS),
                    error,
                })
            })
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
        match dead_letters.forget_names(self.scanned).await {
            Ok(now) => {
                self.scanned = now.or(self.scanned);
                Ok(())
            }
            // The Redis user of an older build may not scan the names.
            Err(error) if error.is(Code::NoPerm) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
