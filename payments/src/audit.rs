//! What the records of both services must agree on. No I/O.
//!
//! An order is compared with what inventory recorded of it, a sale in a ledger with its order, a
//! stock with its ledger, and the account with all orders. What does not agree is a [`Difference`].

use serde::Serialize;
use shared::contract::entry_id::EntryId;
use shared::contract::event::RefundReason;
use shared::contract::id::{OrderId, ProductId};
use shared::contract::limits::{MAX_SKEW, MIN_RECORD_RETENTION};
use shared::contract::time::Timestamp;

mod books;
mod returns;

pub use crate::audit::books::{Ledger, Sums, decimal};
pub use crate::audit::returns::Returns;
use crate::domain::{Found, Order, OrderStatus};

/// What inventory has on record of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its stock is taken, by this movement.
    Applied(EntryId),
    /// It is to be refunded.
    Rejected(RefundReason),
    /// Its stock was taken and given back.
    Released,
    /// It is older than inventory remembers orders.
    Forgotten,
    /// inventory has no record of it.
    Unknown,
}

/// A kind of difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The record of an order cannot be read, or is missing.
    OrderDamaged,
    /// An order whose total is not its pieces and its fee.
    WrongTotal,
    /// A pending order whose time has long passed.
    Overdue,
    /// A paid order of which inventory knows nothing.
    NoOutcome,
    /// A paid order that inventory calls too old to remember, although it is not.
    ForgottenEarly,
    /// A paid order that inventory rejected.
    RefundMissing,
    /// A sale beside the one that the record of its order names, or to an order that was rejected: the
    /// order took its stock once too often.
    SoldTwice,
    /// A cancelled or refunded order whose stock is taken.
    StockTaken,
    /// A sale to an order that is none of ours.
    UnknownOrder,
    /// A sale of another product, or of another number of pieces, than its order says.
    OtherSale,
    /// A sale that the record of its order does not name, and that nobody can repair: there is no
    /// record, or the stock was counted since.
    UnrecordedSale,
    /// A stock that does not follow from its movements.
    WrongStock,
    /// An account that is not the sum of its orders.
    WrongAccount,
}

/// Something that the records do not agree on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What kind of thing.
    pub kind: Kind,
    /// The order it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_id: Option<OrderId>,
    /// The product it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product_id: Option<ProductId>,
    /// The movement it is about. `detail` names it for people.
    #[serde(skip)]
    pub movement: Option<EntryId>,
    /// What was found.
    pub detail: String,
}

/// What makes a difference good again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The event of the order is emitted again: inventory acts on it, or repeats its answer.
    EmitAgain,
    /// inventory gives the stock of the order back: payments has no money for it.
    Release,
    /// inventory gives back what the order took by one movement too many.
    ReleaseSurplus,
}

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
    /// Pieces that came: fewer than none.
    pub delta: i64,
    /// Whether somebody counted the stock after it. The count made good what was wrong before.
    pub counted: bool,
}

impl Kind {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OrderDamaged => "order_damaged",
            Self::WrongTotal => "wrong_total",
            Self::Overdue => "overdue",
            Self::NoOutcome => "no_outcome",
            Self::ForgottenEarly => "forgotten_early",
            Self::RefundMissing => "refund_missing",
            Self::SoldTwice => "sold_twice",
            Self::StockTaken => "stock_taken",
            Self::UnknownOrder => "unknown_order",
            Self::OtherSale => "other_sale",
            Self::UnrecordedSale => "unrecorded_sale",
            Self::WrongStock => "wrong_stock",
            Self::WrongAccount => "wrong_account",
        }
    }

    /// What makes it good again, where that is safe to do. Counted stock and money are never
    /// changed: somebody has to find out which record is right.
    pub fn remedy(self) -> Option<Remedy> {
        match self {
            Self::NoOutcome | Self::RefundMissing => Some(Remedy::EmitAgain),
            Self::StockTaken | Self::UnknownOrder => Some(Remedy::Release),
            Self::SoldTwice => Some(Remedy::ReleaseSurplus),
            _ => None,
        }
    }
}

impl Difference {
    fn of(kind: Kind, order: &Order, detail: String) -> Self {
        let (order_id, product_id) = (Some(order.id), Some(order.wanted.product_id));
        Self {
            kind,
            order_id,
            product_id,
            movement: None,
            detail,
        }
    }
}

/// Compares whatever stands in the place of an order that is listed with what inventory recorded of
/// it.
pub fn of_record(
    id: OrderId,
    found: &Found,
    outcome: Outcome,
    settled: Timestamp,
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
        Found::Order(order) => of_order(order, outcome, settled),
        Found::Damaged(reason) => damaged(reason),
        Found::Missing => damaged("it is listed, and there is no such order"),
    }
}

/// Compares an order with what inventory recorded of it. One that changed after `settled` may still
/// be on its way.
pub fn of_order(order: &Order, outcome: Outcome, settled: Timestamp) -> Vec<Difference> {
    let wrong = (!order.quote.adds_up(order.wanted.quantity)).then(|| {
        let detail = format!("{} is not its pieces and its fee", order.quote.total);
        Difference::of(Kind::WrongTotal, order, detail)
    });
    let found = (last_change(order) < settled)
        .then(|| standing(order, outcome, settled))
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

fn standing(order: &Order, outcome: Outcome, settled: Timestamp) -> Option<(Kind, String)> {
    let found = match (order.status, outcome) {
        (OrderStatus::Pending, _) if order.completes_at < settled => (
            Kind::Overdue,
            format!("it was due at {}", order.completes_at),
        ),
        (OrderStatus::Paid, Outcome::Unknown) => (
            Kind::NoOutcome,
            "paid, and inventory knows nothing of it".to_owned(),
        ),
        (OrderStatus::Paid, Outcome::Forgotten) if is_young(order, settled) => {
            let detail =
                "paid, and inventory calls it too old, although it is less than 7 days old";
            (Kind::ForgottenEarly, detail.to_owned())
        }
        (OrderStatus::Paid, Outcome::Rejected(reason)) => (
            Kind::RefundMissing,
            format!("paid, and rejected by inventory: {reason}"),
        ),
        (OrderStatus::Paid, Outcome::Released) => (
            Kind::RefundMissing,
            "paid, and its stock was given back".to_owned(),
        ),
        (OrderStatus::Cancelled | OrderStatus::Refunded, Outcome::Applied(movement)) => (
            Kind::StockTaken,
            format!("{}, and its stock is taken by {movement}", order.status),
        ),
        // A pending order whose stock is taken was paid before its store forgot it. It will be paid
        // again, and is known then.
        _ => return None,
    };
    Some(found)
}

/// Whether inventory remembers an order of this age, whatever its settings say.
fn is_young(order: &Order, settled: Timestamp) -> bool {
    order.created_at > settled.earlier_by(MIN_RECORD_RETENTION.saturating_sub(MAX_SKEW))
}

/// Compares a sale with its order, `None` where there is no such order, with the record of that order,
/// and with what was given back since.
pub fn of_sale(
    sale: &Sale,
    order: Option<&Order>,
    outcome: Outcome,
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
    let is_own = outcome == Outcome::Applied(movement);
    let surplus = match (outcome, given_back) {
        // Nobody can tell any more which sale a released order should have.
        (Outcome::Forgotten, _)
        | (Outcome::Released, GivenBack::Nothing)
        | (_, GivenBack::ThisSale) => None,
        _ if is_own => None,
        (Outcome::Unknown, _) => {
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
            format!("sold by {movement} to nobody"),
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
