//! The call of `apply_orders`, which takes the stock of paid orders.

use std::collections::HashMap;
use std::fmt::{Display, Write};
use std::time::Duration;

use shared::contract::event::OrderCompleted;
use shared::contract::id::ProductId;
use shared::store::function::Call;
use shared::store::partition::Partition;

use crate::keys;

/// The lists of a call, as JSON.
#[derive(Default)]
struct Lists {
    /// The number of each product in `products`, from 1.
    numbers: HashMap<ProductId, usize>,
    products: Json,
    runs: Vec<Run>,
    records: Json,
    orders: Json,
    events: Json,
}

/// Orders in a row whose ids are of one hour and have the same beginning.
struct Run {
    hour: u64,
    count: usize,
    head: String,
}

/// A JSON list that is being written. No text in it has characters that need an escape.
#[derive(Default)]
struct Json(String);

/// The most orders of one call; `lua/apply_orders.lua` refuses more.
pub(super) const MAX_BATCH: usize = 1_000;

/// The call of `apply_orders`.
pub(super) fn apply_orders<'a>(
    partition: Partition,
    orders: impl Iterator<Item = &'a OrderCompleted>,
    keep: Duration,
) -> Call {
    let mut lists = Lists::default();
    for order in orders {
        lists.add(order);
    }
    let mut runs = Json::default();
    for Run { hour, count, head } in &lists.runs {
        runs.item(format_args!("[{hour},{count},\"{head}\"]"));
    }
    Call::new("apply_orders")
        .key(partition.key(keys::REFUND_ORDER))
        .key(keys::record_hours(partition))
        .key(keys::changes(partition))
        .text(keep.as_millis())
        .arg(keys::products_prefix(partition))
        .arg(keys::movements_prefix(partition))
        .arg(keys::records_prefix(partition))
        .arg(lists.products.finish())
        .arg(runs.finish())
        .arg(lists.records.finish())
        .arg(lists.orders.finish())
        .arg(lists.events.finish())
}

impl Lists {
    fn add(&mut self, order: &OrderCompleted) {
        let next = self.numbers.len() + 1;
        let number = *self.numbers.entry(order.product_id).or_insert(next);
        if number == next {
            self.products.text(order.product_id);
        }
        let id = order.order_id.to_string();
        let (head, record) = keys::record(&id);
        let hour = keys::hour(order.ordered_at);
        match self.runs.last_mut() {
            Some(run) if run.hour == hour && run.head == head => run.count += 1,
            _ => self.runs.push(Run {
                hour,
                count: 1,
                head: head.to_owned(),
            }),
        }
        self.records.text(record);
        self.orders
            .item(format_args!("{number},{}", order.quantity));
        self.events.text(&order.traceparent);
        self.events.text(&order.request_id);
    }
}

impl Json {
    fn item(&mut self, item: impl Display) {
        self.0.push(if self.0.is_empty() { '[' } else { ',' });
        // Writing to a String cannot fail.
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
