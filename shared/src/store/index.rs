//! Indexes: sorted sets that list the things of one kind. Every partition has its own index, and a
//! scan reads all of them as if they were one.
//!
//! The members of a [`Range`] are compared byte by byte, as Redis does where all scores are equal.
//! The owner of a list with another order reads it through [`Store::scan_lists`].

use std::future::Future;
use std::ops::Bound;

use futures_util::future::join_all;

use crate::redis::{Command, RedisError};
use crate::store::Store;
use crate::store::partition::Partition;

/// The most records that one scan reads, even if it finds few that are wanted.
pub const SCAN_BUDGET: usize = 500;
/// Records in each further batch of a scan. The first batch has as many as were asked for.
const SCAN_BATCH: usize = 100;
/// A byte that no UTF-8 text has. A prefix followed by this byte sorts behind every text with the
/// prefix.
const BEHIND_ALL_TEXT: u8 = 0xff;

/// A part of an index, and the direction in which it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    direction: Direction,
    low: Bound<Vec<u8>>,
    high: Bound<Vec<u8>>,
}

/// The direction in which an index is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the lowest member to the highest.
    Ascending,
    /// From the highest member to the lowest. Where the members are ids, the newest comes first.
    Descending,
}

/// What a scan found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scanned<T, P = String> {
    /// The records that were wanted. There may be more of them even if this is empty.
    pub items: Vec<T>,
    /// The position after which the next scan goes on; `None` at the end of the list.
    pub next: Option<P>,
}

impl Range {
    /// The whole index.
    pub fn all(direction: Direction) -> Self {
        Self {
            direction,
            low: Bound::Unbounded,
            high: Bound::Unbounded,
        }
    }

    /// The members that begin with `prefix`.
    pub fn starting_with(direction: Direction, prefix: &str) -> Self {
        let low = prefix.as_bytes().to_vec();
        let mut high = low.clone();
        high.push(BEHIND_ALL_TEXT);
        Self {
            direction,
            low: Bound::Included(low),
            high: Bound::Excluded(high),
        }
    }

    /// Leaves out `position` and the members before it in this direction. A position before the
    /// range leaves out nothing; no cursor of ours lies there.
    #[must_use]
    pub fn past(self, position: &str) -> Self {
        let (near, position) = match self.direction {
            Direction::Ascending => (&self.low, position.as_bytes()),
            Direction::Descending => (&self.high, position.as_bytes()),
        };
        if let Bound::Included(near) | Bound::Excluded(near) = near {
            let before = match self.direction {
                Direction::Ascending => position < near.as_slice(),
                Direction::Descending => position > near.as_slice(),
            };
            if before {
                return self;
            }
        }
        let near = Bound::Excluded(position.to_vec());
        match self.direction {
            Direction::Ascending => Self { low: near, ..self },
            Direction::Descending => Self { high: near, ..self },
        }
    }

    /// The first `count` members of an index in this range.
    pub fn read(&self, index: String, count: usize) -> Command {
        let (low, high) = (lex(&self.low, b'-'), lex(&self.high, b'+'));
        let range = Command::new("ZRANGE").key(index);
        let range = match self.direction {
            Direction::Ascending => range.arg(&low[..]).arg(&high[..]).arg("BYLEX"),
            Direction::Descending => range.arg(&high[..]).arg(&low[..]).arg("BYLEX").arg("REV"),
        };
        range
            .arg("LIMIT")
            .arg(0)
            .arg(i64::try_from(count).unwrap_or(i64::MAX))
    }
}

