//! Pending entries that the stream no longer has, because they were trimmed or removed.

use futures_util::future::join_all;

use super::{AGAIN, Membership, Pace, as_count};
use crate::redis::{Command, Entry, Redis, RedisError};
use crate::stream::stream_state::{StreamState, read_id};

/// Redis looks at this many pending entries for each entry that a scan of [`Membership::reclaim`] may
/// take over.
const SCANNED: usize = 10;
/// The most entries that are looked for at once.
const AT_ONCE: usize = 16;

impl Membership {
    /// The missing entries among those that the next scan from `cursor` on looks at. Asks for
    /// nothing more if `state` shows that no pending entry can be missing.
    pub(crate) async fn missing(
        &self,
        redis: &Redis,
        state: &StreamState,
        pace: &Pace,
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
            .arg(as_count(SCANNED * pace.count(AGAIN)));
        let mut suspects = Vec::new();
        for found in redis.run(pending).await?.list()? {
            let [id, _consumer, _idle, _deliveries] = found.exactly("a pending entry")?;
            let id = id.text()?;
            if !state.cannot_be_trimmed(read_id(&id)?) {
                suspects.push(id);
            }
        }
        let mut missing = Vec::new();
        for ids in suspects.chunks(AT_ONCE) {
            let found = join_all(ids.iter().map(|id| self.has(redis, id))).await;
            for (id, has) in ids.iter().zip(found) {
                if !has? {
                    missing.push(entry(id.clone()));
                }
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
