//! What changes in the own store, for whoever watches: live streams and long polls.
//!
//! Functions append every change to the stream `changes` of its partition. Each process reads it
//! once, however many clients it has, and hands a change to those who wait for it. Nothing depends
//! on it: a client that missed something is told so (`reset`) and reads again.

mod position;
mod watches;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::broadcast;

use crate::backoff::Backoff;
use crate::entry_id::EntryId;
pub use crate::feed::position::Mark;
use crate::feed::position::{History, parse_change};
use crate::feed::watches::Watches;
pub use crate::feed::watches::{TooManyWatches, Watch};
use crate::health::Progress;
use crate::id::Partition;
use crate::own_store::{OwnStore, all};
use crate::redis::{Command, Redis, RedisError};
use crate::shutdown::{Shutdown, sleep_unless};

/// The stream of changes, before any partition tag.
pub const CHANGES: &str = "changes";
/// Longest wait of one read for the next change. A stop waits for the read.
pub const FEED_BLOCK: Duration = Duration::from_secs(1);
/// Changes that one read takes at most.
const BATCH: usize = 100;
/// Pause after a read that took fewer: under load it fills the next one, and the store is asked less
/// often than things change.
const PACE: Duration = Duration::from_millis(10);
/// Changes that a client may be behind before it is told to start over.
const BACKLOG: usize = 1_024;
/// Changes that are repeated for a client which was cut off; with more it starts over.
pub const MAX_REPLAY: usize = 1_000;
/// Wait after a failure of the store.
const OUTAGE: Backoff = Backoff { first: Duration::from_millis(50), max: Duration::from_secs(1) };

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where its entry is, and in which partition.
    pub mark: Mark,
    /// What happened, such as `order.paid`.
    pub kind: String,
    /// The id of what changed.
    pub id: String,
}

/// A change, and the resource it was about: what a live stream sends.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The change.
    pub change: Change,
    /// The resource as JSON.
    pub data: String,
    /// Both as they are sent, once somebody has written them.
    pub frame: OnceLock<Bytes>,
}

/// What a live stream receives.
#[derive(Clone, Debug)]
pub enum Signal {
    /// Something changed.
    Notice(Arc<Notice>),
    /// Changes may have been missed.
    Reset,
}

/// Shows what changed.
pub trait Show: Clone + Send + Sync + 'static {
    /// The resource of a change as JSON; `None` where there is nothing to show.
    fn show(
        &self,
        change: &Change,
    ) -> impl Future<Output = Result<Option<String>, RedisError>> + Send;
}

/// The changes of one store, handed to those who wait for them. Cheap to clone.
#[derive(Clone)]
pub struct Feed<S>(Arc<Inner<S>>);

struct Inner<S> {
    store: OwnStore,
    show: S,
    signals: broadcast::Sender<Signal>,
    watches: Watches,
    /// The last change that was handed on, in each partition.
    positions: Mutex<BTreeMap<Partition, EntryId>>,
}

impl<S: Show> Feed<S> {
    /// The changes of `store`, as `show` shows them.
    pub fn new(store: OwnStore, show: S) -> Self {
        let signals = broadcast::Sender::new(BACKLOG);
        let (watches, positions) = (Watches::default(), Mutex::default());
        Self(Arc::new(Inner { store, show, signals, watches, positions }))
    }

    /// Hands on the changes of one partition until the process is to stop. `reader` is its own: the
    /// reads block.
    pub async fn run(
        self,
        partition: Partition,
        reader: Redis,
        progress: Progress,
        shutdown: Shutdown,
    ) {
        let mut failures = 0_u32;
        let mut certain = false;
        while !shutdown.is_cancelled() {
            let step = async {
                if !certain {
                    self.resume(partition).await?;
                }
                self.read(partition, &reader).await
            };
            match step.await {
                Ok(taken) => {
                    (failures, certain) = (0, true);
                    progress.mark();
                    if (1..BATCH).contains(&taken) {
                        sleep_unless(&shutdown, PACE).await;
                    }
                }
                Err(error) => {
                    (failures, certain) = (failures + 1, false);
                    if failures.is_power_of_two() {
                        tracing::warn!(%error, failures, "cannot read changes; trying again");
                    }
                    sleep_unless(&shutdown, OUTAGE.wait(failures)).await;
                }
            }
        }
    }

