//! What an operator compares: the record of an order, and a stock beside its ledger.

use std::fmt;

use shared::contract::entry_id::EntryId;
use shared::contract::event::RefundReason;

use super::{Movement, Product};

/// The record of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderRecord {
    /// Its stock is taken, by this movement.
    Applied(EntryId),
    /// It is to be refunded.
    Rejected(RefundReason),
    /// Its stock was taken and given back.
    Released,
    /// It has no record, and at least one partition has swept its hour.
    Forgotten,
    /// It has no record.
    Unknown,
}

/// The outcome of a release of the stock of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// It is given back now.
    Released,
    /// It was given back before. For a released order, the refund is asked for again.
    Repeated,
    /// No stock of this product is taken for it.
    NotTaken,
    /// The product would have more than [`MAX_STOCK`](super::MAX_STOCK) pieces.
    TooMany,
}

/// The stock of a product beside its ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockLedger {
    /// The product.
    pub product: Product,
    /// Its newest movements, the newest first.
    pub movements: Vec<Movement>,
}

/// What is wrong with a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The balance of the newest movement is not the stock. `None` when there are no movements.
    Stock(Option<u32>),
    /// The balance before this movement and its delta do not add up to its own balance.
    Gap(EntryId),
}

impl StockLedger {
    /// The first flaw of the ledger. Without a flaw, the newest balance is the stock, and each
    /// balance is the balance before it plus the delta.
    pub fn flaw(&self) -> Option<Flaw> {
        let newest = self.movements.first().map(|movement| movement.balance);
        if newest != Some(self.product.quantity) {
            return Some(Flaw::Stock(newest));
        }
        let follows = |pair: &[Movement]| {
            let after = i64::from(pair[1].balance).checked_add(pair[0].delta);
            after == Some(i64::from(pair[0].balance))
        };
        let gap = self.movements.windows(2).find(|pair| !follows(pair));
        gap.map(|pair| Flaw::Gap(pair[0].id))
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stock(None) => f.write_str("there are no movements"),
            Self::Stock(Some(balance)) => write!(f, "the newest movement left {balance}"),
            Self::Gap(entry) => write!(
                f,
                "movement {entry} does not follow from the movement before it"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::contract::id::ProductId;
    use shared::contract::time::Timestamp;

    use super::super::{MovementKind, NewProduct};
    use super::*;

    /// A ledger with these balances, the newest last, of a product with the last of them in stock.
    fn ledger(balances: &[u32]) -> StockLedger {
        let mut before = 0;
        let mut movements = Vec::new();
        for (place, &balance) in (1..).zip(balances) {
            let delta = i64::from(balance) - i64::from(before);
            movements.push(Movement {
                id: EntryId::first_of(place),
                kind: MovementKind::Stocktake,
                delta,
                balance,
                order_id: None,
                note: None,
            });
            before = balance;
        }
        movements.reverse();
        let new = NewProduct {
            name: "Tea".parse().unwrap(),
            price: "1".parse().unwrap(),
            quantity: before,
        };
        let product = Product::created(ProductId::mint(), new, Timestamp::from_millis(0));
        StockLedger { product, movements }
    }

    proptest! {
        #[test]
        fn a_ledger_is_sound_until_a_movement_or_the_stock_is_changed(
            balances in proptest::collection::vec(0_u32..1_000, 2..20),
            place in any::<prop::sample::Index>(),
            by in 1_u32..10,
        ) {
            let sound = ledger(&balances);
            prop_assert_eq!(sound.flaw(), None);
            let mut more = sound.clone();
            more.product.quantity += by;
            prop_assert_eq!(more.flaw(), Some(Flaw::Stock(balances.last().copied())));
            let mut other = sound.clone();
            let place = place.index(balances.len());
            other.movements[place].delta += i64::from(by);
            // The balance before the oldest movement is unknown.
            let gap = Flaw::Gap(other.movements[place].id);
            prop_assert_eq!(other.flaw(), (place + 1 < balances.len()).then_some(gap));
        }
    }
}
