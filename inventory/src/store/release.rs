//! Stock that orders took, and that is given back.

use shared::entry_id::EntryId;
use shared::function::Call;
use shared::id::{OrderId, ProductId};
use shared::redis::RedisError;
use shared::request::RequestContext;
use shared::time::Timestamp;

use super::{Store, reply};
use crate::domain::{MAX_STOCK, Release};
use crate::keys;

impl Store {
    /// Gives back the stock that an order took, once, and asks payments to refund the order. The
    /// request of `context` stands in the event.
    pub async fn release_order(
        &self,
        order_id: OrderId,
        product_id: ProductId,
        context: &RequestContext,
    ) -> Result<Release, RedisError> {
        let Some(minted_at) = order_id.minted_at() else {
            return Ok(Release::NotTaken);
        };
        let partition = self.own.partitions().of_product(product_id);
        let call = self
            .release_call("release_order", order_id, product_id, minted_at)
            .key(partition.key(keys::REFUND_ORDER))
            .text(&context.traceparent)
            .text(&context.request_id);
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
        let partition = self.own.partitions().of_product(product_id);
        let call = self.release_call("release_surplus", order_id, product_id, minted_at);
        reply::release(&self.own.call(partition, &call.text(movement)).await?)
    }

    fn release_call(
        &self,
        function: &'static str,
        order_id: OrderId,
        product_id: ProductId,
        minted_at: Timestamp,
    ) -> Call {
        let partition = self.own.partitions().of_product(product_id);
        let bucket = keys::bucket(minted_at);
        Call::new(function)
            .key(keys::product(partition, product_id))
            .key(keys::movements(partition, product_id))
            .key(keys::applied(partition, bucket))
            .key(keys::changes(partition))
            .text(order_id)
            .text(product_id)
            .arg(i64::from(MAX_STOCK))
            .text(bucket)
    }
}
