//! Counts how often entries were handed over again after a crash.
//!
//! An entry is pending at one consumer, so its count has one writer. A replay is different: all
//! consumers of a partition replay the same entries at the same time. So each consumer counts its
//! replays under its own name, which it keeps over a restart.

use crate::redis::{Code, Command, Entry, RedisError};
use crate::store::Store;
use crate::store::partition::Partition;
use crate::stream::delivery::Delivery;
use crate::stream::stream_state::{StreamState, read_id};

/// The counts of the entries of one stream. They are in the consumer's own store, because an entry
/// may kill the process that counts.
pub(crate) struct Attempts {
    store: Store,
    key: String,
    /// What stands behind the id of the entry: nothing, or a space and the name of the consumer.
    suffix: String,
}

/// Hash from entry id, or from entry id and the name of a consumer, to the number of times that the
/// entry was handed over after a crash.
const ATTEMPTS: &str = "attempts";

impl Attempts {
    /// The counts of pending entries that `store` keeps in `partition`.
    pub(crate) fn of_pending(store: Store, partition: Partition) -> Self {
        Self {
            store,
            key: partition.key(ATTEMPTS),
            suffix: String::new(),
        }
    }

    /// The counts of the entries that this consumer replays.
    pub(crate) fn of_replays(store: Store, partition: Partition, consumer: &str) -> Self {
        Self {
            suffix: format!(" {consumer}"),
            ..Self::of_pending(store, partition)
        }
    }

    /// These entries with their counts.
    pub(crate) async fn read_all(&self, entries: Vec<Entry>) -> Result<Vec<Delivery>, RedisError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let fields = entries.iter().map(|entry| self.field(&entry.id));
        let counts = Command::new("HMGET").key(self.key.as_str()).args(fields);
        let counts = self.store.run(counts).await?.list()?;
        let number = |n: i64| n.try_into().ok();
        let counts = counts
            .iter()
            .map(|count| count.int().ok().and_then(number).unwrap_or(0));
        let counted = entries.into_iter().zip(counts);
        Ok(counted
            .map(|(entry, attempts)| Delivery { entry, attempts })
            .collect())
    }

    /// Sets the count of each of these entries.
    ///
    /// A store without memory for a count refuses it, and that is not an error. An entry that kills
    /// the process may then kill it more often, but the orders behind that entry matter more.
    pub(crate) async fn set(&self, ids: &[String], attempts: u32) -> Result<(), RedisError> {
        let mut set = Command::new("HSET").key(self.key.as_str());
        for id in ids {
            set = set.arg(self.field(id)).arg(i64::from(attempts));
        }
        match self.store.run(set).await {
            Err(error) if !error.is(Code::Oom) => Err(error),
            _ => Ok(()),
        }
    }

    /// Forgets the counts of these entries.
    pub(crate) async fn forget(&self, ids: &[String]) -> Result<(), RedisError> {
        self.remove(ids.iter().map(|id| self.field(id)).collect())
            .await
    }

    /// Forgets the counts of entries that were not pending when the stream was looked at, after a
    /// look that found no replay due.
    ///
    /// A consumer may freeze before it counts, and wake up after another consumer has acknowledged
    /// the entry. It then leaves a count of an entry that is never delivered again.
    pub(crate) async fn forget_stale(&self, stream: &StreamState) -> Result<(), RedisError> {
        let counts = Command::new("HGETALL").key(self.key.as_str());
        let counts = self.store.run(counts).await?.map()?.into_iter();
        let is_stale = |field: &String| {
            let id = field.split(' ').next().unwrap_or_default();
            read_id(id).map_or(true, |id| stream.is_settled(id))
        };
        let stale: Vec<String> = counts.map(|(field, _)| field).filter(is_stale).collect();
        self.remove(stale).await
    }

    async fn remove(&self, fields: Vec<String>) -> Result<(), RedisError> {
        if fields.is_empty() {
            return Ok(());
        }
        let remove = Command::new("HDEL").key(self.key.as_str()).args(fields);
        self.store.run(remove).await.map(drop)
    }

    fn field(&self, id: &str) -> String {
        format!("{id}{}", self.suffix)
    }
}
