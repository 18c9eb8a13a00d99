//! Where an entry stands in a consumer group.

use std::collections::BTreeMap;

use crate::contract::entry_id::EntryId;
use crate::redis::{Command, RedisError};
use crate::store::Store;

/// Entries under way that are looked at, at most. Behind them nothing is known.
const MAX_PENDING: i64 = 1_000;

/// How far a group has come in a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupStanding {
    /// The last entry that was given to a consumer; `None` while there is no group.
    last_delivered: Option<EntryId>,
    /// The entries under way, and how often each was given to a consumer.
    pending: BTreeMap<EntryId, u64>,
    /// Whether there are more of them than that.
    more_pending: bool,
}

/// Where one entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// No consumer has been given it yet.
    Waiting,
    /// A consumer has it, and has not acknowledged it.
    Pending {
        /// How often it was given to one.
        deliveries: u64,
    },
    /// It was acted on.
    Acknowledged,
    /// It cannot be told.
    Unknown,
}

impl GroupStanding {
    /// Asks the store that has the stream.
    pub async fn read(store: &Store, stream: &str, group: &str) -> Result<Self, RedisError> {
        let groups = match store
            .run(Command::new("XINFO").arg("GROUPS").key(stream))
            .await
        {
            Err(error) if error.is_refusal("ERR no such key") => return Ok(Self::default()),
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
        // Read after the group: what was given to a consumer in between is only in this list.
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

    /// Where an entry stands.
    pub fn of(&self, entry: EntryId) -> Standing {
        let Some(last_delivered) = self.last_delivered else {
            return Standing::Unknown;
        };
        if let Some(&deliveries) = self.pending.get(&entry) {
            return Standing::Pending { deliveries };
        }
        let seen_to = if self.more_pending {
            self.pending.keys().next_back()
        } else {
            None
        };
        match entry {
            entry if entry > last_delivered => Standing::Waiting,
            entry if seen_to.is_some_and(|&seen_to| entry > seen_to) => Standing::Unknown,
            _ => Standing::Acknowledged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(last: Option<u64>, pending: &[u64], more_pending: bool) -> GroupStanding {
        let pending = pending
            .iter()
            .map(|&ms| (EntryId::first_of(ms), 2))
            .collect();
        GroupStanding {
            last_delivered: last.map(EntryId::first_of),
            pending,
            more_pending,
        }
    }

    #[test]
    fn an_entry_is_acknowledged_when_it_was_delivered_and_nobody_has_it() {
        let at = EntryId::first_of;
        let some = standing(Some(9), &[3, 5], false);
        assert_eq!(some.of(at(10)), Standing::Waiting);
        assert_eq!(some.of(at(5)), Standing::Pending { deliveries: 2 });
        assert_eq!(some.of(at(4)), Standing::Acknowledged);
        assert_eq!(some.of(at(9)), Standing::Acknowledged);
        let many = standing(Some(9), &[3, 5], true);
        assert_eq!(many.of(at(4)), Standing::Acknowledged);
        assert_eq!(many.of(at(6)), Standing::Unknown);
        assert_eq!(standing(None, &[], false).of(at(1)), Standing::Unknown);
    }
}
