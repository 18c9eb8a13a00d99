//! Gives back stock that orders took.

use shared::contract::entry_id::EntryId;
use shared::contract::id::{OrderId, ProductId};
use shared::contract::limits::MAX_SKEW;
use shared::contract::time::Timestamp;
use shared::contract::trace::RequestContext;
use shared::redis::{Command, RedisError};

use super::{ProductStore, calls, line, reply};
use crate::domain::{Movement, MovementKind, Release};
use crate::keys;

/// The search for a movement that an older build did not record: the movements that one step reads,
/// and the most steps.
const LEDGER_PAGE: i64 = 1_000;
const LEDGER_PAGES: usize = 100;

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
        let order = (order_id, minted_at);
        let release = async |sale: Option<EntryId>| {
            let call = calls::release_order(partition, order, product_id, context, sale);
            reply::release(&self.own.call(partition, &call).await?)
        };
        match release(None).await? {
            Release::Unproved => match self.find_sale(product_id, order_id, minted_at).await? {
                Some(sale) => release(Some(sale)).await,
                None => Ok(Release::Unproved),
            },
            known => Ok(known),
        }
    }

    /// The first movement of a ledger by which an order took its stock, if it is among the first
    /// 100,000 since the day before the order was placed.
    async fn find_sale(
        &self,
        product_id: ProductId,
        order_id: OrderId,
        minted_at: Timestamp,
    ) -> Result<Option<EntryId>, RedisError> {
        let key = keys::movements(self.own.partitions().of(product_id), product_id);
        let mut from = EntryId::first_of(minted_at.earlier_by(MAX_SKEW).as_millis());
        for _ in 0..LEDGER_PAGES {
            let range = Command::new("XRANGE")
                .key(key.as_str())
                .arg(from.to_string())
                .arg("+");
            let page = self
                .own
                .run(range.arg("COUNT").arg(LEDGER_PAGE))
                .await?
                .entries()?;
            let page = page
                .iter()
                .map(line::movement)
                .collect::<Result<Vec<_>, _>>()?;
            let is_sale = |movement: &&Movement| {
                movement.kind == MovementKind::Sale && movement.order_id == Some(order_id)
            };
            if let Some(sale) = page.iter().find(is_sale) {
                return Ok(Some(sale.id));
            }
            match page.last().and_then(|last| last.id.next()) {
                Some(next) => from = next,
                None => return Ok(None),
            }
        }
        Ok(None)
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
