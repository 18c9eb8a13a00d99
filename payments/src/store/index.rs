//! The index of orders, which tells when each order was placed.
//!
//! A member is the ids of the orders that one call placed, separated by spaces. Its score is the
//! time of that call. Orders are listed by this time, and orders of the same time by their ids.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::ops::Range;
use std::str::FromStr;

use shared::contract::id::{InvalidId, OrderId};
use shared::redis::{Command, RedisError};
use shared::store::index::{Direction, Scanned};
use shared::store::partition::Partition;

use super::OrderStore;
use crate::keys;

/// The position of an order in the list of all orders. A larger position is newer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// When the order was placed, in milliseconds.
    placed_ms: u64,
    id: OrderId,
}

/// Members that are read of a partition at first. A member may have one id, or as many as one call
/// places.
const FIRST_MEMBERS: usize = 2;
/// The most members that are read beyond one for each wanted order. Far fewer calls fall into the
/// milliseconds at both ends of the range.
const MEMBERS_BEYOND: usize = 1_000;

impl OrderStore {
    /// Reads the orders that were placed in these milliseconds, the newest first, behind
    /// `position`, as [`shared::store::Store::scan_lists`] does.
    pub(super) async fn scan_orders<T, F>(
        &self,
        placed: Range<u64>,
        position: Option<Position>,
        limit: usize,
        find: impl Fn(OrderId) -> F,
    ) -> Result<Scanned<T, Position>, RedisError>
    where
        F: Future<Output = Result<Option<T>, RedisError>>,
    {
        let read = |partition, position: Option<Position>, count| {
            self.read_index(partition, placed.clone(), position, count)
        };
        let find = |position: Position| find(position.id);
        self.own
            .scan_lists(Direction::Descending, position, limit, read, find)
            .await
    }

    /// The first `count` orders of a partition behind `position`.
    async fn read_index(
        &self,
        partition: Partition,
        placed: Range<u64>,
        position: Option<Position>,
        count: usize,
    ) -> Result<Vec<Position>, RedisError> {
        // Orders of the same millisecond are listed by their ids, so its members are read again.
        let end = position.map_or(placed.end, |last| {
            placed.end.min(last.placed_ms.saturating_add(1))
        });
        let (mut orders, mut ids) = (BTreeSet::new(), 0);
        let (mut members, mut batch) = (0, FIRST_MEMBERS);
        loop {
            let range = range(partition, placed.start..end, members, batch);
            let page = self.own.run(range).await?.map()?;
            let at_end = page.len() < batch;
            members += page.len();
            let mut last_ms = 0;
            for (member, score) in page {
                last_ms = score.unsigned()?;
                for order in positions(&member, last_ms) {
                    let order = order?;
                    ids += 1;
                    if position.is_none_or(|position| order < position) {
                        orders.insert(order);
                    }
                }
            }
            // Orders of one millisecond may be spread over several members. So only orders newer
            // than the last millisecond are in their final position.
            let whole = orders
                .iter()
                .rev()
                .take_while(|order| order.placed_ms > last_ms)
                .count();
            if at_end || whole >= count {
                return Ok(orders.into_iter().rev().take(count).collect());
            }
            if members >= count + MEMBERS_BEYOND {
                let why = format!("too many calls have placed orders at {last_ms}");
                return Err(RedisError::malformed("the index of orders", why));
            }
            // The members still needed, estimated from the orders per member so far. At least as
            // many as were read so far, so that uneven members cost few rounds.
            batch = ((count + 1 - whole) * members).div_ceil(ids).max(members);
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.placed_ms, self.id)
    }
}

impl FromStr for Position {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let position = || {
            let (placed_ms, id) = text.split_once('.')?;
            Some(Self {
                placed_ms: placed_ms.parse().ok()?,
                id: id.parse().ok()?,
            })
        };
        position().ok_or_else(|| format!("{text:?} is not the position of an order"))
    }
}

/// The members with a score in this range, the newest first: `count` of them after the first
/// `behind`.
fn range(partition: Partition, placed: Range<u64>, behind: usize, count: usize) -> Command {
    let (newest, oldest) = (format!("({}", placed.end), placed.start.to_string());
    let range = Command::new("ZRANGE")
        .key(keys::orders(partition))
        .arg(newest)
        .arg(oldest);
    let range = range.arg("BYSCORE").arg("REV").arg("LIMIT");
    range
        .arg(behind.to_string())
        .arg(count.to_string())
        .arg("WITHSCORES")
}

/// The orders of a member.
fn positions(
    member: &str,
    placed_ms: u64,
) -> impl Iterator<Item = Result<Position, RedisError>> + '_ {
    member.split(' ').map(move |text| {
        let id = text.parse();
        let why = |error: InvalidId| {
            RedisError::malformed("the index of orders", format!("{text}: {error}"))
        };
        let id = id.map_err(why)?;
        Ok(Position { placed_ms, id })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_reads_back_what_it_shows() {
        let position = Position {
            placed_ms: 1_763_632_806_410,
            id: OrderId::EXAMPLE,
        };
        assert_eq!(position.to_string().parse(), Ok(position));
        let id = OrderId::EXAMPLE;
        for text in [
            "",
            "1",
            ".",
            &id.to_string(),
            &format!(".{id}"),
            &format!("-1.{id}"),
            "1.x",
        ] {
            assert!(text.parse::<Position>().is_err(), "{text}");
        }
    }
}
