//! Differences between the records of both services, and their remedies.

use serde::Serialize;
use shared::contract::entry_id::EntryId;
use shared::contract::id::{OrderId, ProductId};

use crate::domain::Order;

/// A kind of difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The record of an order cannot be read, or is missing.
    OrderDamaged,
    /// An order whose total is not the price of its pieces plus the fee.
    WrongTotal,
    /// A pending order whose time has long passed.
    Overdue,
    /// A paid order of which inventory knows nothing.
    NoOutcome,
    /// A paid order that inventory calls too old to remember, although it is not.
    ForgottenEarly,
    /// A paid order that inventory rejected or released: its refund is missing.
    RefundMissing,
    /// A sale that the record of its order does not name: the record names another sale, or says
    /// that the order was rejected. The order took its stock once too often.
    SoldTwice,
    /// A cancelled or refunded order whose stock is taken.
    StockTaken,
    /// A sale to an order that payments does not know.
    UnknownOrder,
    /// A sale of another product, or of another number of pieces, than its order says.
    OtherSale,
    /// A sale that the record of its order does not name, and that cannot be repaired. The order
    /// has no record, or the stock was counted since.
    UnrecordedSale,
    /// A stock that does not follow from its movements.
    WrongStock,
    /// An account that is not the sum of its orders.
    WrongAccount,
}

/// A difference between the records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The kind of difference.
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

/// The repair of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The event of the order is emitted again: inventory acts on it, or repeats its answer.
    EmitAgain,
    /// inventory gives the stock of the order back: payments has no money for it.
    Release,
    /// inventory gives back what the order took by one movement too many.
    ReleaseSurplus,
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

    /// The repair of such a difference, where a repair is safe. Counted stock and money are never
    /// changed: an operator has to find out which record is right.
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
    pub(super) fn of(kind: Kind, order: &Order, detail: String) -> Self {
        let (order_id, product_id) = (Some(order.id), Some(order.wanted.product_id));
        Self {
            kind,
            order_id,
            product_id,
            movement: None,
            detail,
        }
    }

    /// The same difference, whose repair was refused for this reason.
    #[must_use]
    pub fn not_repaired(&self, why: &str) -> Self {
        let detail = format!("{}; not repaired: {why}", self.detail);
        Self {
            detail,
            ..self.clone()
        }
    }
}
