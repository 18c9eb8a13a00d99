//! The inventory store: one method for each function in `lua/`, and the reads.

use std::time::Duration;

use shared::event::{OrderCompleted, RefundReason};
use shared::function::{Call, Library};
use shared::id::{Partition, Partitions, ProductId};
use shared::own_store::{OwnStore, all, by_partition};
use shared::record::Record;
use shared::redis::{Command, Redis, RedisError, Reply};
use shared::time::Timestamp;

use crate::domain::{Decision, NewProduct, Outcome, Product};
use crate::keys;

/// Raised whenever a function changes what it does, takes or answers.
const LIBRARY_VERSION: u32 = 1;

/// Buckets of records that one sweep removes at most, in each partition.
const SWEEP_LIMIT: i64 = 1_000;

/// What inventory knows. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    /// The store itself, for what both services do alike.
    pub own: OwnStore,
}

impl Store {
    /// The store behind `redis`.
    pub fn new(redis: Redis, partitions: Partitions) -> Self {
        let files = [
            include_str!("lua/create_product.lua"),
            include_str!("lua/delete_product.lua"),
            include_str!("lua/apply_orders.lua"),
        ];
        let library = Library::new("inventory", LIBRARY_VERSION, &files);
        Self { own: OwnStore::new(redis, library, partitions) }
    }

    /// Puts a product into the catalogue.
    pub async fn create_product(&self, new: NewProduct) -> Result<Product, RedisError> {
        let id = ProductId::mint();
        let partition = self.own.partitions().of_product(id);
        let call = product_call("create_product", partition, id)
            .text(id)
            .arg(new.name.as_str())
            .text(new.price)
            .arg(i64::from(new.quantity));
        let [_, created_at] = self.own.call(partition, &call).await?.exactly("a creation")?;
        Ok(Product::created(id, new, Timestamp::from_millis(created_at.unsigned()?)))
    }

    /// Takes a product out of the catalogue. `false` when there is no such product.
    pub async fn delete_product(&self, id: ProductId) -> Result<bool, RedisError> {
        let partition = self.own.partitions().of_product(id);
        let call = product_call("delete_product", partition, id).text(id);
        Ok(self.own.call(partition, &call).await?.int()? == 1)
    }

    /// Finds a product in the catalogue.
    pub async fn find_product(&self, id: ProductId) -> Result<Option<Product>, RedisError> {
        let partition = self.own.partitions().of_product(id);
        let fields =
            self.own.run(Command::new("HGETALL").key(keys::product(partition, id))).await?;
        match Record::read(fields)? {
            Some(record) => parse_product(&record),
            None => self.own.confirm_absence(partition).await.map(|()| None),
        }
    }

    /// The newest products, or those created before `before`; one more than `limit` when there are
    /// more.
    pub async fn list_products(
        &self,
        before: Option<ProductId>,
        limit: usize,
    ) -> Result<Vec<Product>, RedisError> {
        let ids = self.own.newest_ids(keys::products, before, limit + 1).await?;
        let mut products = Vec::with_capacity(ids.len());
        for found in all(ids.into_iter().map(|id| self.find_product(id))).await {
            // Deleted between the two reads: it is in no catalogue any more.
            products.extend(found?);
        }
        Ok(products)
    }

    /// Takes the stock of paid orders, or asks for refunds; all of them in one call for each
    /// partition they touch.
    pub async fn apply_orders(
        &self,
        orders: &[OrderCompleted],
        keep: Duration,
    ) -> Result<Vec<Outcome>, RedisError> {
        let partitions = self.own.partitions();
        let mut outcomes = vec![Outcome::TooOld; orders.len()];
        for (partition, places) in
            by_partition(orders, |order| partitions.of_product(order.product_id))
        {
            let call = apply_call(partition, places.iter().map(|&place| &orders[place]), keep);
            let replies = self.own.call(partition, &call).await?.list_of(places.len())?;
            for (place, reply) in places.into_iter().zip(replies) {
                outcomes[place] = parse_outcome(&reply)?;
            }
        }
        Ok(outcomes)
    }

    /// Forgets what became of orders minted before `keep`. Orders that old are never applied, so
    /// nobody will ask.
    pub async fn sweep_applied(&self, keep: Duration) -> Result<usize, RedisError> {
        let mut swept = 0;
        for partition in self.own.partitions().all() {
            let index = keys::applied_buckets(partition);
            let now = self.own.now(partition).await?.as_millis();
            let keep_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
            let oldest = Timestamp::from_millis(now.saturating_sub(keep_ms));
            let list = Command::new("ZRANGEBYSCORE").key(index.as_str()).arg("-inf");
            // The bucket of `oldest` itself still has younger orders in it.
            let list =
                list.arg(format!("({}", keys::bucket(oldest))).arg("LIMIT").arg(0).arg(SWEEP_LIMIT);
            for bucket in self.own.run(list).await?.texts()? {
                let records = keys::applied(partition, bucket.parse().unwrap_or_default());
                // First the records, then their place in the index: a crash in between is swept
                // next time.
                self.own.run(Command::new("UNLINK").key(records)).await?;
                self.own.run(Command::new("ZREM").key(index.as_str()).arg(bucket)).await?;
                swept += 1;
            }
        }
        Ok(swept)
    }
}

fn product_call(function: &'static str, partition: Partition, id: ProductId) -> Call {
    Call::new(function)
        .key(keys::product(partition, id))
        .key(keys::products(partition))
        .key(keys::movements(partition, id))
        .key(keys::changes(partition))
}

fn apply_call<'a>(
    partition: Partition,
    orders: impl Iterator<Item = &'a OrderCompleted>,
    keep: Duration,
) -> Call {
    let mut call = Call::new("apply_orders")
        .key(partition.key(keys::REFUND_ORDER))
        .key(keys::applied_buckets(partition))
        .key(keys::changes(partition))
        .text(keep.as_millis());
    for order in orders {
        let bucket = keys::bucket(order.ordered_at);
        call = call
            .key(keys::product(partition, order.product_id))
            .key(keys::movements(partition, order.product_id))
            .key(keys::applied(partition, bucket))
            .text(order.order_id)
            .text(order.ordered_at.as_millis())
            .text(order.product_id)
            .arg(i64::from(order.quantity))
            .arg(order.traceparent.as_str())
            .arg(order.request_id.as_str())
            .text(bucket);
    }
    call
}

fn parse_outcome(reply: &Reply) -> Result<Outcome, RedisError> {
    use RefundReason::{InsufficientStock, ProductNotFound};
    Ok(match reply.int()? {
        1 => Outcome::Applied,
        2 => Outcome::Rejected(ProductNotFound),
        3 => Outcome::Rejected(InsufficientStock),
        4 => Outcome::Repeated(Decision::Applied),
        5 => Outcome::Repeated(Decision::Rejected(ProductNotFound)),
        6 => Outcome::Repeated(Decision::Rejected(InsufficientStock)),
        7 => Outcome::TooOld,
        other => {
            return Err(RedisError::Refused(format!("apply_orders answered {other}")));
        }
    })
}

/// `None` for a tombstone.
fn parse_product(record: &Record) -> Result<Option<Product>, RedisError> {
    if record.has("deleted_at") {
        return Ok(None);
    }
    Ok(Some(Product {
        id: record.parse("id")?,
        name: record.parse("name")?,
        price: record.parse("price")?,
        quantity: record.parse("quantity")?,
        version: record.parse("version")?,
        created_at: record.time("created_at")?,
        updated_at: record.time("updated_at")?,
    }))
}
