//! Counts how often entries were handed over again after a crash.

use crate::redis::{Code, Command, Entry, RedisError};
use crate::store::Store;
use crate::store::partition::Partition;
use crate::stream::stream_state::{StreamState, read_id};

/// The counts of the entries of one stream. They are in the consumer's own store, because an entry
/// may kill the process that counts.
pub(crate) struct Attempts {
    store: Store,
    key: String,
}

/// Hash from entry id to the number of times that the entry was handed over after a crash.
const ATTEMPTS: &str = "attempts";

impl Attempts {
    /// The counts that `store` keeps in `partition`.
    pub(crate) fn new(store: Store, partition: Partition) -> Self {
        let key = partition.key(ATTEMPTS);
        Self { store, key }
    }

    /// The counts of these entries, in the same order.
    pub(crate) async fn read(&self, entries: &[Entry]) -> Result<Vec<u32>, RedisError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let ids = entries.iter().map(|entry| entry.id.as_str());
        let counts = Command::new("HMGET").key(self.key.as_str()).args(ids);
        let counts = self.store.run(counts).await?.list()?;
        let number = |n: i64| n.try_into().ok();
        Ok(counts
            .iter()
            .map(|count| count.int().ok().and_then(number).unwrap_or(0))
            .collect())
    }

    /// Sets the count of each of these entries.
    ///
    /// A store without memory for a count refuses it, and that is not an error. An entry that kills
    /// the process may then kill it more often, but the orders behind that entry matter more.
    pub(crate) async fn set(&self, ids: &[String], attempts: u32) -> Result<(), RedisError> {
        let mut set = Command::new("HSET").key(self.key.as_str());
        for id in ids {
            set = set.arg(id.as_str()).arg(i64::from(attempts));
        }
        match self.store.run(set).await {
            Err(error) if !error.is(Code::Oom) => Err(error),
            _ => Ok(()),
        }
    }

    /// Forgets the counts of these entries.
    pub(crate) async fn forget(&self, ids: Vec<String>) -> Result<(), RedisError> {
        if ids.is_empty() {
            return Ok(());
        }
        let forget = Command::new("HDEL").key(self.key.as_str()).args(ids);
        self.store.run(forget).await.map(drop)
    }

    /// Forgets the counts of entries that were not pending when the stream was looked at.
    ///
    /// A consumer may freeze before it counts, and wake up after another consumer has acknowledged
    /// the entry. It then leaves a count of an entry that is never delivered again.
    pub(crate) async fn forget_stale(&self, stream: &StreamState) -> Result<(), RedisError> {
        let counts = Command::new("HGETALL").key(self.key.as_str());
        let counts = self.store.run(counts).await?.map()?.into_iter();
        let is_stale = |id: &String| read_id(id).map_or(true, |id| stream.is_settled(id));
        let stale: Vec<String> = counts.map(|(id, _)| id).filter(is_stale).collect();
        self.forget(stale).await
    }
}
