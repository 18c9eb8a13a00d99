//! How payments lies in its store.

use stack::twin::pattern;
use stack::twin::snapshot::{Kept, Snapshot};

use super::model::{Model, Order};
use super::request::Place;

type Fields = Vec<(String, String)>;

impl Model {
    /// Every key of the store.
    pub(crate) fn layout(&self) -> Snapshot {
        let partition = self.beginning.partition;
        let key = |name: &str| partition.key(name);
        let mut store = Snapshot::new();
        for (id, order) in &self.orders {
            store.insert(partition.key_of("order", id), Kept::hash(self.fields(order)));
        }
        let ids = self.orders.keys().map(|id| (id.to_string(), "0".to_owned()));
        store.insert(key("orders"), Kept::Sorted(ids.collect()));
        let due = self.waiting().map(|order| (order.placed.id.to_string(), order.due()));
        store.insert(key("due"), Kept::Sorted(due.collect()));
        store.insert(key("order_completed"), pattern::rows(self.events.iter().cloned()));
        store.insert(key("changes"), pattern::changes(&self.changes));
        // A sum to which nothing was ever added is not there.
        let sums = [("charged", self.charged), ("refunded", self.refunded)];
        let sums = sums.into_iter().filter(|(_, sum)| *sum > 0);
        store.insert(key("account"), Kept::hash(sums.map(|(name, sum)| (name, sum.to_string()))));
        self.claims.lay_out(&mut store);
        store
    }

    /// The hash of an order.
    pub(crate) fn fields(&self, order: &Order) -> Fields {
        let Place { wanted, quote, context, .. } = &order.placed;
        let mut found = fields(&[
            ("product_id", &wanted.product_id.to_string()),
            ("quantity", &wanted.quantity.to_string()),
            ("price", &quote.price.to_string()),
            ("fee", &quote.fee.to_string()),
            ("total", &quote.total.to_string()),
            ("traceparent", &context.traceparent.to_string()),
            ("request_id", &context.request_id.to_string()),
            ("status", order.status.as_str()),
            ("created_at", &pattern::at(order.created, 0)),
            ("completes_at", &order.due()),
        ]);
        if let Some(at) = order.cancelled {
            found.extend(fields(&[("cancelled_at", &pattern::at(at, 0))]));
        }
        if let Some(paid) = &order.paid {
            let stream = self.beginning.partition.key("order_completed");
            let entry = pattern::entry(&stream, paid.event);
            found.extend(fields(&[
                ("paid_at", &pattern::at(paid.at, 0)),
                ("completed_entry", &entry),
            ]));
        }
        if let Some(refunded) = &order.refunded {
            found.extend(fields(&[
                ("reason", refunded.reason.as_str()),
                ("refunded_at", &pattern::at(refunded.at, 0)),
                ("refund_entry", &refunded.entry),
            ]));
        }
        found
    }
}

impl Order {
    fn due(&self) -> String {
        pattern::at(self.created, self.placed.delay_ms)
    }
}

fn fields(pairs: &[(&str, &str)]) -> Fields {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}
