//! The state of an entry in a consumer group.

use std::collections::BTreeMap;

use crate::contract::entry_id::EntryId;
use crate::redis::{Code, Command, RedisError};
use crate::store::Store;

/// How far a group was given a stream, and which entries are pending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupState {
    /// The last entry that was given to a consumer; `None` while there is no group.
    last_delivered: Option<EntryId>,
    /// The oldest pending entries, and how often each was given to a consumer.
    pending: BTreeMap<EntryId, u64>,
    /// Whether the group may have more pending entries than the ones in `pending`.
    more_pending: bool,
}

/// The state of one entry in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryState {
    /// No consumer has been given the entry yet.
    Waiting,
    /// A consumer was given the entry, and has not acknowledged it.
    Pending {
        /// How often the entry was given to a consumer.
        deliveries: u64,
    },
    /// A consumer has acted on the entry or made a dead letter of it, and has acknowledged it.
    Acknowledged,
    /// There is no group, or the entry is behind the pending entries that were read.
    Unknown,
}

/// The most pending entries of a group that are read. The state of an entry behind the last of them
/// is unknown.
const MAX_PENDING: i64 = 1_000;

impl GroupState {
    /// Asks the store that has the stream.
    pub async fn read(store: &Store, stream: &str, group: &str) -> Result<Self, RedisError> {
        let groups = match store
            .run(Command::new("XINFO").arg("GROUPS").key(stream))
            .await
        {
            Err(error) if error.is(Code::NoSuchKey) => return Ok(Self::default()),
            groups => groups?.list()?,
        };
        let mut last_delivered = None;
        for info in groups {
            if info.clone().field("name")?.text()? == group {
                last_delivered = info.field("last-delivered-id")?.text()?.parse().ok();
            }
        }
        if last_delivered.is_none() {
            return Ok(Self::default());
        }
        // This list is read after the group. So an entry that a consumer is given in between is in
        // the list, and not taken for an entry that waits.
        let list = Command::new("XPENDING").key(stream).arg(group);
        let list = store
            .run(list.arg("-").arg("+").arg(MAX_PENDING))
            .await?
            .list()?;
        let more_pending = list.len() >= usize::try_from(MAX_PENDING).unwrap_or(usize::MAX);
        let mut pending = BTreeMap::new();
        for entry in list {
            let [id, _consumer, _idle, deliveries] = entry.exactly("a pending entry")?;
            if let Ok(id) = id.text()?.parse() {
                pending.insert(id, deliveries.unsigned()?);
            }
        }
        Ok(Self {
            last_delivered,
            pending,
            more_pending,
        })
    }

    /// The state of an entry.
    pub fn of(&self, entry: EntryId) -> EntryState {
        let Some(last_delivered) = self.last_delivered else {
            return EntryState::Unknown;
        };
        if let Some(&deliveries) = self.pending.get(&entry) {
            return EntryState::Pending { deliveries };
        }
        let seen_to = if self.more_pending {
            self.pending.keys().next_back()
        } else {
            None
        };
        match entry {
            entry if entry > last_delivered => EntryState::Waiting,
            entry if seen_to.is_some_and(|&seen_to| entry > seen_to) => EntryState::Unknown,
            _ => EntryState::Acknowledged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(last: Option<u64>, pending: &[u64], more_pending: bool) -> GroupState {
        let pending = pending
            .iter()
            .map(|&ms| (EntryId::first_of(ms), 2))
            .collect();
        GroupState {
            last_delivered: last.map(EntryId::first_of),
            pending,
            more_pending,
        }
    }

    #[test]
    fn an_entry_is_acknowledged_when_it_was_delivered_and_nobody_has_it() {
        let at = EntryId::first_of;
        let some = state(Some(9), &[3, 5], false);
        assert_eq!(some.of(at(10)), EntryState::Waiting);
        assert_eq!(some.of(at(5)), EntryState::Pending { deliveries: 2 });
        assert_eq!(some.of(at(4)), EntryState::Acknowledged);
        assert_eq!(some.of(at(9)), EntryState::Acknowledged);
        let many = state(Some(9), &[3, 5], true);
        assert_eq!(many.of(at(4)), EntryState::Acknowledged);
        assert_eq!(many.of(at(6)), EntryState::Unknown);
        assert_eq!(state(None, &[], false).of(at(1)), EntryState::Unknown);
    }
}
