//! Positions in the streams of changes, and whether the changes after a position are still there.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::contract::entry_id::{EntryId, InvalidEntryId};
use crate::redis::{Code, Command, Entry, RedisError, Reply};
use crate::store::Store;
use crate::store::partition::Partition;

/// A position in the changes of all partitions: the id of an event on a live stream. Its text is
/// `1763632806410-0`. In a cluster, `1763632806410-0.3` is an entry of partition 3. The text
/// `1763632806410-0/2` is the second change of an entry with more changes. In
/// `1763632806410-0.3~12`, another partition had not been read for 12 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The partition of the stream.
    pub partition: Partition,
    /// The position in that stream.
    pub position: FeedPosition,
    /// How far the reading of the other partitions was behind.
    pub lag: Lag,
}

/// For how many seconds a partition had not been read; 0 for up to 2 s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lag(u32);

/// The position after one change of a stream. Positions compare in the order of the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FeedPosition {
    entry: EntryId,
    /// The number of the change within the entry, from 1; [`LAST`] for the last change.
    change: u16,
}

const LAST: u16 = u16::MAX;

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The position of the change.
    pub mark: Mark,
    /// What happened, such as `order.paid`.
    pub kind: String,
    /// The id of the thing that changed.
    pub id: String,
}

/// The first and last entry of the stream of changes of one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct History {
    /// The newest entry that the stream ever had.
    pub(super) last: EntryId,
    /// The oldest entry that the stream still has; `None` if the stream is empty.
    first: Option<EntryId>,
    /// Whether the stream still has every entry that it ever had.
    whole: bool,
}

/// A client that reconnects knows its position in one partition. From the others it receives the
/// last 5 s before that position again, and the [`Lag`] of the mark on top. These 5 s are for
/// [`USUAL_LAG`], and for clocks of partitions that differ by up to 3 s.
const OVERLAP_MS: u64 = 5_000;
/// A lag up to this one is usual: a partition without changes is read once a second.
pub(super) const USUAL_LAG: Duration = Duration::from_secs(2);

/// The name of the stream of changes. In a cluster, a partition tag is appended.
pub const CHANGES: &str = "changes";

impl Mark {
    /// The position in `partition` from which a client that has seen this mark goes on.
    pub(super) fn within(self, partition: Partition) -> FeedPosition {
        if partition == self.partition {
            self.position
        } else {
            let earlier_ms = OVERLAP_MS + u64::from(self.lag.0) * 1_000;
            let ms = self.position.entry.ms.saturating_sub(earlier_ms);
            FeedPosition::behind(EntryId::first_of(ms))
        }
    }
}

impl Lag {
    /// The lag of a partition that has not been read for this time.
    pub(super) fn of(time: Duration) -> Self {
        if time <= USUAL_LAG {
            return Self::default();
        }
        Self(u32::try_from(time.as_secs()).map_or(u32::MAX, |seconds| seconds.saturating_add(1)))
    }
}

impl FeedPosition {
    /// The position after all changes of an entry.
    pub(super) fn behind(entry: EntryId) -> Self {
        Self {
            entry,
            change: LAST,
        }
    }

    pub(super) fn entry(self) -> EntryId {
        self.entry
    }

    /// Where `XRANGE` has to begin to read the changes after this position. It may also read
    /// earlier changes of the same entry.
    pub(super) fn range_start(self) -> String {
        let behind = if self.change == LAST { "(" } else { "" };
        format!("{behind}{}", self.entry)
    }
}

impl History {
    pub(super) async fn read(store: &Store, partition: Partition) -> Result<Self, RedisError> {
        let info = Command::new("XINFO")
            .arg("STREAM")
            .key(partition.key(CHANGES));
        let info = match store.run(info).await {
            Err(error) if error.is(Code::NoSuchKey) => return Ok(Self::empty()),
            info => info?,
        };
        let field = |name| info.clone().field(name);
        let id = |reply: Reply| -> Result<EntryId, RedisError> {
            let text = reply.text()?;
            text.parse()
                .map_err(|error: InvalidEntryId| RedisError::malformed(text, error))
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
        Self {
            whole: true,
            ..Self::default()
        }
    }

    /// The position after the newest change.
    pub(super) fn end(&self) -> FeedPosition {
        FeedPosition::behind(self.last)
    }

    /// Whether the stream still has every change after `after`. The answer is no for a position
    /// beyond the end, because it belongs to data that the store has lost.
    pub(super) fn is_complete_since(&self, after: FeedPosition) -> bool {
        let begins_before = |first| first <= after.entry;
        after <= self.end() && (self.whole || self.first.is_some_and(begins_before))
    }
}

/// The position after all changes of an entry.
pub(super) fn behind(entry: &Entry) -> Option<FeedPosition> {
    entry.id.parse().ok().map(FeedPosition::behind)
}

/// The changes of an entry. A malformed entry has no changes.
pub(super) fn parse_changes(partition: Partition, entry: &Entry) -> Vec<Change> {
    let text = |name: &str| {
        let (_, value) = entry
            .fields
            .as_ref()?
            .iter()
            .find(|(field, _)| field == name)?;
        std::str::from_utf8(value).ok()
    };
    let (Ok(at), Some(kind), Some(ids)) = (entry.id.parse(), text("kind"), text("ids")) else {
        return Vec::new();
    };
    let mut changes: Vec<Change> = (1..LAST)
        .zip(ids.split(' '))
        .map(|(change, id)| {
            let mark = Mark {
                partition,
                position: FeedPosition { entry: at, change },
                lag: Lag::default(),
            };
            Change {
                mark,
                kind: kind.to_owned(),
                id: id.to_owned(),
            }
        })
        .collect();
    if let Some(last) = changes.last_mut() {
        last.mark.position.change = LAST;
    }
    changes
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.position.entry.fmt(f)?;
        if self.position.change != LAST {
            write!(f, "/{}", self.position.change)?;
        }
        if let Some(index) = self.partition.index() {
            write!(f, ".{index}")?;
        }
        if self.lag == Lag::default() {
            return Ok(());
        }
        write!(f, "~{}", self.lag.0)
    }
}

impl FromStr for Mark {
    type Err = InvalidEntryId;

    fn from_str(text: &str) -> Result<Self, InvalidEntryId> {
        let (rest, lag) = cut(text, '~')?;
        let (rest, index) = cut(rest, '.')?;
        let (entry, change) = cut(rest, '/')?;
        let position = FeedPosition {
            entry: entry.parse()?,
            change: change.unwrap_or(LAST),
        };
        Ok(Self {
            partition: Partition::at(index),
            position,
            lag: Lag(lag.unwrap_or_default()),
        })
    }
}

/// The text before `sign`, and the number behind it.
fn cut<N: FromStr>(text: &str, sign: char) -> Result<(&str, Option<N>), InvalidEntryId> {
    let Some((text, number)) = text.split_once(sign) else {
        return Ok((text, None));
    };
    let number = number.parse().map_err(|_| InvalidEntryId)?;
    Ok((text, Some(number)))
}

#[cfg(test)]
mod tests;
