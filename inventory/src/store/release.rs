//! Gives back stock that orders took.

use shared::contract::entry_id::EntryId;
use shared::contract::id::{OrderId, ProductId};
use shared::contract::trace::RequestContext;
use shared::redis::RedisError;

use super::{ProductStore, calls, reply};
use crate::domain::Release;

impl ProductStore {
    /// Gives back the stock that an order took, once, and asks payments to refund the order. The
    /// event names the request of `context`.
    pub async fn release_order(
        &self,
        order_id: OrderId,
        product_id: ProductId,
        context: &RequestContext,
    ) -> Result<Release, RedisError> {
        let Some(minted_at) = order_id.minted_at() else {
            return Ok(Release::NotTaken);
        };
        let partition = self.own.partitions().of(product_id);
        let call = calls::release_order(partition, (order_id, minted_at), product_id, context);
        reply::release(&self.own.call(partition, &call).await?)
    }

    /// Gives back, once, what an order took by a movement that its record does not name.
    pub async fn release_surplus(
        &self,
        order_id: OrderId,
        product_id: ProductId,
        movement: EntryId,
    ) -> Result<Release, RedisError> {
        let Some(minted_at) = order_id.minted_at() else {
            return Ok(Release::NotTaken);
        };
        let partition = self.own.partitions().of(product_id);
        let call = calls::release_surplus(partition, (order_id, minted_at), product_id, movement);
        reply::release(&self.own.call(partition, &call).await?)
    }
}
