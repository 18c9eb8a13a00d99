//! How often entries were handed over again after a crash.

use super::Settler;
use crate::redis::{Command, Entry, RedisError};
use crate::stream::checkpoint::{StreamState, read_id};
use crate::stream::delivery::Handler;

/// Entry id -> how often it was handed over after a crash.
const ATTEMPTS: &str = "attempts";

impl<H: Handler> Settler<H> {
    pub(super) async fn recovery_counts(&self, entries: &[Entry]) -> Result<Vec<u32>, RedisError> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let ids = entries.iter().map(|entry| entry.id.as_str());
        let counts = Command::new("HMGET")
            .key(self.partition.key(ATTEMPTS))
            .args(ids);
        let counts = self.own_store.run(counts).await?.list()?;
        Ok(counts
            .iter()
            .map(|count| {
                count
                    .int()
                    .ok()
                    .and_then(|n| n.try_into().ok())
                    .unwrap_or(0)
            })
            .collect())
    }

    /// Without room for the count, an entry that kills the process may do so more often; the orders
    /// behind it matter more.
    pub(super) async fn set_recovery_count(
        &self,
        ids: &[String],
        attempts: u32,
    ) -> Result<(), RedisError> {
        let mut count = Command::new("HSET").key(self.partition.key(ATTEMPTS));
        for id in ids {
            count = count.arg(id.as_str()).arg(i64::from(attempts));
        }
        match self.own_store.run(count).await {
            Err(error) if !error.is_full() => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) async fn forget_counts(&self, ids: Vec<String>) -> Result<(), RedisError> {
        let forget = Command::new("HDEL")
            .key(self.partition.key(ATTEMPTS))
            .args(ids);
        self.own_store.run(forget).await.map(drop)
    }

    /// Forgets the counts of entries that nobody held when the stream was looked at. A consumer that
    /// freezes before it counts, and wakes up when another one has acknowledged the entry, leaves
    /// such a count behind; nobody would ever hear of that entry again.
    pub(crate) async fn forget_stale_counts(&self, seen: &StreamState) -> Result<(), RedisError> {
        let counts = Command::new("HGETALL").key(self.partition.key(ATTEMPTS));
        let counts = self.own_store.run(counts).await?.map()?.into_iter();
        let is_stale = |id: &String| read_id(id).map_or(true, |id| seen.is_settled(id));
        let stale: Vec<String> = counts.map(|(id, _)| id).filter(is_stale).collect();
        if stale.is_empty() {
            Ok(())
        } else {
            self.forget_counts(stale).await
        }
    }
}
