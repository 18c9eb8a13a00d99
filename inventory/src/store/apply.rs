//! Paid orders, as the call that takes their stock is told of them.

use std::collections::HashMap;
use std::fmt::{Display, Write};
use std::time::Duration;

use shared::contract::event::OrderCompleted;
use shared::contract::id::{Partition, ProductId};
use shared::store::function::Call;

use crate::keys;

/// Orders that one call is about at most; `lua/apply_orders.lua` refuses more.
pub(super) const MAX_BATCH: usize = 1_000;

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
    hour: u64,
    count: usize,
    head: String,
}

/// A list that is being written. None of its texts has anything that would have to be escaped.
#[derive(Default)]
struct Json(String);

/// Adds the arguments of `apply_orders` to its call.
pub(super) fn with_orders<'a>(
    call: Call,
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
    call.key(partition.key(keys::REFUND_ORDER))
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
        let next = self.places.len() + 1;
        let place = *self.places.entry(order.product_id).or_insert(next);
        if place == next {
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
        self.orders.item(format_args!("{place},{}", order.quantity));
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
