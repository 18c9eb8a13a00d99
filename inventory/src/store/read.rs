//! What the store tells without changing anything.

use shared::contract::entry_id::EntryId;
use shared::contract::id::{OrderId, ProductId};
use shared::redis::{Command, RedisError};
use shared::store::index::{Direction, Range, Scanned};
use shared::store::partition::Partition;

use super::{ProductStore, line};
use crate::domain::{Filter, Movement, OrderRecord, Product, Sort};
use crate::keys;

impl ProductStore {
    /// Finds a product in the catalogue.
    pub async fn find_product(&self, id: ProductId) -> Result<Option<Product>, RedisError> {
        let partition = self.own.partitions().of(id);
        let line = self
            .own
            .read_line(partition, keys::product(partition, id))
            .await?;
        line.map_or(Ok(None), |line| {
            line::product_or_tombstone(id, line.as_bytes())
        })
    }

    /// A page of the catalogue behind `position`. The page may be short or empty although more
    /// products match, because the number of reads for it is bounded.
    pub async fn list_products(
        &self,
        filter: &Filter,
        sort: Sort,
        position: Option<&str>,
        limit: usize,
    ) -> Result<Scanned<Product>, RedisError> {
        let index: fn(Partition) -> String = match sort {
            Sort::Newest => keys::products,
            Sort::Name => keys::names,
        };
        let range = match (sort, &filter.prefix) {
            (Sort::Newest, _) => Range::all(Direction::Descending),
            (Sort::Name, None) => Range::all(Direction::Ascending),
            (Sort::Name, Some(prefix)) => {
                Range::starting_with(Direction::Ascending, prefix.folded())
            }
        };
        let range = position.into_iter().fold(range, Range::past);
        let find = |member: String| async move {
            let id = keys::named_id(&member).parse();
            let id = id.map_err(|error| {
                RedisError::malformed("the index of products", format!("{member}: {error}"))
            })?;
            // A product that was deleted after the index was read is not listed.
            Ok(self
                .find_product(id)
                .await?
                .filter(|product| filter.admits(product)))
        };
        self.own.scan(index, range, limit, find).await
    }

    /// The movements of a product before the movement `before`, the newest first. `None` when there
    /// never was such a product.
    pub async fn list_movements(
        &self,
        id: ProductId,
        before: Option<EntryId>,
        limit: usize,
    ) -> Result<Option<Scanned<Movement>>, RedisError> {
        if !self.ever_was(id).await? {
            return Ok(None);
        }
        let end = before.map_or_else(|| "+".to_owned(), |before| format!("({before}"));
        // One movement more than needed tells whether there is a next page.
        let mut items = self.movements(id, &end, "-", limit + 1).await?;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items
            .last()
            .filter(|_| more)
            .map(|last| last.id.to_string());
        Ok(Some(Scanned { items, next }))
    }

    /// The movement of one order, found through its record. `None` when there never was such a
    /// product.
    pub async fn find_movement(
        &self,
        id: ProductId,
        order_id: OrderId,
    ) -> Result<Option<Vec<Movement>>, RedisError> {
        if !self.ever_was(id).await? {
            return Ok(None);
        }
        let Some(entry) = self.recorded_movement(id, order_id).await? else {
            return Ok(Some(Vec::new()));
        };
        let entry = entry.to_string();
        let mut movements = self.movements(id, &entry, &entry, 1).await?;
        // The order may have been for another product of this partition.
        movements.retain(|movement| movement.order_id == Some(order_id));
        Ok(Some(movements))
    }

    /// The movement that stands in the record of an order. An order that was rejected or released
    /// has no movement there.
    async fn recorded_movement(
        &self,
        id: ProductId,
        order_id: OrderId,
    ) -> Result<Option<EntryId>, RedisError> {
        let Some(minted_at) = order_id.minted_at() else {
            return Ok(None);
        };
        let partition = self.own.partitions().of(id);
        let hour = keys::hour(minted_at);
        let order_id = order_id.to_string();
        let record = Command::new("HGET").key(keys::records(partition, hour));
        let record = self.own.run(record.arg(keys::record(&order_id).1)).await?;
        if record.is_null() {
            return Ok(None);
        }
        Ok(match line::record(hour, &record.text()?)? {
            OrderRecord::Applied(entry) => Some(entry),
            _ => None,
        })
    }

    /// Movements between two entries of the stream, the newest first.
    async fn movements(
        &self,
        id: ProductId,
        end: &str,
        start: &str,
        count: usize,
    ) -> Result<Vec<Movement>, RedisError> {
        let key = keys::movements(self.own.partitions().of(id), id);
        let range = Command::new("XREVRANGE").key(key).arg(end).arg(start);
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let entries = self
            .own
            .run(range.arg("COUNT").arg(count))
            .await?
            .entries()?;
        entries.iter().map(line::movement).collect()
    }

    /// Whether there is such a product, or its tombstone.
    async fn ever_was(&self, id: ProductId) -> Result<bool, RedisError> {
        let partition = self.own.partitions().of(id);
        let exists = Command::new("EXISTS").key(keys::product(partition, id));
        if self.own.run(exists).await?.int()? == 1 {
            return Ok(true);
        }
        self.own.confirm_absence(partition).await.map(|()| false)
    }
}
