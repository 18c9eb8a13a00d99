//! Where in the streams of changes somebody is, and whether the rest is still there.

use std::fmt;
use std::str::FromStr;

use crate::entry_id::{EntryId, InvalidEntryId};
use crate::feed::{CHANGES, Change};
use crate::id::Partition;
use crate::own_store::OwnStore;
use crate::redis::{Command, Entry, RedisError, Reply};

/// A place in the changes: the id of an event on a live stream. It reads `1763632806410-0`, or
/// `1763632806410-0.3` for an entry of the third partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The partition of the entry.
    pub partition: Partition,
    /// The entry.
    pub entry: EntryId,
}

/// How far the stream of changes goes back and on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct History {
    /// The newest entry there ever was.
    pub(super) last: EntryId,
    /// The oldest entry still there; `None` when there is none.
    first: Option<EntryId>,
    /// Whether every entry there ever was is still there.
    whole: bool,
}

/// The clocks of partitions may differ. A client of several is given the last moment once more, so
/// that it misses nothing.
const OVERLAP_MS: u64 = 5_000;

impl Mark {
    /// The entry of `partition` after which a client that stands here goes on.
    pub(super) fn within(self, partition: Partition) -> EntryId {
        if partition == self.partition {
            self.entry
        } else {
            EntryId::first_of(self.entry.ms.saturating_sub(OVERLAP_MS))
        }
    }
}

impl History {
    pub(super) async fn read(store: &OwnStore, partition: Partition) -> Result<Self, RedisError> {
        let info = Command::new("XINFO").arg("STREAM").key(partition.key(CHANGES));
        let info = match store.run(info).await {
            Err(error) if error.is_refusal("ERR no such key") => return Ok(Self::empty()),
            info => info?,
        };
        let field = |name| info.clone().field(name);
        let id = |reply: Reply| -> Result<EntryId, RedisError> {
            let text = reply.text()?;
            text.parse().map_err(|error: InvalidEntryId| RedisError::Refused(error.to_string()))
        };
        let first = field("first-entry")?;
        let first = if first.is_null() {
            None
        } else {
            let [first, _] = first.exactly("an entry")?;
            Some(id(first)?)
        };
        Ok(Self {
            last: id(field("last-generated-id")?)?,
            first,
            whole: field("entries-added")?.unsigned()? == field("length")?.unsigned()?,
        })
    }

    fn empty() -> Self {
        Self { whole: true, ..Self::default() }
    }

    /// Whether every entry after `after` is still there. Of a place beyond the end, that cannot be
    /// told.
    pub(super) fn is_complete_since(&self, after: EntryId) -> bool {
        after <= self.last && (self.whole || self.first.is_some_and(|first| first <= after))
    }
}

/// Reads an entry; `None` for one that tells nothing.
pub(super) fn parse_change(partition: Partition, entry: &Entry) -> Option<Change> {
    let fields = entry.fields.as_ref()?;
    let text = |name: &str| {
        let (_, value) = fields.iter().find(|(field, _)| field == name)?;
        std::str::from_utf8(value).ok().map(str::to_owned)
    };
    let mark = Mark { partition, entry: entry.id.parse().ok()? };
    Some(Change { mark, kind: text("kind")?, id: text("id")? })
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.partition.index() {
            None => self.entry.fmt(f),
            Some(index) => write!(f, "{}.{index}", self.entry),
        }
    }
}

impl FromStr for Mark {
    type Err = InvalidEntryId;

    fn from_str(text: &str) -> Result<Self, InvalidEntryId> {
        let (entry, index) = match text.split_once('.') {
            None => (text, None),
            Some((entry, index)) => (entry, Some(index.parse().map_err(|_| InvalidEntryId)?)),
        };
        Ok(Self { partition: Partition::at(index), entry: entry.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(first: Option<u64>, last: u64, whole: bool) -> History {
        History { first: first.map(EntryId::first_of), last: EntryId::first_of(last), whole }
    }

    #[test]
    fn what_was_trimmed_or_never_was_cannot_be_told() {
        let at = EntryId::first_of;
        assert!(history(Some(3), 9, true).is_complete_since(at(1)));
        assert!(history(Some(3), 9, false).is_complete_since(at(3)));
        assert!(!history(Some(3), 9, false).is_complete_since(at(2)));
        assert!(!history(None, 9, false).is_complete_since(at(9)));
        assert!(!history(Some(3), 9, true).is_complete_since(at(10)), "another life");
        assert!(History::empty().is_complete_since(EntryId::default()));
    }

    #[test]
    fn a_mark_reads_back_what_it_shows() {
        for text in ["1763632806410-0", "5-7.3"] {
            assert_eq!(text.parse::<Mark>().unwrap().to_string(), text);
        }
        for text in ["", "5", "5-7.", "5-7.x", "5-7.3.1", ".3"] {
            assert!(text.parse::<Mark>().is_err(), "{text}");
        }
    }
}