impl Store {
    /// Reads records in the order of an index, until `limit` records are found or [`SCAN_BUDGET`]
    /// were read. `find` reads the record of a member. It answers `None` for a record that is gone
    /// or not wanted.
    pub async fn scan<T, F>(
        &self,
        index: impl Fn(Partition) -> String,
        range: Range,
        limit: usize,
        find: impl Fn(String) -> F,
    ) -> Result<Scanned<T>, RedisError>
    where
        F: Future<Output = Result<Option<T>, RedisError>>,
    {
        let read = |partition, position: Option<String>, count| {
            let range = position
                .iter()
                .fold(range.clone(), |range, past| range.past(past));
            let read = self.run(range.read(index(partition), count));
            async move { Ok(read.await?.texts()?) }
        };
        self.scan_lists(range.direction, None, limit, read, find)
            .await
    }

    /// Like [`Store::scan`], for lists with an order of their own. `read` answers the first `count`
    /// entries of a partition behind a position. A position is an entry.
    pub async fn scan_lists<P, T, R, F>(
        &self,
        direction: Direction,
        mut position: Option<P>,
        limit: usize,
        read: impl Fn(Partition, Option<P>, usize) -> R,
        find: impl Fn(P) -> F,
    ) -> Result<Scanned<T, P>, RedisError>
    where
        P: Clone + Ord,
        R: Future<Output = Result<Vec<P>, RedisError>>,
        F: Future<Output = Result<Option<T>, RedisError>>,
    {
        let (mut items, mut budget, mut batch) = (Vec::new(), SCAN_BUDGET, limit);
        loop {
            let count = batch.min(budget);
            // One entry more than needed shows whether the list goes on.
            let lists = self.partitions().all();
            let lists = lists.map(|partition| read(partition, position.clone(), count + 1));
            let (mut entries, more) = self.merge(direction, join_all(lists).await, count).await?;
            budget -= entries.len();
            let records = join_all(entries.iter().cloned().map(&find)).await;
            for (index, record) in records.into_iter().enumerate() {
                items.extend(record?);
                if items.len() == limit {
                    let more = more || index + 1 < entries.len();
                    let next = more.then(|| entries.swap_remove(index));
                    return Ok(Scanned { items, next });
                }
            }
            match entries.pop().filter(|_| more) {
                last @ Some(_) if budget > 0 => position = last,
                next => return Ok(Scanned { items, next }),
            }
            batch = SCAN_BATCH;
        }
    }

    /// Merges the lists of all partitions. Answers the first `count` entries, and whether there are
    /// more.
    async fn merge<P: Ord>(
        &self,
        direction: Direction,
        lists: Vec<Result<Vec<P>, RedisError>>,
        count: usize,
    ) -> Result<(Vec<P>, bool), RedisError> {
        let mut entries = Vec::new();
        for list in lists {
            entries.extend(list?);
        }
        if entries.is_empty() {
            let absences = self
                .partitions()
                .all()
                .map(|partition| self.confirm_absence(partition));
            join_all(absences)
                .await
                .into_iter()
                .collect::<Result<(), _>>()?;
        }
        entries.sort_unstable();
        if direction == Direction::Descending {
            entries.reverse();
        }
        let more = entries.len() > count;
        entries.truncate(count);
        Ok((entries, more))
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
        let up = Range::starting_with(Direction::Ascending, "b");
        assert_eq!(lex(&up.low, b'-'), b"[b");
        assert_eq!(lex(&up.high, b'+'), b"(b\xff");
        assert_eq!(lex(&up.clone().past("bc").low, b'-'), b"(bc");
        assert_eq!(lex(&up.clone().past("b").low, b'-'), b"(b");
        assert_eq!(up.clone().past("a"), up);

        let down = Range::starting_with(Direction::Descending, "b");
        assert_eq!(lex(&down.clone().past("bc").high, b'+'), b"(bc");
        assert_eq!(lex(&down.clone().past("b").high, b'+'), b"(b");
        assert_eq!(down.clone().past("c"), down);
        assert_eq!(
            lex(&Range::all(Direction::Descending).past("c").high, b'+'),
            b"(c"
        );
        assert_eq!(lex(&Range::all(Direction::Descending).low, b'-'), b"-");
    }
}
