//! Pending entries that the stream no longer has, because they were trimmed or removed.

use super::{AGAIN, Membership, as_count};
use crate::redis::{Command, Entry, Redis, RedisError};
use crate::stream::stream_state::{StreamState, read_id};

/// The most pending entries that one scan of [`Membership::reclaim`] looks at: Redis looks at ten
/// times as many as it may take over.
const SCANNED: usize = 10 * AGAIN;

impl Membership {
    /// The missing entries among those that the next scan from `cursor` on looks at. Asks
    /// for nothing more if `state` shows that no pending entry can be missing.
    pub(crate) async fn missing(
        &self,
        redis: &Redis,
        state: &StreamState,
        cursor: &str,
    ) -> Result<Vec<Entry>, RedisError> {
        let is_whole = |oldest| state.cannot_be_trimmed(oldest);
        if state.oldest_pending.is_none_or(is_whole) {
            return Ok(Vec::new());
        }
        let pending = Command::new("XPENDING")
            .key(self.stream.as_str())
            .arg(self.group)
            .arg(cursor)
            .arg("+")
            .arg(as_count(SCANNED));
        let mut missing = Vec::new();
        for found in redis.run(pending).await?.list()? {
            let [id, _consumer, _idle, _deliveries] = found.exactly("a pending entry")?;
            let id = id.text()?;
            if !state.cannot_be_trimmed(read_id(&id)?) && !self.has(redis, &id).await? {
                missing.push(entry(id));
            }
        }
        Ok(missing)
    }

    async fn has(&self, redis: &Redis, id: &str) -> Result<bool, RedisError> {
        let find = Command::new("XRANGE").key(self.stream.as_str());
        let found = redis.run_confirmed(find.arg(id).arg(id)).await?;
        Ok(!found.list()?.is_empty())
    }
}

/// An entry of which only the id is left.
pub(super) fn entry(id: String) -> Entry {
    Entry {
        id,
        ..Entry::default()
    }
}
