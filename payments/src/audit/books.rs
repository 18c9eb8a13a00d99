//! The books: the ledger of a product, and the account beside all orders.

use std::collections::BTreeMap;

use shared::entry_id::EntryId;
use shared::id::{Partition, ProductId};
use shared::time::Timestamp;

use super::{Difference, Kind};
use crate::domain::{Account, Order};

/// Follows a ledger from its newest movement to its oldest.
#[derive(Debug)]
pub struct Ledger {
    stock: i64,
    /// The movement before, and the balance it needs before it.
    later: Option<(EntryId, i64)>,
    flaw: Option<String>,
}

/// Adds up orders, to be compared with the account at the time it was read.
#[derive(Clone, Debug)]
pub struct Sums {
    accounts: BTreeMap<Partition, (Account, Sum, Sum)>,
}

/// A sum that is known up to what happened in the very millisecond.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    least: u64,
    maybe: u64,
}

impl Ledger {
    /// The ledger of a product with so many pieces on hand.
    pub fn new(stock: i64) -> Self {
        Self { stock, later: None, flaw: None }
    }

    /// Takes the next older movement.
    pub fn push(&mut self, id: EntryId, delta: i64, balance: i64) {
        let flaw = match self.later {
            None if balance != self.stock => {
                Some(format!("{} on hand, and the newest movement left {balance}", self.stock))
            }
            Some((later, before)) if balance != before => {
                Some(format!("movement {later} needs {before} before it, and {id} left {balance}"))
            }
            _ => None,
        };
        self.flaw = self.flaw.take().or(flaw);
        self.later = Some((id, balance.saturating_sub(delta)));
    }

    /// What does not fit.
    pub fn finish(self, product_id: ProductId) -> Option<Difference> {
        let none = || "there are no movements".to_owned();
        let detail = self.flaw.or_else(|| self.later.is_none().then(none))?;
        let product_id = Some(product_id);
        Some(Difference { kind: Kind::WrongStock, order_id: None, product_id, detail })
    }
}

impl Sums {
    /// Sums of no orders yet, beside these accounts.
    pub fn beside(accounts: impl IntoIterator<Item = (Partition, Account)>) -> Self {
        let zero = Sum::default();
        let accounts =
            accounts.into_iter().map(|(partition, read)| (partition, (read, zero, zero)));
        Self { accounts: accounts.collect() }
    }

    /// When the first of the accounts was read.
    pub fn read_at(&self) -> Timestamp {
        let times = self.accounts.values().map(|(account, ..)| account.at);
        times.min().unwrap_or(Timestamp::from_millis(0))
    }

    /// What was charged and refunded in all, by the accounts.
    pub fn accounts(&self) -> (u64, u64) {
        let accounts = self.accounts.values().map(|(account, ..)| account);
        accounts.fold((0, 0), |(charged, refunded), account| {
            (charged.saturating_add(account.charged), refunded.saturating_add(account.refunded))
        })
    }

    /// What was charged and refunded in all, by the orders.
    pub fn totals(&self) -> (u64, u64) {
        self.accounts.values().fold((0, 0), |(paid, back), (_, charged, refunded)| {
            (paid.saturating_add(charged.least), back.saturating_add(refunded.least))
        })
    }

    /// Adds an order of a partition.
    pub fn add(&mut self, partition: Partition, order: &Order) {
        if let Some((account, charged, refunded)) = self.accounts.get_mut(&partition) {
            let total = order.quote.total.as_minor();
            charged.add(order.paid_at, account.at, total);
            refunded.add(order.refunded_at, account.at, total);
        }
    }

    /// Whatever account is not the sum of its orders.
    pub fn differences(&self) -> impl Iterator<Item = Difference> {
        self.accounts.values().flat_map(|(account, charged, refunded)| {
            let charged = charged.compare("charged", account.charged);
            [charged, refunded.compare("refunded", account.refunded)].into_iter().flatten()
        })
    }
}

impl Sum {
    /// Adds what happened `when`, if that was before the account was read.
    fn add(&mut self, when: Option<Timestamp>, read: Timestamp, total: u64) {
        match when {
            Some(when) if when < read => self.least = self.least.saturating_add(total),
            Some(when) if when == read => self.maybe = self.maybe.saturating_add(total),
            _ => {}
        }
    }

    fn compare(self, name: &str, account: u64) -> Option<Difference> {
        let Self { least, maybe } = self;
        if (least..=least.saturating_add(maybe)).contains(&account) {
            return None;
        }
        let (kind, order_id, product_id) = (Kind::WrongAccount, None, None);
        let (sum, account) = (decimal(least), decimal(account));
        let detail = format!("{account} {name}, and the orders add up to {sum}");
        Some(Difference { kind, order_id, product_id, detail })
    }
}

/// A sum of minor units as people write it.
pub fn decimal(minor: u64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}
