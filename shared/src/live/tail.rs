//! Waits until something changes, for one that would have to ask again and again otherwise.

use std::time::{Duration, Instant};

use crate::contract::entry_id::EntryId;
use crate::live::position::{CHANGES, History};
use crate::redis::{Command, Redis, RedisError, RedisUrl};
use crate::store::Store;
use crate::store::partition::Partition;

/// Longest wait of one read for the next change. A stop waits for the read.
pub const FEED_BLOCK: Duration = Duration::from_secs(1);

/// The end of the stream of changes of one partition.
pub struct Tail {
    store: Store,
    reader: Redis,
    partition: Partition,
    end: Option<EntryId>,
}

impl Tail {
    /// That of `partition` in the store at `url`, which is read by a client of its own, because the
    /// reads block.
    pub fn new(store: Store, url: &RedisUrl, partition: Partition) -> Self {
        Self {
            store,
            reader: Redis::reader(url, FEED_BLOCK),
            partition,
            end: None,
        }
    }

    /// Whether the end is known. Then nothing that happens after it was found is missed.
    pub fn is_found(&self) -> bool {
        self.end.is_some()
    }

    /// Finds the end. The caller has to look for earlier changes itself after this.
    pub async fn find(&mut self) -> Result<(), RedisError> {
        self.end = Some(History::read(&self.store, self.partition).await?.last);
        Ok(())
    }

    /// Waits until something has changed since the end was found, for [`FEED_BLOCK`] at most. If
    /// so, or if that cannot be told, the end has to be found anew.
    pub async fn wait(&mut self) -> Result<(), RedisError> {
        let end = self.end.take().unwrap_or_default();
        let block_ms = i64::try_from(FEED_BLOCK.as_millis()).unwrap_or(i64::MAX);
        let read = Command::new("XREAD")
            .arg("COUNT")
            .arg(1)
            .arg("BLOCK")
            .arg(block_ms);
        let read = read
            .arg("STREAMS")
            .key(self.partition.key(CHANGES))
            .arg(end.to_string());
        let began = Instant::now();
        if self.reader.run(read).await?.read_entries()?.is_empty() {
            confirm_wait(began)?;
            self.end = Some(end);
        }
        Ok(())
    }
}

/// Makes sure that a read which found nothing has waited for it, by about half of the time at least:
/// the store measures on its own clock. A read that ends at once may do so for ever.
pub(super) fn confirm_wait(began: Instant) -> Result<(), RedisError> {
    if began.elapsed() >= FEED_BLOCK / 2 {
        return Ok(());
    }
    Err(RedisError::unknown(
        "the store ends a wait for changes at once",
    ))
}
