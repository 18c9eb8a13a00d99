//! What the records of both services must agree on. No I/O.
//!
//! An order is compared with the record that inventory has of it, and a sale in a ledger with its
//! order. A stock is compared with its ledger, and the account with all orders. What does not agree
//! is a [`Difference`].

use shared::contract::entry_id::EntryId;
use shared::contract::id::{OrderId, ProductId};
use shared::contract::limits::{MAX_SKEW, MIN_RECORD_RETENTION};
use shared::contract::time::Timestamp;

mod books;
mod difference;
mod returns;

pub use crate::audit::books::{Ledger, Totals, decimal};
pub use crate::audit::difference::{Difference, Kind, Remedy};
pub use crate::audit::returns::Returns;
use crate::domain::{Found, Order, OrderRecord, OrderStatus};

/// What movements after a sale gave back of the stock of its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GivenBack {
    /// Nothing.
    Nothing,
    /// The stock of another sale to the same order.
    OtherSale,
    /// The stock of this sale.
    ThisSale,
}

/// A sale as it stands in the ledger of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sale {
    /// The product.
    pub product_id: ProductId,
    /// The order.
    pub order_id: OrderId,
    /// The movement.
    pub movement: EntryId,
    /// Pieces that came; below zero, because a sale takes pieces.
    pub delta: i64,
    /// Whether the stock was counted after it. The count corrected earlier mistakes.
    pub counted: bool,
}

/// Compares what the store has under the id of a listed order with the record at inventory.
pub fn compare_record(
    id: OrderId,
    found: &Found,
    outcome: OrderRecord,
    unchanged_since: Timestamp,
) -> Vec<Difference> {
    let damaged = |detail: &str| {
        let (kind, detail) = (Kind::OrderDamaged, detail.to_owned());
        vec![Difference {
            kind,
            order_id: Some(id),
            product_id: None,
            movement: None,
            detail,
        }]
    };
    match found {
        Found::Order(order) => compare_order(order, outcome, unchanged_since),
        Found::Damaged(reason) => damaged(reason),
        Found::Missing => damaged("it is listed, and there is no such order"),
    }
}

/// Compares an order with its record at inventory. An order that changed after `unchanged_since`
/// may still be on its way.
pub fn compare_order(
    order: &Order,
    outcome: OrderRecord,
    unchanged_since: Timestamp,
) -> Vec<Difference> {
    let wrong = (!order.quote.adds_up(order.wanted.quantity)).then(|| {
        let detail = format!(
            "{} is not the price of its pieces plus the fee",
            order.quote.total
        );
        Difference::of(Kind::WrongTotal, order, detail)
    });
    let found = (last_change(order) < unchanged_since)
        .then(|| standing(order, outcome, unchanged_since))
        .flatten();
    let found = found.map(|(kind, detail)| Difference::of(kind, order, detail));
    wrong.into_iter().chain(found).collect()
}

fn last_change(order: &Order) -> Timestamp {
    let changes = [order.paid_at, order.cancelled_at, order.refunded_at];
    changes
        .into_iter()
        .flatten()
        .fold(order.created_at, Ord::max)
}

fn standing(
    order: &Order,
    outcome: OrderRecord,
    unchanged_since: Timestamp,
) -> Option<(Kind, String)> {
    let found = match (order.status, outcome) {
        (OrderStatus::Pending, _) if order.completes_at < unchanged_since => (
            Kind::Overdue,
            format!("it was due at {}", order.completes_at),
        ),
        (OrderStatus::Paid, OrderRecord::Unknown) => (
            Kind::NoOutcome,
            "paid, and inventory knows nothing of it".to_owned(),
        ),
        (OrderStatus::Paid, OrderRecord::Forgotten) if is_young(order, unchanged_since) => {
            let detail =
                "paid, and inventory calls it too old, although it is less than 7 days old";
            (Kind::ForgottenEarly, detail.to_owned())
        }
        (OrderStatus::Paid, OrderRecord::Rejected(reason)) => (
            Kind::RefundMissing,
            format!("paid, and rejected by inventory: {reason}"),
        ),
        (OrderStatus::Paid, OrderRecord::Released) => (
            Kind::RefundMissing,
            "paid, and its stock was given back".to_owned(),
        ),
        (OrderStatus::Cancelled | OrderStatus::Refunded, OrderRecord::Applied(movement)) => (
            Kind::StockTaken,
            format!("{}, and its stock is taken by {movement}", order.status),
        ),
        // A pending order whose stock is taken was paid before its store forgot it. It will be paid
        // again, and is known then.
        _ => return None,
    };
    Some(found)
}

/// Whether inventory has to remember an order of this age under any settings.
fn is_young(order: &Order, unchanged_since: Timestamp) -> bool {
    order.created_at > unchanged_since.earlier_by(MIN_RECORD_RETENTION.saturating_sub(MAX_SKEW))
}

/// Compares a sale with its order (`None` where there is no such order), with the record of the
/// order, and with what was given back since.
pub fn compare_sale(
    sale: &Sale,
    order: Option<&Order>,
    outcome: OrderRecord,
    given_back: GivenBack,
) -> Vec<Difference> {
    let Sale {
        product_id,
        order_id,
        movement,
        delta,
        counted,
    } = *sale;
    let difference = |kind, detail| Difference {
        kind,
        order_id: Some(order_id),
        product_id: Some(product_id),
        movement: Some(movement),
        detail,
    };
    let is_own = outcome == OrderRecord::Applied(movement);
    let surplus = match (outcome, given_back) {
        // The record of a released order does not tell which sale is its own.
        (OrderRecord::Forgotten, _)
        | (OrderRecord::Released, GivenBack::Nothing)
        | (_, GivenBack::ThisSale) => None,
        _ if is_own => None,
        (OrderRecord::Unknown, _) => {
            let detail = format!("sold by {movement}, and nothing is recorded of the order");
            Some(difference(Kind::UnrecordedSale, detail))
        }
        _ if counted => {
            let detail =
                format!("sold once too often by {movement}, and the stock was counted since");
            Some(difference(Kind::UnrecordedSale, detail))
        }
        _ => {
            let detail = format!("sold once too often by {movement}");
            Some(difference(Kind::SoldTwice, detail))
        }
    };
    let other = match order {
        None if is_own => Some(difference(
            Kind::UnknownOrder,
            format!("sold by {movement}, and payments has no such order"),
        )),
        Some(order)
            if order.wanted.product_id != product_id
                || delta != -i64::from(order.wanted.quantity) =>
        {
            let detail = format!(
                "{movement} moved {delta}, ordered were {}",
                order.wanted.quantity
            );
            Some(difference(Kind::OtherSale, detail))
        }
        _ => None,
    };
    surplus.into_iter().chain(other).collect()
}

#[cfg(test)]
mod tests;
