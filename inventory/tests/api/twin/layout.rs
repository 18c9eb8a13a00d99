//! The keys of inventory's store.

use std::collections::BTreeMap;

use inventory::domain::Decision;
use proof::twin::pattern;
use proof::twin::snapshot::{Kept, Snapshot};
use shared::contract::event::RefundReason;
use shared::contract::id::ProductId;

use super::model::Model;
use super::product::{Deleted, Listed, Movement, Product, Recorded};
use super::request::RECORD_FROM;

type Fields = Vec<(String, String)>;

impl Model {
    /// Every key of the store.
    pub(crate) fn layout(&self) -> Snapshot {
        let partition = self.beginning.partition;
        let key = |name: &str| partition.key(name);
        let mut store = Snapshot::new();
        let (mut products, mut names) = (BTreeMap::new(), BTreeMap::new());
        for (id, place) in &self.products {
            store.insert(partition.key_of("product", id), Kept::Text(place.line()));
            let rows = place.movements.iter().map(Movement::fields);
            store.insert(partition.key_of("movements", id), pattern::rows(rows));
            if let Ok(product) = &place.product {
                products.insert(id.to_string(), "0".to_owned());
                names.insert(format!("{}\0{id}", product.sort_name), "0".to_owned());
            }
        }
        store.insert(key("products"), Kept::Sorted(products));
        store.insert(key("names"), Kept::Sorted(names));

        let mut records: BTreeMap<u64, Fields> = BTreeMap::new();
        for (id, recorded) in &self.records {
            let record = id.to_string().split_off(RECORD_FROM);
            let of_hour = records.entry(recorded.hour).or_default();
            if let (true, Some(movement)) = (recorded.released, recorded.movement) {
                of_hour.push((format!("{record}:released"), self.short(movement)));
            }
            of_hour.push((record, self.found(recorded)));
        }
        let index = records
            .keys()
            .map(|hour| (hour.to_string(), hour.to_string()));
        store.insert(key("record_hours"), Kept::Sorted(index.collect()));
        if let Some(swept) = self.swept {
            store.insert(
                partition.key_of("records", "swept"),
                Kept::Text(swept.to_string()),
            );
        }
        for (hour, records) in records {
            store.insert(partition.key_of("records", hour), Kept::hash(records));
        }

        store.insert(
            key("refund_order"),
            pattern::rows(self.refunds.iter().cloned()),
        );
        store.insert(key("changes"), pattern::changes(&self.changes));
        self.claims.lay_out(&mut store);
        store
    }

    /// The value of an order's record: the id of its movement, or why it was rejected.
    fn found(&self, recorded: &Recorded) -> String {
        let code = match recorded.decision {
            Decision::Rejected(RefundReason::ProductNotFound) => "2",
            Decision::Rejected(RefundReason::InsufficientStock) => "3",
            Decision::Rejected(RefundReason::Released) => "4",
            Decision::Applied => return self.short(recorded.movement.unwrap()),
        };
        code.to_owned()
    }

    /// The id of a movement in a record.
    fn short(&self, (product, place): (ProductId, usize)) -> String {
        pattern::short_entry(
            &self.beginning.partition.key_of("movements", product),
            place,
        )
    }
}

impl Listed {
    /// The line of the product, or its tombstone.
    pub(crate) fn line(&self) -> String {
        match &self.product {
            Err(Deleted { at }) => format!("deleted {}", pattern::at(*at, 0)),
            Ok(product) => product.line(),
        }
    }
}

impl Product {
    /// The line of the product.
    pub(super) fn line(&self) -> String {
        let Self {
            version,
            quantity,
            price,
            name,
            sort_name,
            ..
        } = self;
        let (created, updated) = (pattern::at(self.created, 0), pattern::at(self.updated, 0));
        format!("{version} {quantity} {updated} {price} {created} {name}\t{sort_name}")
    }
}

impl Movement {
    /// The one field of a movement. Its name is the kind of the movement.
    fn fields(&self) -> Fields {
        let about = self.note.clone().or(self.order.map(|id| id.to_string()));
        let about = about.map(|about| format!(" {about}")).unwrap_or_default();
        let text = format!("{} {}{about}", self.delta, self.balance);
        vec![(self.kind.as_str().to_owned(), text)]
    }
}
