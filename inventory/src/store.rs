//! The store of inventory: one method for each function in `lua/`. The reads are in `read`.

use std::borrow::Borrow;
use std::collections::BTreeSet;
use std::time::Duration;

use shared::contract::event::OrderCompleted;
use shared::contract::id::ProductId;
use shared::redis::{Redis, RedisError};
use shared::store::Store;
use shared::store::claim::{Claim, Once};
use shared::store::condition::Condition;
use shared::store::partition::{Partition, Partitions};
use shared::store::scatter::call_each;

mod apply;
mod calls;
mod line;
mod migration;
mod read;
mod records;
mod release;
mod reply;
mod sweep;

use crate::domain::{
    Adjustment, ApplyOutcome, Change, Deletion, NewProduct, Product, ProductPatch,
};

/// What inventory knows. Cheap to clone.
#[derive(Clone)]
pub struct ProductStore {
    /// The store itself, for what both services do alike.
    pub own: Store,
}

/// Code that several functions share. Each file of functions is loaded with this code in front.
const COMMON: [&str; 4] = [
    include_str!("lua/common/product_line.lua"),
    include_str!("lua/common/record.lua"),
    include_str!("lua/common/record_hours.lua"),
    include_str!("lua/common/refund.lua"),
];

impl ProductStore {
    /// The store behind `redis`.
    pub fn new(redis: Redis, partitions: Partitions) -> Self {
        let files = [
            include_str!("lua/create_product.lua"),
            include_str!("lua/update_product.lua"),
            include_str!("lua/adjust_stock.lua"),
            include_str!("lua/delete_product.lua"),
            include_str!("lua/apply_orders.lua"),
            include_str!("lua/release_order.lua"),
            include_str!("lua/release_surplus.lua"),
            include_str!("lua/sweep_records.lua"),
        ];
        let files = files.map(|file| COMMON.concat() + file);
        let files = &files.each_ref().map(String::as_str);
        Self {
            own: Store::new(redis, migration::LAYOUT, files, partitions),
        }
    }

    /// Puts a product into the catalogue; with a claim, at most one for its key.
    pub async fn create_product(
        &self,
        new: NewProduct,
        claim: Option<&Claim>,
    ) -> Result<Once<Product>, RedisError> {
        let id = match claim {
            Some(claim) => self.own.partitions().mint_in(claim.key().seed()),
            None => ProductId::mint(),
        };
        let partition = self.own.partitions().of(id);
        let call = calls::create_product(partition, id, &new, claim);
        Ok(match Once::read(self.own.call(partition, &call).await?)? {
            Once::Now(times) => Once::Now(Product::created(id, new, reply::created_at(&times)?)),
            Once::Before(answer) => {
                let (id, at) = reply::creation(&answer)?;
                Once::Before(Product::created(id, new, at))
            }
            Once::KeyReused => Once::KeyReused,
        })
    }

    /// Gives a product another name or price, if `condition` admits its version.
    pub async fn update_product(
        &self,
        id: ProductId,
        patch: ProductPatch,
        condition: &Condition,
    ) -> Result<Change, RedisError> {
        let partition = self.own.partitions().of(id);
        let call = calls::update_product(partition, id, &patch, condition);
        reply::change(id, &self.own.call(partition, &call).await?.list()?)
    }

    /// Changes the stock of a product by hand, if `condition` admits its version; with a claim,
    /// once for its key.
    pub async fn adjust_stock(
        &self,
        id: ProductId,
        adjustment: &Adjustment,
        condition: &Condition,
        claim: Option<&Claim>,
    ) -> Result<Once<Change>, RedisError> {
        let partition = self.own.partitions().of(id);
        let call = calls::adjust_stock(partition, id, adjustment, condition, claim);
        Ok(match Once::read(self.own.call(partition, &call).await?)? {
            Once::Now(outcome) => Once::Now(reply::change(id, &outcome)?),
            Once::Before(product) => Once::Before(reply::done(id, &product)?),
            Once::KeyReused => Once::KeyReused,
        })
    }

    /// Takes a product out of the catalogue, if `condition` admits its version.
    pub async fn delete_product(
        &self,
        id: ProductId,
        condition: &Condition,
    ) -> Result<Deletion, RedisError> {
        let partition = self.own.partitions().of(id);
        let call = calls::delete_product(partition, id, condition);
        reply::deletion(&self.own.call(partition, &call).await?)
    }

    /// Takes the stock of paid orders, or asks for refunds, with one call for each partition they
    /// touch, or several where they are many. Their records are kept for `keep`.
    pub async fn apply_orders<O: Borrow<OrderCompleted>>(
        &self,
        orders: &[O],
        keep: Duration,
    ) -> Result<Vec<ApplyOutcome>, RedisError> {
        let partitions = self.own.partitions();
        let build = |partition, orders: &[&O]| {
            let orders = orders.iter().map(|order| (*order).borrow());
            apply::apply_orders(partition, orders, keep)
        };
        call_each(
            &self.own,
            orders,
            apply::MAX_BATCH,
            |order| partitions.of(order.borrow().product_id),
            build,
            reply::outcome,
        )
        .await
    }

    /// Whether the clock of this process agrees with the clock of each store that has one of these
    /// orders.
    pub async fn agrees_on_time<O: Borrow<OrderCompleted>>(
        &self,
        orders: &[O],
    ) -> Result<bool, RedisError> {
        let partitions = self.own.partitions();
        let touched: BTreeSet<Partition> = orders
            .iter()
            .map(|order| partitions.of(order.borrow().product_id))
            .collect();
        for partition in touched {
            if !self.own.agrees_on_time(partition).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
