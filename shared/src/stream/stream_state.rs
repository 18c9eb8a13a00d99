//! The state of a stream and of one of its consumer groups.

use crate::contract::entry_id::{EntryId, InvalidEntryId};
use crate::redis::{Code, Command, Redis, RedisError, Reply};

/// The state of a stream and of one of its groups, at one instant.
#[derive(Debug, Default)]
pub(crate) struct StreamState {
    /// The number of entries in the stream.
    pub(crate) length: u64,
    /// The number of entries that were ever added.
    pub(crate) added: u64,
    /// The first entry that the stream still has.
    pub(crate) first: Option<EntryId>,
    /// The last entry that was added.
    pub(crate) last: EntryId,
    /// The last entry that the group was given; 0-0 without a group.
    pub(crate) delivered: EntryId,
    /// The number of entries that were added up to `delivered`; `None` when Redis cannot tell.
    pub(crate) read: Option<u64>,
    /// The number of pending entries.
    pub(crate) pending: u64,
    /// The oldest pending entry.
    pub(crate) oldest_pending: Option<EntryId>,
    /// The last entry that was removed from the middle of the stream.
    pub(crate) removed: EntryId,
}

impl StreamState {
    /// Asks the store that has the stream. A stream that does not exist is an empty one.
    pub(crate) async fn read(redis: &Redis, stream: &str, group: &str) -> Result<Self, RedisError> {
        let info = Command::new("XINFO")
            .arg("STREAM")
            .key(stream)
            .args(["FULL", "COUNT", "1"]);
        let info = match redis.run(info).await {
            Err(error) if error.is(Code::NoSuchKey) => return Ok(Self::default()),
            info => info?,
        };
        let first = info.clone().field("entries")?.entries()?.into_iter().next();
        let mut state = Self {
            length: info.clone().field("length")?.unsigned()?,
            added: info.clone().field("entries-added")?.unsigned()?,
            first: first.map(|entry| read_id(&entry.id)).transpose()?,
            last: id_field(&info, "last-generated-id")?,
            removed: id_field(&info, "max-deleted-entry-id")?,
            ..Self::default()
        };
        for found in info.field("groups")?.list()? {
            if found.clone().field("name")?.text()? == group {
                state.delivered = id_field(&found, "last-delivered-id")?;
                state.read = found.clone().field("entries-read")?.unsigned().ok();
                state.pending = found.clone().field("pel-count")?.unsigned()?;
                let oldest = found.field("pending")?.list()?.into_iter().next();
                state.oldest_pending = oldest.map(read_pending).transpose()?;
            }
        }
        Ok(state)
    }

    /// True when the stream never had an entry, or has lost all of them with its store.
    ///
    /// The checkpoint cannot tell these two apart, because it may be lost as well. If the files of
    /// the stream's store are put back, the stream is no longer empty, and a replay may be due.
    pub(crate) fn is_empty(&self) -> bool {
        self.added == 0
    }

    /// Whether an entry that was pending before is no longer pending.
    pub(crate) fn is_settled(&self, entry: EntryId) -> bool {
        self.oldest_pending.is_none_or(|oldest| entry < oldest)
    }

    /// The number of entries that were added up to `delivered`, or a larger number.
    pub(crate) fn count(&self) -> u64 {
        self.read.unwrap_or(self.added)
    }

    /// Whether an entry with this id, if it ever existed, can have been neither trimmed nor
    /// removed.
    pub(crate) fn cannot_be_trimmed(&self, entry: EntryId) -> bool {
        let is_within = entry <= self.last && self.first.is_some_and(|first| first <= entry);
        is_within && entry > self.removed
    }
}

/// An id that the server wrote.
pub(crate) fn read_id(text: &str) -> Result<EntryId, RedisError> {
    text.parse()
        .map_err(|error: InvalidEntryId| RedisError::malformed(text, error))
}

fn read_pending(entry: Reply) -> Result<EntryId, RedisError> {
    let [id, _consumer, _time, _deliveries] = entry.exactly("a pending entry")?;
    read_id(&id.text()?)
}

fn id_field(info: &Reply, name: &'static str) -> Result<EntryId, RedisError> {
    read_id(&info.clone().field(name)?.text()?)
}
