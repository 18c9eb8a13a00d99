//! Waits until something changes, for a task that would otherwise have to poll the store.

use std::time::{Duration, Instant};

use crate::contract::entry_id::EntryId;
use crate::live::position::{CHANGES, History};
use crate::redis::{Command, Redis, RedisError, RedisUrl};
use crate::store::Store;
use crate::store::partition::Partition;

/// Longest wait of one read for the next change. A process that stops waits for the read to end.
pub const FEED_BLOCK: Duration = Duration::from_secs(1);

/// Waits at the end of the stream of changes of one partition.
pub struct Tail {
    store: Store,
    reader: Redis,
    partition: Partition,
    end: Option<EntryId>,
}

impl Tail {
    /// Waits for changes in `partition` of the store at `url`. The reads block, so they get a
    /// client of their own.
    pub fn new(store: Store, url: &RedisUrl, partition: Partition) -> Self {
        Self {
            store,
            reader: Redis::reader(url, FEED_BLOCK),
            partition,
            end: None,
        }
    }

    /// Whether the end is known. [`Tail::wait`] misses no change after a known end.
    pub fn is_found(&self) -> bool {
        self.end.is_some()
    }

    /// Finds the end. After that, the caller has to look for earlier changes itself.
    pub async fn find(&mut self) -> Result<(), RedisError> {
        self.end = Some(History::read(&self.store, self.partition).await?.last);
        Ok(())
    }

    /// Waits until something has changed since the end was found, at most [`FEED_BLOCK`]. After a
    /// change or an error, the end has to be found again.
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

/// Makes sure that a read without a result has waited for at least half of [`FEED_BLOCK`]. It need
/// not be all of it, because the store measures on its own clock. A store that ends each read at
/// once would be asked again without a pause, so that is an error.
pub(super) fn confirm_wait(began: Instant) -> Result<(), RedisError> {
    if began.elapsed() >= FEED_BLOCK / 2 {
        return Ok(());
    }
    Err(RedisError::unknown(
        "the store ends a wait for changes at once",
    ))
}
