//! The content of both stores, as far as the rules need it.

use std::collections::{BTreeMap, HashMap};

use stack::redis::Owner;

/// Both stores at rest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stores {
    pub(crate) orders: HashMap<String, Order>,
    /// Orders that are still to be paid.
    pub(crate) due: Vec<String>,
    /// The sums of all charges and of all refunds, in cents; `None` if the store has no account.
    pub(crate) account: Option<(i64, i64)>,
    pub(crate) completed: Stream,
    pub(crate) refunds: Stream,
    pub(crate) products: HashMap<String, Product>,
    /// The records of each order in inventory, one from each hour that has a record of it.
    pub(crate) records: HashMap<String, Vec<Record>>,
    pub(crate) dead_letters: Vec<DeadLetter>,
    /// Entries that are still being recovered, each with its number of attempts.
    pub(crate) attempts: Vec<String>,
}

/// An order of payments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) status: String,
    pub(crate) product: String,
    pub(crate) quantity: i64,
    /// Money is in cents.
    pub(crate) price: i64,
    pub(crate) fee: i64,
    pub(crate) total: i64,
    pub(crate) request: String,
    pub(crate) created_at: i64,
    pub(crate) paid_at: Option<i64>,
    pub(crate) cancelled_at: Option<i64>,
    pub(crate) refunded_at: Option<i64>,
}

/// A product of inventory, with its ledger.
#[derive(Clone, Debug, Default)]
pub(crate) struct Product {
    /// `None` for a tombstone, or if only the ledger of the product exists.
    pub(crate) stock: Option<i64>,
    pub(crate) deleted: bool,
    pub(crate) movements: Vec<Movement>,
}

/// One change of a stock, from the ledger of its product.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Movement {
    pub(crate) entry: String,
    pub(crate) kind: String,
    pub(crate) delta: i64,
    pub(crate) balance: i64,
    pub(crate) order: Option<String>,
    pub(crate) note: Option<String>,
}

/// The record of an order in inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// Its stock was taken by this movement.
    Applied(String),
    /// The order was refused, or its stock was given back.
    Refused,
}

/// A stream between the services, and its reader.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream {
    pub(crate) entries: Vec<Event>,
    /// Entries that were ever added.
    pub(crate) added: u64,
    pub(crate) last: String,
    /// The groups by name: the number of pending entries, and the last delivered entry.
    pub(crate) groups: BTreeMap<String, (u64, String)>,
}

/// An entry of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) entry: String,
    pub(crate) order: String,
    pub(crate) product: String,
    pub(crate) quantity: i64,
    /// In cents; 0 if the event has no total.
    pub(crate) total: i64,
    /// Whether the harness planted the entry as poison.
    pub(crate) poison: bool,
}

/// A dead letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeadLetter {
    /// The store whose stream it comes from.
    pub(crate) from: Owner,
    pub(crate) entry: String,
    pub(crate) reason: String,
    pub(crate) order: String,
    pub(crate) poison: bool,
}

impl Stream {
    /// The entries without the poison of the harness.
    pub(crate) fn events(&self) -> impl Iterator<Item = &Event> {
        self.entries.iter().filter(|event| !event.poison)
    }
}

impl Order {
    /// Whether it was charged at some time.
    pub(crate) fn was_paid(&self) -> bool {
        matches!(self.status.as_str(), "paid" | "refunded")
    }
}

impl Stores {
    /// Whether the stock of this order is taken.
    pub(crate) fn is_applied(&self, order: &str) -> bool {
        let records = self.records.get(order);
        records.is_some_and(|all| {
            all.iter()
                .any(|record| matches!(record, Record::Applied(_)))
        })
    }
}
