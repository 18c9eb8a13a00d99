//! How inventory lies in its store.

use std::collections::BTreeMap;

use inventory::domain::Decision;
use shared::event::RefundReason;
use stack::twin::pattern;
use stack::twin::snapshot::{Kept, Snapshot};

use super::model::{Deleted, Model, Movement, Place, Product, Recorded};

type Fields = Vec<(String, String)>;

impl Model {
    /// Every key of the store.
    pub(crate) fn layout(&self) -> Snapshot {
        let partition = self.beginning.partition;
        let key = |name: &str| partition.key(name);
        let mut store = Snapshot::new();
        let (mut products, mut names) = (BTreeMap::new(), BTreeMap::new());
        for (id, place) in &self.products {
            store.insert(partition.key_of("product", id), Kept::hash(place.fields()));
            let rows = place.movements.iter().map(Movement::fields);
            store.insert(partition.key_of("movements", id), pattern::rows(rows));
            if let Ok(product) = &place.product {
                products.insert(id.to_string(), "0".to_owned());
                names.insert(format!("{}\0{id}", product.sort_name), "0".to_owned());
            }
        }
        store.insert(key("products"), Kept::Sorted(products));
        store.insert(key("names"), Kept::Sorted(names));

        let mut buckets: BTreeMap<u64, Fields> = BTreeMap::new();
        for (id, recorded) in &self.records {
            let found = (id.to_string(), self.found(recorded));
            buckets.entry(recorded.bucket).or_default().push(found);
        }
        let index = buckets.keys().map(|bucket| (bucket.to_string(), bucket.to_string()));
        store.insert(key("applied"), Kept::Sorted(index.collect()));
        for (bucket, records) in buckets {
            store.insert(partition.key_of("applied", bucket), Kept::hash(records));
        }

        store.insert(key("refund_order"), pattern::rows(self.refunds.iter().cloned()));
        store.insert(key("changes"), pattern::changes(&self.changes));
        self.claims.lay_out(&mut store);
        store
    }

    /// What the record of an order says: the id of its movement, or why there is none.
    fn found(&self, recorded: &Recorded) -> String {
        if recorded.released {
            return "4".to_owned();
        }
        match (recorded.decision, recorded.movement) {
            (Decision::Rejected(RefundReason::ProductNotFound), _) => "2".to_owned(),
            (Decision::Rejected(RefundReason::InsufficientStock), _) => "3".to_owned(),
            (Decision::Applied, movement) => {
                let (id, place) = movement.unwrap();
                pattern::entry(&self.beginning.partition.key_of("movements", id), place)
            }
        }
    }
}

impl Place {
    /// The hash of the product, or its tombstone.
    pub(crate) fn fields(&self) -> Fields {
        let product = match &self.product {
            Err(Deleted { at }) => return fields(&[("deleted_at", &pattern::at(*at, 0))]),
            Ok(product) => product,
        };
        let Product { id, name, sort_name, price, quantity, version, created, updated } = product;
        fields(&[
            ("id", &id.to_string()),
            ("name", name),
            ("sort_name", sort_name),
            ("price", price),
            ("quantity", &quantity.to_string()),
            ("version", &version.to_string()),
            ("created_at", &pattern::at(*created, 0)),
            ("updated_at", &pattern::at(*updated, 0)),
        ])
    }
}

impl Movement {
    fn fields(&self) -> Fields {
        let mut found = fields(&[
            ("kind", self.kind.as_str()),
            ("delta", &self.delta.to_string()),
            ("balance", &self.balance.to_string()),
        ]);
        found.extend(self.note.clone().map(|note| ("note".to_owned(), note)));
        found.extend(self.order.map(|id| ("order_id".to_owned(), id.to_string())));
        found
    }
}

fn fields(pairs: &[(&str, &str)]) -> Fields {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}
