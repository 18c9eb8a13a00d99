//! Paid orders: the call that takes their stock.

use std::collections::HashMap;
use std::fmt::{Display, Write};
use std::time::Duration;

use shared::event::OrderCompleted;
use shared::function::Call;
use shared::id::{Partition, ProductId};
use shared::own_store::by_partition;
use shared::redis::RedisError;

use super::{Store, reply};
use crate::domain::Outcome;
use crate::keys;

/// Orders that one call is about at most; `lua/apply_orders.lua` refuses more.
const MAX_BATCH: usize = 1_000;

/// The lists of a call, as JSON.
#[derive(Default)]
struct Lists {
    places: HashMap<ProductId, usize>,
    products: Json,
    runs: Vec<Run>,
    records: Json,
    orders: Json,
    events: Json,
}

/// Orders in a row whose ids are of one hour and begin alike.
struct Run {
    bucket: u64,
    count: usize,
    head: String,
}

/// A list that is being written. None of its texts has anything that would have to be escaped.
#[derive(Default)]
struct Json(String);

impl Store {
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
            for places in places.chunks(MAX_BATCH) {
                let call = apply_call(partition, places.iter().map(|&place| &orders[place]), keep);
                let replies = self.own.call(partition, &call).await?.list_of(places.len())?;
                for (&place, reply) in places.iter().zip(replies) {
                    outcomes[place] = reply::outcome(&reply)?;
                }
            }
        }
        Ok(outcomes)
    }
}

fn apply_call<'a>(
    partition: Partition,
    orders: impl Iterator<Item = &'a OrderCompleted>,
    keep: Duration,
) -> Call {
    let mut lists = Lists::default();
    for order in orders {
        lists.add(order);
    }
    let mut runs = Json::default();
    for Run { bucket, count, head } in &lists.runs {
        runs.item(format_args!("[{bucket},{count},\"{head}\"]"));
    }
    Call::new("apply_orders")
        .key(partition.key(keys::REFUND_ORDER))
        .key(keys::applied_buckets(partition))
        .key(keys::changes(partition))
        .text(keep.as_millis())
        .arg(keys::products_prefix(partition))
        .arg(keys::movements_prefix(partition))
        .arg(keys::applied_prefix(partition))
        .arg(lists.products.finish())
        .arg(runs.finish())
        .arg(lists.records.finish())
        .arg(lists.orders.finish())
        .arg(lists.events.finish())
}

impl Lists {
    fn add(&mut self, order: &OrderCompleted) {
        let next = self.places.len() + 1;
        let place = *self.places.entry(order.product_id).or_insert(next);
        if place == next {
            self.products.text(order.product_id);
        }
        let id = order.order_id.to_string();
        let (head, record) = keys::record(&id);
        let bucket = keys::bucket(order.ordered_at);
        match self.runs.last_mut() {
            Some(run) if run.bucket == bucket && run.head == head => run.count += 1,
            _ => self.runs.push(Run { bucket, count: 1, head: head.to_owned() }),
        }
        self.records.text(record);
        self.orders.item(format_args!("{place},{}", order.quantity));
        self.events.item(order.ordered_at.as_millis());
        self.events.text(&order.traceparent);
        self.events.text(&order.request_id);
    }
}

impl Json {
    fn item(&mut self, item: impl Display) {
        self.0.push(if self.0.is_empty() { '[' } else { ',' });
        // Nothing goes wrong when a text is written to.
        let _ = write!(self.0, "{item}");
    }

    fn text(&mut self, text: impl Display) {
        self.item(format_args!("\"{text}\""));
    }

    fn finish(mut self) -> String {
        self.0.push(']');
        self.0
    }
}
