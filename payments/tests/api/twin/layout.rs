//! The keys of payments' store.

use proof::twin::pattern;
use proof::twin::snapshot::{Kept, Snapshot};

use super::model::Model;
use super::order::{Order, Refunded};

impl Model {
    /// Every key of the store.
    pub(crate) fn layout(&self) -> Snapshot {
        let partition = self.beginning.partition;
        let key = |name: &str| partition.key(name);
        let mut store = Snapshot::new();
        for (id, order) in &self.orders {
            store.insert(partition.key_of("order", id), Kept::Text(self.line(order)));
        }
        let placed = self.placed.iter();
        let placed = placed.map(|together| (together.member(), pattern::at(together.placed, 0)));
        store.insert(key("orders"), Kept::Sorted(placed.collect()));
        let due = self.due.iter().map(|together| {
            (
                together.member(),
                pattern::at(together.placed, together.delay_ms),
            )
        });
        store.insert(key("due"), Kept::Sorted(due.collect()));
        store.insert(
            key("order_completed"),
            pattern::rows(self.events.iter().cloned()),
        );
        store.insert(key("changes"), pattern::changes(&self.changes));
        // A sum to which no order was added is missing.
        let sums = [("charged", self.charged), ("refunded", self.refunded)];
        let sums = sums.into_iter().filter(|(_, sum)| *sum > 0);
        store.insert(
            key("account"),
            Kept::hash(sums.map(|(name, sum)| (name, sum.to_string()))),
        );
        self.claims.lay_out(&mut store);
        store
    }

    /// The line of an order.
    pub(crate) fn line(&self, order: &Order) -> String {
        let created = pattern::at(order.created, 0);
        let mut line = vec![order.placed.line(), created, order.due()];
        if let Some(at) = order.cancelled {
            line.push(format!("cancelled {}", pattern::at(at, 0)));
        }
        if let Some(paid) = &order.paid {
            let stream = self.beginning.partition.key("order_completed");
            let entry = pattern::entry(&stream, paid.event);
            line.push(format!("paid {} {entry}", pattern::at(paid.at, 0)));
        }
        if let Some(Refunded { at, reason, entry }) = &order.refunded {
            line.push(format!("refunded {} {reason} {entry}", pattern::at(*at, 0)));
        }
        line.join(" ")
    }
}

impl Order {
    fn due(&self) -> String {
        pattern::at(self.created, self.delay_ms)
    }
}
