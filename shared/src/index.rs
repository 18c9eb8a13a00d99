//! Indexes: sorted sets that list what there is. Every partition has one of its own, and a scan
//! reads them as if they were one.
//!
//! Members are compared byte by byte, as Redis does where all scores are equal.

use std::future::Future;
use std::ops::Bound;

use crate::id::Partition;
use crate::own_store::{OwnStore, all};
use crate::redis::{Command, RedisError};

/// Records that one scan reads at most, however few of them are wanted.
pub const SCAN_BUDGET: usize = 500;
/// Records that a scan reads at once after those that were asked for.
const SCAN_BATCH: usize = 100;
/// No UTF-8 text has this byte: `prefix` and this stand behind every text that begins so.
const BEHIND_ALL_TEXT: u8 = 0xff;

/// A part of an index, and the direction in which it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    order: Order,
    low: Bound<Vec<u8>>,
    high: Bound<Vec<u8>>,
}

/// The direction in which an index is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From the lowest member to the highest.
    Ascending,
    /// From the highest member to the lowest: the newest first, where members are our ids.
    Descending,
}

/// What a scan found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned<T> {
    /// The records that were wanted; maybe fewer than asked for, or none, although there are more.
    pub items: Vec<T>,
    /// The position after which another scan goes on; `None` at the end of the range.
    pub next: Option<String>,
}

impl Range {
    /// The whole index.
    pub fn all(order: Order) -> Self {
        Self { order, low: Bound::Unbounded, high: Bound::Unbounded }
    }

    /// The members that begin with `prefix`.
    pub fn starting_with(order: Order, prefix: &str) -> Self {
        let low = prefix.as_bytes().to_vec();
        let mut high = low.clone();
        high.push(BEHIND_ALL_TEXT);
        Self { order, low: Bound::Included(low), high: Bound::Excluded(high) }
    }

    /// Leaves out the members below `low`.
    #[must_use]
    pub fn not_below(self, low: &str) -> Self {
        Self { low: Bound::Included(low.into()), ..self }
    }

    /// Leaves out `high` and the members above it.
    #[must_use]
    pub fn below(self, high: &str) -> Self {
        Self { high: Bound::Excluded(high.into()), ..self }
    }

    /// Leaves out what comes before `position` in this direction, and `position` itself. One that
    /// lies before the range, which no cursor of ours does, leaves out nothing.
    #[must_use]
    pub fn past(self, position: &str) -> Self {
        let (near, position) = match self.order {
            Order::Ascending => (&self.low, position.as_bytes()),
            Order::Descending => (&self.high, position.as_bytes()),
        };
        if let Bound::Included(near) | Bound::Excluded(near) = near {
            let before = match self.order {
                Order::Ascending => position < near.as_slice(),
                Order::Descending => position > near.as_slice(),
            };
            if before {
                return self;
            }
        }
        let near = Bound::Excluded(position.to_vec());
        match self.order {
            Order::Ascending => Self { low: near, ..self },
            Order::Descending => Self { high: near, ..self },
        }
    }

    /// The first `count` members of an index in this range.
    fn read(&self, index: String, count: usize) -> Command {
        let (low, high) = (lex(&self.low, b'-'), lex(&self.high, b'+'));
        let range = Command::new("ZRANGE").key(index);
        let range = match self.order {
            Order::Ascending => range.arg(&low[..]).arg(&high[..]).arg("BYLEX"),
            Order::Descending => range.arg(&high[..]).arg(&low[..]).arg("BYLEX").arg("REV"),
        };
        range.arg("LIMIT").arg(0).arg(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

impl OwnStore {
    /// Reads records in the order of an index until `limit` of them are found, or [`SCAN_BUDGET`]
    /// were read. `find` reads the record of a member, and answers `None` where it is gone, or not
    /// wanted.
    pub async fn scan<T, F>(
        &self,
        index: impl Fn(Partition) -> String,
        mut range: Range,
        limit: usize,
        find: impl Fn(String) -> F,
    ) -> Result<Scanned<T>, RedisError>
    where
        F: Future<Output = Result<Option<T>, RedisError>>,
    {
        let (mut items, mut budget, mut batch) = (Vec::new(), SCAN_BUDGET, limit);
        loop {
            let (mut members, more) = self.members(&index, &range, batch.min(budget)).await?;
            budget -= members.len();
            let records = all(members.iter().cloned().map(&find)).await;
            for (place, record) in records.into_iter().enumerate() {
                items.extend(record?);
                if items.len() == limit {
                    let more = more || place + 1 < members.len();
                    let next = more.then(|| members.swap_remove(place));
                    return Ok(Scanned { items, next });
                }
            }
            match members.pop().filter(|_| more) {
                Some(last) if budget > 0 => range = range.past(&last),
                next => return Ok(Scanned { items, next }),
            }
            batch = SCAN_BATCH;
        }
    }

    /// The first `count` members of all partitions, and whether there are more.
    async fn members(
        &self,
        index: impl Fn(Partition) -> String,
        range: &Range,
        count: usize,
    ) -> Result<(Vec<String>, bool), RedisError> {
        let partitions = self.partitions();
        // One more than needed tells whether there are more.
        let lists = partitions.all().map(|part| self.run(range.read(index(part), count + 1)));
        let mut members = Vec::new();
        for list in all(lists).await {
            members.extend(list?.texts()?);
        }
        if members.is_empty() {
            let absences = partitions.all().map(|partition| self.confirm_absence(partition));
            all(absences).await.into_iter().collect::<Result<(), _>>()?;
        }
        members.sort_unstable();
        if range.order == Order::Descending {
            members.reverse();
        }
        let more = members.len() > count;
        members.truncate(count);
        Ok((members, more))
    }
}

/// A bound as `ZRANGE ... BYLEX` takes it.
fn lex(bound: &Bound<Vec<u8>>, unbounded: u8) -> Vec<u8> {
    let (mark, text): (u8, &[u8]) = match bound {
        Bound::Unbounded => (unbounded, b""),
        Bound::Included(text) => (b'[', text),
        Bound::Excluded(text) => (b'(', text),
    };
    [&[mark], text].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_moves_the_near_end_of_a_range_and_never_widens_it() {
        let up = Range::starting_with(Order::Ascending, "b");
        assert_eq!(lex(&up.low, b'-'), b"[b");
        assert_eq!(lex(&up.high, b'+'), b"(b\xff");
        assert_eq!(lex(&up.clone().past("bc").low, b'-'), b"(bc");
        assert_eq!(lex(&up.clone().past("b").low, b'-'), b"(b");
        assert_eq!(up.clone().past("a"), up);

        let down = Range::all(Order::Descending).not_below("b").below("d");
        assert_eq!(lex(&down.clone().past("c").high, b'+'), b"(c");
        assert_eq!(lex(&down.clone().past("d").high, b'+'), b"(d");
        assert_eq!(down.clone().past("e"), down);
        assert_eq!(lex(&Range::all(Order::Descending).past("c").high, b'+'), b"(c");
        assert_eq!(lex(&Range::all(Order::Descending).low, b'-'), b"-");
    }
}
