//! What the store tells an operator: the records of many orders, and products beside their ledgers.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use shared::contract::id::{OrderId, ProductId};
use shared::contract::time::Timestamp;
use shared::redis::{Command, RedisError};
use shared::store::index::Scanned;
use shared::store::partition::Partition;

use super::{ProductStore, line};
use crate::domain::{Filter, OrderRecord, Sort, StockLedger};
use crate::keys;

/// How often a product that sells while it is read is read again.
const MAX_LOOKS: usize = 5;

impl ProductStore {
    /// The records of these orders, in their order, for any product. All questions are sent before
    /// the first answer is read, so this takes one round trip.
    pub async fn find_records(&self, orders: &[OrderId]) -> Result<Vec<OrderRecord>, RedisError> {
        let partitions = self.own.partitions();
        let mut groups: BTreeMap<(Partition, u64), Vec<usize>> = BTreeMap::new();
        for (place, minted_at) in orders
            .iter()
            .enumerate()
            .filter_map(|(place, id)| Some((place, id.minted_at()?)))
        {
            // The record lies in the partition of the product, which is unknown here: all are
            // asked.
            for partition in partitions.all() {
                groups
                    .entry((partition, keys::hour(minted_at)))
                    .or_default()
                    .push(place);
            }
        }
        let kept = join_all(partitions.all().map(|partition| self.first_kept(partition)));
        let questions = join_all(groups.iter().map(|(&(partition, hour), places)| {
            let ids = places.iter().map(|&place| orders[place].to_string());
            let ids = ids.map(|id| keys::record(&id).1.to_owned());
            let records = keys::records(partition, hour);
            self.own.run(Command::new("HMGET").key(records).args(ids))
        }));
        let (kept, answers) = tokio::join!(kept, questions);
        let kept: Vec<_> = kept.into_iter().collect::<Result<_, _>>()?;
        let oldest = kept
            .into_iter()
            .flatten()
            .max()
            .unwrap_or(Timestamp::from_millis(0));
        let mut found: Vec<OrderRecord> = orders.iter().map(|id| absent(*id, oldest)).collect();
        for ((&(_, hour), places), answer) in groups.iter().zip(answers) {
            for (&place, record) in places.iter().zip(answer?.list_of(places.len())?) {
                if !record.is_null() {
                    found[place] = line::record(hour, &record.text()?)?;
                }
            }
        }
        if found.contains(&OrderRecord::Unknown) {
            let absences = partitions
                .all()
                .map(|partition| self.own.confirm_absence(partition));
            join_all(absences)
                .await
                .into_iter()
                .collect::<Result<(), _>>()?;
        }
        Ok(found)
    }

    /// A page of the catalogue, the newest first, each product with its newest movements. `None`
    /// stands for a product that sells faster than it can be read, or was deleted meanwhile.
    pub async fn list_ledgers(
        &self,
        position: Option<&str>,
        limit: usize,
        movements: usize,
    ) -> Result<Scanned<Option<StockLedger>>, RedisError> {
        let page = self
            .list_products(&Filter::default(), Sort::Newest, position, limit)
            .await?;
        let ledgers = page
            .items
            .iter()
            .map(|product| self.ledger(product.id, movements));
        let items = join_all(ledgers)
            .await
            .into_iter()
            .collect::<Result<_, _>>()?;
        Ok(Scanned {
            items,
            next: page.next,
        })
    }

    /// A product and its ledger as they stood at one time: the product has the same version before
    /// and after the ledger is read.
    async fn ledger(&self, id: ProductId, count: usize) -> Result<Option<StockLedger>, RedisError> {
        for _ in 0..MAX_LOOKS {
            let Some(product) = self.find_product(id).await? else {
                return Ok(None);
            };
            let movements = self.list_movements(id, None, count).await?;
            let after = self.find_product(id).await?;
            if let (Some(Scanned { items, .. }), Some(after)) = (movements, after)
                && after.version == product.version
            {
                return Ok(Some(StockLedger {
                    product,
                    movements: items,
                }));
            }
        }
        Ok(None)
    }
}

fn absent(id: OrderId, oldest: Timestamp) -> OrderRecord {
    match id.minted_at() {
        Some(minted_at) if minted_at < oldest => OrderRecord::Forgotten,
        // Young, or with an id that no service minted.
        _ => OrderRecord::Unknown,
    }
}
