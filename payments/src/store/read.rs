//! What the store tells without changing anything.

use futures_util::future::join_all;
use shared::contract::id::OrderId;
use shared::contract::time::Timestamp;
use shared::redis::RedisError;
use shared::store::index::Scanned;

use super::{OrderStore, Position, line};
use crate::domain::{Found, Order, OrderFilter};
use crate::keys;

impl OrderStore {
    /// Finds an order.
    pub async fn find_order(&self, id: OrderId) -> Result<Option<Order>, RedisError> {
        let partition = self.own.partitions().of(id);
        let found = self
            .own
            .read_line(partition, keys::order(partition, id))
            .await?;
        found.map(|found| line::parse(id, &found)).transpose()
    }

    /// A page of the orders that a filter admits, the newest first, behind `position`. The page may
    /// be short or empty although more orders match, because the number of reads for it is bounded.
    pub async fn list_orders(
        &self,
        filter: &OrderFilter,
        position: Option<Position>,
        limit: usize,
    ) -> Result<Scanned<Order, Position>, RedisError> {
        let start = filter
            .created_after
            .map_or(0, |after| after.as_millis() + 1);
        let end = filter.created_before.map_or(u64::MAX, Timestamp::as_millis);
        let find = |id| async move {
            Ok(self
                .find_order(id)
                .await?
                .filter(|order| filter.admits(order)))
        };
        self.scan_orders(start..end, position, limit, find).await
    }

    /// A page of all orders placed at `since` or later, the newest first, behind `position`, as an
    /// audit finds them.
    pub async fn list_records(
        &self,
        since: Option<Timestamp>,
        position: Option<Position>,
        limit: usize,
    ) -> Result<Scanned<(OrderId, Found), Position>, RedisError> {
        let start = since.map_or(0, Timestamp::as_millis);
        let find = |id| async move { Ok(Some((id, self.find_record(id).await?))) };
        self.scan_orders(start..u64::MAX, position, limit, find)
            .await
    }

    /// These orders as an audit finds them, in this order.
    pub async fn find_records(&self, ids: &[OrderId]) -> Result<Vec<Found>, RedisError> {
        join_all(ids.iter().map(|&id| self.find_record(id)))
            .await
            .into_iter()
            .collect()
    }

    async fn find_record(&self, id: OrderId) -> Result<Found, RedisError> {
        match self.find_order(id).await {
            Ok(Some(order)) => Ok(Found::Order(Box::new(order))),
            Ok(None) => Ok(Found::Missing),
            Err(error) if error.is_damage() => Ok(Found::Damaged(error.to_string())),
            Err(error) => Err(error),
        }
    }
}
