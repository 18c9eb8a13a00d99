//! The books: the ledger of a product, and the account beside all orders.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::contract::entry_id::EntryId;
use shared::contract::id::ProductId;
use shared::contract::time::Timestamp;

use super::{Difference, Kind};
use crate::domain::{Account, Order};

/// Follows a ledger from its newest movement to its oldest.
#[derive(Debug)]
pub struct Ledger {
    stock: i64,
    /// The movement that was taken last, which is newer, and the balance that it needs before it.
    later: Option<(EntryId, i64)>,
    flaw: Option<String>,
}

/// Adds up the orders of each part of a store, to compare them with the account of that part at the
/// time it was read.
#[derive(Clone, Debug)]
pub struct Totals<Part> {
    accounts: BTreeMap<Part, (Account, Total, Total)>,
}

/// A sum of orders beside an account. It is unknown whether the account counts an order of the
/// millisecond in which it was read.
#[derive(Clone, Copy, Debug, Default)]
struct Total {
    certain: u64,
    same_instant: u64,
}

/// Longer than it takes to read all orders after their account. No order that was read can have a
/// later time, unless the clock of the store was ahead.
const LONGEST_WALK: Duration = Duration::from_hours(1);

impl Ledger {
    /// The ledger of a product with `stock` pieces on hand.
    pub fn new(stock: i64) -> Self {
        Self {
            stock,
            later: None,
            flaw: None,
        }
    }

    /// Takes the next older movement.
    pub fn push(&mut self, id: EntryId, delta: i64, balance: i64) {
        let flaw = match self.later {
            None if balance != self.stock => Some(format!(
                "{} on hand, and the newest movement left {balance}",
                self.stock
            )),
            Some((later, before)) if balance != before => Some(format!(
                "movement {later} needs {before} before it, and {id} left {balance}"
            )),
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
        let (kind, order_id, movement) = (Kind::WrongStock, None, None);
        Some(Difference {
            kind,
            order_id,
            product_id,
            movement,
            detail,
        })
    }
}

impl<Part: Ord> Totals<Part> {
    /// Totals of no orders yet, beside these accounts.
    pub fn beside(accounts: impl IntoIterator<Item = (Part, Account)>) -> Self {
        let zero = Total::default();
        let accounts = accounts
            .into_iter()
            .map(|(part, read)| (part, (read, zero, zero)));
        Self {
            accounts: accounts.collect(),
        }
    }

    /// When the first of the accounts was read.
    pub fn read_at(&self) -> Timestamp {
        let times = self.accounts.values().map(|(account, ..)| account.at);
        times.min().unwrap_or(Timestamp::from_millis(0))
    }

    /// The sums that were charged and refunded, by the accounts.
    pub fn accounts(&self) -> (u64, u64) {
        let accounts = self.accounts.values().map(|(account, ..)| account);
        accounts.fold((0, 0), |(charged, refunded), account| {
            (
                charged.saturating_add(account.charged),
                refunded.saturating_add(account.refunded),
            )
        })
    }

    /// The sums that were charged and refunded, by the orders.
    pub fn orders(&self) -> (u64, u64) {
        self.accounts
            .values()
            .fold((0, 0), |(paid, back), (_, charged, refunded)| {
                (
                    paid.saturating_add(charged.certain),
                    back.saturating_add(refunded.certain),
                )
            })
    }

    /// Adds an order that is in this part of the store.
    pub fn add(&mut self, part: &Part, order: &Order) {
        if let Some((account, charged, refunded)) = self.accounts.get_mut(part) {
            let total = order.quote.total.as_minor();
            charged.add(order.paid_at, account.at, total);
            refunded.add(order.refunded_at, account.at, total);
        }
    }

