//! What the store tells without changing anything.

use std::time::Duration;

use shared::id::OrderId;
use shared::index::{Order as Direction, Range, Scanned};
use shared::own_store::all;
use shared::redis::RedisError;
use shared::time::Timestamp;

use super::{Store, line};
use crate::domain::{Found, Order, OrderFilter};
use crate::keys;

/// How far the time inside an id may be from the time on the clock of the store: `place_orders`
/// refuses more.
pub const MAX_SKEW: Duration = Duration::from_hours(24);

impl Store {
    /// Finds an order.
    pub async fn find_order(&self, id: OrderId) -> Result<Option<Order>, RedisError> {
        let partition = self.own.partitions().of_order(id);
        let line = self.own.read_line(partition, keys::order(partition, id)).await?;
        line.map(|line| line::parse(id, &line)).transpose()
    }

    /// A page of the orders that a filter admits, the newest first, behind `position`. It may be
    /// short, or empty, although there are more: what is read for it is bounded.
    pub async fn list_orders(
        &self,
        filter: &OrderFilter,
        position: Option<OrderId>,
        limit: usize,
    ) -> Result<Scanned<Order>, RedisError> {
        let mut range = Range::all(Direction::Descending);
        // The time inside an id is that of the process that minted it, which is only about right.
        if let Some(after) = filter.created_after {
            range = range.not_below(&OrderId::prefix_at(after.earlier_by(MAX_SKEW)));
        }
        if let Some(before) = filter.created_before {
            range = range.below(&OrderId::prefix_at(before.later_by(MAX_SKEW)));
        }
        let range = position.iter().fold(range, |range, id| range.past(&id.to_string()));
        let find = |member: String| async move {
            let id = member.parse();
            let id = id.map_err(|error| RedisError::Refused(format!("{member}: {error}")))?;
            Ok(self.find_order(id).await?.filter(|order| filter.admits(order)))
        };
        self.own.scan(keys::orders, range, limit, find).await
    }

    /// A page of all orders placed after `since`, the newest first, behind `position`, as an audit
    /// finds them.
    pub async fn list_records(
        &self,
        since: Option<Timestamp>,
        position: Option<OrderId>,
        limit: usize,
    ) -> Result<Scanned<(OrderId, Found)>, RedisError> {
        let range = Range::all(Direction::Descending);
        let range = since.iter().fold(range, |range, &at| range.not_below(&OrderId::prefix_at(at)));
        let range = position.iter().fold(range, |range, id| range.past(&id.to_string()));
        let find = |member: String| async move {
            let id = member.parse();
            let id = id.map_err(|error| RedisError::Refused(format!("{member}: {error}")))?;
            Ok(Some((id, self.find_record(id).await?)))
        };
        self.own.scan(keys::orders, range, limit, find).await
    }

    /// These orders as an audit finds them, in this order.
    pub async fn find_records(&self, ids: &[OrderId]) -> Result<Vec<Found>, RedisError> {
        all(ids.iter().map(|&id| self.find_record(id))).await.into_iter().collect()
    }

    async fn find_record(&self, id: OrderId) -> Result<Found, RedisError> {
        match self.find_order(id).await {
            Ok(Some(order)) => Ok(Found::Order(Box::new(order))),
            Ok(None) => Ok(Found::Missing),
            Err(RedisError::Refused(reason)) => Ok(Found::Damaged(reason)),
            Err(error) => Err(error),
        }
    }
}
