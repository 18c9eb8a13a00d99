//! The inventory store: one method for each function in `lua/`; the reads are in `read`.

use std::borrow::Borrow;
use std::time::Duration;

use shared::contract::event::OrderCompleted;
use shared::contract::id::{Partition, Partitions, ProductId};
use shared::redis::{Redis, RedisError};
use shared::store::claim::{Claim, Once};
use shared::store::condition::Condition;
use shared::store::function::{Call, Library};
use shared::store::{Store, by_partition};

mod apply;
mod migration;
mod outcomes;
mod read;
mod release;
mod reply;
mod sweep;

use crate::domain::{
    Adjustment, Change, Deletion, MAX_STOCK, NewProduct, Note, Outcome, Product, ProductName,
    ProductPatch,
};
use crate::keys;

/// What several functions share. It stands in front of every function.
const COMMON: [&str; 4] = [
    include_str!("lua/common/product_line.lua"),
    include_str!("lua/common/record.lua"),
    include_str!("lua/common/record_hours.lua"),
    include_str!("lua/common/refund.lua"),
];

/// What inventory knows. Cheap to clone.
#[derive(Clone)]
pub struct ProductStore {
    /// The store itself, for what both services do alike.
    pub own: Store,
}

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
            include_str!("lua/sort_product.lua"),
            include_str!("lua/sweep_records.lua"),
        ];
        let files = files.map(|file| COMMON.concat() + file);
        let library = Library::new(migration::LAYOUT, &files.each_ref().map(String::as_str));
        Self {
            own: Store::new(redis, library, partitions),
        }
    }

    /// Puts a product into the catalogue; with a claim, at most one for its key.
    pub async fn create_product(
        &self,
        new: NewProduct,
        claim: Option<&Claim>,
    ) -> Result<Once<Product>, RedisError> {
        let id = match claim {
            Some(claim) => self.own.partitions().mint_product(claim.key().seed()),
            None => ProductId::mint(),
        };
        let partition = self.own.partitions().of_product(id);
        let call = catalogue_call("create_product", partition, id)
            .arg(new.name.as_str())
            .arg(new.name.folded())
            .text(new.price)
            .arg(i64::from(new.quantity))
            .claim(partition, claim);
        Ok(match Once::read(self.own.call(partition, &call).await?)? {
            Once::Now(times) => Once::Now(Product::created(id, new, reply::created_at(&times)?)),
            Once::Before(answer) => {
                let (id, at) = reply::creation(&answer)?;
                Once::Before(Product::created(id, new, at))
            }
            Once::KeyReused => Once::KeyReused,
        })
    }

    /// Gives a product another name or price, if it has the version that is meant.
    pub async fn update_product(
        &self,
        id: ProductId,
        patch: ProductPatch,
        condition: &Condition,
    ) -> Result<Change, RedisError> {
        let partition = self.own.partitions().of_product(id);
        let call = Call::new("update_product")
            .key(keys::product(partition, id))
            .key(keys::names(partition))
            .key(keys::changes(partition))
            .text(id)
            .arg(condition.to_arg())
            .arg(patch.name.as_ref().map_or("", ProductName::as_str))
            .arg(
                patch
                    .name
                    .as_ref()
                    .map(ProductName::folded)
                    .unwrap_or_default(),
            )
            .arg(
                patch
                    .price
                    .map(|price| price.to_string())
                    .unwrap_or_default(),
            );
        reply::change(id, &self.own.call(partition, &call).await?.list()?)
    }

    /// Changes the stock of a product by hand, if it has the version that is meant; with a claim,
    /// once for its key.
    pub async fn adjust_stock(
        &self,
        id: ProductId,
        adjustment: &Adjustment,
        condition: &Condition,
        claim: Option<&Claim>,
    ) -> Result<Once<Change>, RedisError> {
        let partition = self.own.partitions().of_product(id);
        let call = Call::new("adjust_stock")
            .key(keys::product(partition, id))
            .key(keys::movements(partition, id))
            .key(keys::changes(partition))
            .text(id)
            .arg(adjustment.cause.kind().as_str())
            .arg(i64::from(adjustment.quantity))
            .arg(adjustment.note.as_ref().map_or("", Note::as_str))
            .arg(condition.to_arg())
            .arg(i64::from(MAX_STOCK))
            .claim(partition, claim);
        Ok(match Once::read(self.own.call(partition, &call).await?)? {
            Once::Now(outcome) => Once::Now(reply::change(id, &outcome)?),
            Once::Before(product) => Once::Before(reply::done(id, &product)?),
            Once::KeyReused => Once::KeyReused,
        })
    }

    /// Takes a product out of the catalogue, if it has the version that is meant.
    pub async fn delete_product(
        &self,
        id: ProductId,
        condition: &Condition,
    ) -> Result<Deletion, RedisError> {
        let partition = self.own.partitions().of_product(id);
        let call = catalogue_call("delete_product", partition, id).arg(condition.to_arg());
        reply::deletion(&self.own.call(partition, &call).await?)
    }

    /// Takes the stock of paid orders, or asks for refunds; all of them in one call for each
    /// partition they touch, where they are not very many.
    pub async fn apply_orders<O: Borrow<OrderCompleted>>(
        &self,
        orders: &[O],
        keep: Duration,
    ) -> Result<Vec<Outcome>, RedisError> {
        let partitions = self.own.partitions();
        let mut outcomes = vec![Outcome::TooOld; orders.len()];
        for (partition, places) in by_partition(orders, |order| {
            partitions.of_product(order.borrow().product_id)
        }) {
            for places in places.chunks(apply::MAX_BATCH) {
                let batch = places.iter().map(|&place| orders[place].borrow());
                let call = apply::with_orders(Call::new("apply_orders"), partition, batch, keep);
                let replies = self
                    .own
                    .call(partition, &call)
                    .await?
                    .list_of(places.len())?;
                for (&place, reply) in places.iter().zip(replies) {
                    outcomes[place] = reply::outcome(&reply)?;
                }
            }
        }
        Ok(outcomes)
    }

    /// Whether the clocks of all stores that these orders are for agree with the clock of this process.
    pub async fn agrees_on_time<O: Borrow<OrderCompleted>>(
        &self,
        orders: &[O],
    ) -> Result<bool, RedisError> {
        let partitions = self.own.partitions();
        for (partition, _) in by_partition(orders, |order| {
            partitions.of_product(order.borrow().product_id)
        }) {
            if !self.own.agrees_on_time(partition).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A call that puts a product into the indexes, or takes it out.
fn catalogue_call(function: &'static str, partition: Partition, id: ProductId) -> Call {
    Call::new(function)
        .key(keys::product(partition, id))
        .key(keys::products(partition))
        .key(keys::names(partition))
        .key(keys::movements(partition, id))
        .key(keys::changes(partition))
        .text(id)
}