    /// The accounts that are not the sums of their orders.
    pub fn differences(&self) -> impl Iterator<Item = Difference> {
        self.accounts
            .values()
            .flat_map(|(account, charged, refunded)| {
                let charged = charged.compare("charged", account.charged);
                [charged, refunded.compare("refunded", account.refunded)]
                    .into_iter()
                    .flatten()
            })
    }
}

impl Total {
    /// Adds a payment or refund of the time `when`, if that is before the account was read. A time
    /// far in the future may be one from before too: the clock of the store was ahead then.
    fn add(&mut self, when: Option<Timestamp>, read: Timestamp, total: u64) {
        match when {
            Some(when) if when < read => self.certain = self.certain.saturating_add(total),
            Some(when) if when == read || when > read.later_by(LONGEST_WALK) => {
                self.same_instant = self.same_instant.saturating_add(total);
            }
            _ => {}
        }
    }

    fn compare(self, name: &str, account: u64) -> Option<Difference> {
        let Self {
            certain,
            same_instant,
        } = self;
        if (certain..=certain.saturating_add(same_instant)).contains(&account) {
            return None;
        }
        let (kind, order_id, product_id) = (Kind::WrongAccount, None, None);
        let (sum, account) = (decimal(certain), decimal(account));
        let detail = format!("{account} {name}, and the orders add up to {sum}");
        Some(Difference {
            kind,
            order_id,
            product_id,
            movement: None,
            detail,
        })
    }
}

/// A sum of minor units as people write it.
pub fn decimal(minor: u64) -> String {
    format!("{}.{:02}", minor / 100, minor % 100)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::contract::id::OrderId;

    use super::*;
    use crate::domain::{PlaceOrder, Quote};

    const READ: u64 = 1_000;

    /// The ledger of these balances, the oldest first, beside this stock.
    fn flaw(balances: &[i64], stock: i64, spoiled: Option<usize>) -> Option<Difference> {
        let mut ledger = Ledger::new(stock);
        for (place, &balance) in balances.iter().enumerate().rev() {
            let before = if place == 0 { 0 } else { balances[place - 1] };
            let delta = balance - before + i64::from(spoiled == Some(place));
            ledger.push(EntryId::first_of(place as u64), delta, balance);
        }
        ledger.finish(ProductId::EXAMPLE)
    }

    fn order(paid_at: u64, refunded_at: Option<u64>) -> Order {
        let wanted = PlaceOrder {
            product_id: ProductId::EXAMPLE,
            quantity: 1,
        };
        let quote = Quote::of("1".parse().unwrap(), 1, "0".parse().unwrap()).unwrap();
        let at = Timestamp::from_millis;
        let placed = Order::placed(OrderId::mint(), wanted, quote, at(0), at(0));
        Order {
            paid_at: Some(at(paid_at)),
            refunded_at: refunded_at.map(at),
            ..placed
        }
    }

    proptest! {
        #[test]
        fn a_ledger_is_sound_until_its_stock_or_a_movement_is_changed(
            balances in proptest::collection::vec(0_i64..1_000, 1..50),
            place: prop::sample::Index,
        ) {
            let stock = balances[balances.len() - 1];
            prop_assert_eq!(flaw(&balances, stock, None), None);
            prop_assert!(flaw(&balances, stock + 1, None).is_some());
            let place = place.index(balances.len());
            // The balance before the oldest movement is unknown.
            prop_assert_eq!(flaw(&balances, stock, Some(place)).is_some(), place > 0);
        }

        #[test]
        fn an_account_agrees_with_the_orders_of_its_time_and_with_no_others(
            (before, at, after) in (0_u64..20, 0_u64..20, 0_u64..20),
            counted in 0_u64..20,
            off in 1_u64..100,
        ) {
            let counted = counted.min(at);
            let charged = (before + counted) * 100;
            let totals = |charged| {
                let account = Account { at: Timestamp::from_millis(READ), charged, refunded: 0 };
                let mut totals = Totals::beside([((), account)]);
                let times = [(READ - 1, before), (READ, at), (READ + 1, after)];
                for (time, count) in times {
                    (0..count).for_each(|_| totals.add(&(), &order(time, Some(READ + 1))));
                }
                totals
            };
            prop_assert_eq!(totals(charged).differences().count(), 0);
            prop_assert_eq!(totals(before * 100 + at * 100 + off).differences().count(), 1);
            if before > 0 {
                prop_assert_eq!(totals(before * 100 - off.min(100)).differences().count(), 1);
            }
        }
    }
}