    /// Wakes up whenever the thing called `id` changes.
    pub fn watch(&self, id: String) -> Result<Watch, TooManyWatches> {
        self.0.watches.add(id)
    }

    /// Everything that changes from now on, and where now is.
    pub fn subscribe(&self) -> (broadcast::Receiver<Signal>, Option<Mark>) {
        let receiver = self.0.signals.subscribe();
        let positions = self.positions();
        let newest = positions.iter().max_by_key(|(_, entry)| **entry);
        (receiver, newest.map(|(&partition, &entry)| Mark { partition, entry }))
    }

    /// What changed since `mark`; `None` where that cannot be told any more, or is too much.
    pub async fn since(&self, mark: Mark) -> Result<Option<Vec<Notice>>, RedisError> {
        let mut changes = Vec::new();
        for partition in self.0.store.partitions().all() {
            let after = mark.within(partition, self.0.store.partitions());
            if !History::read(&self.0.store, partition).await?.is_complete_since(after) {
                return Ok(None);
            }
            let range = Command::new("XRANGE").key(partition.key(CHANGES));
            let range = range.arg(format!("({after}")).arg("+").arg("COUNT");
            let limit = i64::try_from(MAX_REPLAY + 1).unwrap_or(i64::MAX);
            let entries = self.0.store.run(range.arg(limit)).await?.entries()?;
            changes.extend(entries.iter().filter_map(|entry| parse_change(partition, entry)));
            if changes.len() > MAX_REPLAY {
                return Ok(None);
            }
        }
        self.notices(changes).await.map(Some)
    }

    /// Finds out where to go on. Where changes may have been missed, everybody is told.
    async fn resume(&self, partition: Partition) -> Result<(), RedisError> {
        let history = History::read(&self.0.store, partition).await?;
        let known = self.positions().get(&partition).copied();
        if known.is_none_or(|known| !history.is_complete_since(known)) {
            self.positions().insert(partition, history.last);
            self.0.watches.wake_all();
            // Nobody listens, perhaps.
            let _ = self.0.signals.send(Signal::Reset);
        }
        Ok(())
    }

    /// Reads the next changes and hands them on. Answers how many there were.
    async fn read(&self, partition: Partition, reader: &Redis) -> Result<usize, RedisError> {
        let after = self.positions().get(&partition).copied().unwrap_or_default();
        let block_ms = i64::try_from(FEED_BLOCK.as_millis()).unwrap_or(i64::MAX);
        let count = i64::try_from(BATCH).unwrap_or(i64::MAX);
        let read = Command::new("XREAD").arg("COUNT").arg(count).arg("BLOCK").arg(block_ms);
        let read = read.arg("STREAMS").key(partition.key(CHANGES)).arg(after.to_string());
        let entries = reader.run(read).await?.read_entries()?;
        let Some(last) = entries.last() else {
            return Ok(0);
        };
        let last = last.id.parse().unwrap_or(after);
        let changes: Vec<Change> =
            entries.iter().filter_map(|entry| parse_change(partition, entry)).collect();
        for change in &changes {
            self.0.watches.wake(&change.id);
        }
        if self.0.signals.receiver_count() > 0 {
            for notice in self.notices(changes).await? {
                let _ = self.0.signals.send(Signal::Notice(Arc::new(notice)));
            }
        }
        self.positions().insert(partition, last);
        Ok(entries.len())
    }

    async fn notices(&self, changes: Vec<Change>) -> Result<Vec<Notice>, RedisError> {
        let shown = all(changes.iter().map(|change| self.0.show.show(change))).await;
        let mut notices = Vec::with_capacity(changes.len());
        for (change, data) in changes.into_iter().zip(shown) {
            let notice = |data| Notice { change, data, frame: OnceLock::new() };
            notices.extend(data?.map(notice));
        }
        Ok(notices)
    }

    fn positions(&self) -> MutexGuard<'_, BTreeMap<Partition, EntryId>> {
        self.0.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
