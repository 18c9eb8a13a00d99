//! Orders: what they cost and how they live. No I/O.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use shared::contract::event::RefundReason;
use shared::contract::id::{OrderId, ProductId};
use shared::contract::money::{FeeRate, Money};
use shared::contract::time::Timestamp;
use shared::contract::trace::{RequestId, TraceParent};

mod audit;

pub use audit::{Account, Found, OrderRecord};

/// What a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceOrder {
    /// The product.
    pub product_id: ProductId,
    /// The number of pieces, 1 to [`MAX_QUANTITY`].
    pub quantity: u32,
}

/// What an order costs. Fixed when the order is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// One piece.
    pub price: Money,
    /// The fee on the whole order.
    pub fee: Money,
    /// All pieces and the fee.
    pub total: Money,
}

/// The state of an order.
///
/// `pending` becomes `paid` when its delay has elapsed, or `cancelled` when the client asks in
/// time. `paid` becomes `refunded` when inventory rejects or releases the order. There is no other
/// move. The functions in `lua/` make the moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderStatus {
    /// Accepted, not paid yet.
    Pending,
    /// Paid. Its stock is taken, or it will be refunded.
    Paid,
    /// The client withdrew it in time. Final.
    Cancelled,
    /// The money went back. Final.
    Refunded,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its id.
    pub id: OrderId,
    /// What was ordered.
    pub wanted: PlaceOrder,
    /// What it costs.
    pub quote: Quote,
    /// Its state.
    pub status: OrderStatus,
    /// Why it was refunded.
    pub reason: Option<RefundReason>,
    /// When it was placed.
    pub created_at: Timestamp,
    /// When it is due to be paid.
    pub completes_at: Timestamp,
    /// When it was paid.
    pub paid_at: Option<Timestamp>,
    /// When it was cancelled.
    pub cancelled_at: Option<Timestamp>,
    /// When it was refunded.
    pub refunded_at: Option<Timestamp>,
    /// Where its events are.
    pub trail: Trail,
}

/// What ties an order to the request that placed it and to its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trail {
    /// The id of the request.
    pub request_id: Option<RequestId>,
    /// The trace of the request.
    pub traceparent: Option<TraceParent>,
    /// The entry of `order_completed` that was emitted when it was paid.
    pub completed_entry: Option<String>,
    /// The entry of `refund_order` by which it was refunded.
    pub refund_entry: Option<String>,
}

/// Which orders a list is to show. An empty filter shows all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrderFilter {
    /// Only orders in one of these states. An empty list admits all states.
    pub statuses: Vec<OrderStatus>,
    /// Only orders of this product.
    pub product_id: Option<ProductId>,
    /// Only orders placed after this.
    pub created_after: Option<Timestamp>,
    /// Only orders placed before this.
    pub created_before: Option<Timestamp>,
}

/// The outcome of a request to cancel an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancellation {
    /// It is cancelled, now or since earlier.
    Cancelled,
    /// It is paid already.
    TooLate,
    /// The condition of the client does not admit its version.
    OtherVersion,
    /// There is no such order.
    NotFound,
}

/// What one round of completion did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The ids of the orders that are paid now.
    pub paid: Vec<String>,
    /// Ids that were due without a pending order: damage for an operator to look at.
    pub broken: Vec<String>,
    /// Members that were taken off the list of due orders. One member is all orders that one call
    /// placed.
    pub removed: u64,
    /// How long until the next order is due; `None` while no order is pending.
    pub next_due_in: Option<Duration>,
}

/// The outcome of a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refund {
    /// The order is refunded.
    Refunded,
    /// It was refunded before.
    Repeated,
    /// It is pending or cancelled: no money was taken.
    NotPaid,
    /// It is for another product or quantity than the refund names.
    OtherOrder,
    /// There is no such order.
    NotFound,
}

/// Most pieces in one order.
pub const MAX_QUANTITY: u32 = 1_000_000;

impl Quote {
    /// The cost of `quantity` pieces: `fee = rate * price * quantity`, rounded half up to the cent
    /// once, and `total = price * quantity + fee`. `None` when an amount is larger than money can
    /// be.
    pub fn of(price: Money, quantity: u32, rate: FeeRate) -> Option<Self> {
        let subtotal = price.times(quantity)?;
        let fee = subtotal.fee(rate);
        Some(Self {
            price,
            fee,
            total: subtotal.plus(fee)?,
        })
    }

    /// Whether the total is the price of `quantity` pieces plus the fee.
    pub fn adds_up(&self, quantity: u32) -> bool {
        let pieces = self.price.times(quantity);
        pieces.and_then(|pieces| pieces.plus(self.fee)) == Some(self.total)
    }
}

impl Order {
    /// An order as it stands right after it was placed.
    pub fn placed(
        id: OrderId,
        wanted: PlaceOrder,
        quote: Quote,
        at: Timestamp,
        due: Timestamp,
    ) -> Self {
        Self {
            id,
            wanted,
            quote,
            status: OrderStatus::Pending,
            reason: None,
            created_at: at,
            completes_at: due,
            paid_at: None,
            cancelled_at: None,
            refunded_at: None,
            trail: Trail::default(),
        }
    }

    /// Counts its transitions, from 1: what its `ETag` shows. `cancel_order.lua` counts like this.
    pub fn version(&self) -> u64 {
        match self.status {
            OrderStatus::Pending => 1,
            OrderStatus::Paid | OrderStatus::Cancelled => 2,
            OrderStatus::Refunded => 3,
        }
    }

    /// This order as it stood right after it was placed: the answer to a repeated request.
    #[must_use]
    pub fn as_placed(&self) -> Self {
        Self::placed(
            self.id,
            self.wanted,
            self.quote,
            self.created_at,
            self.completes_at,
        )
    }

    /// This order as it stood right after it came to `status`.
    #[must_use]
    pub fn as_of(self, status: OrderStatus) -> Self {
        match status {
            OrderStatus::Pending => self.as_placed(),
            OrderStatus::Paid => Self {
                status,
                reason: None,
                refunded_at: None,
                ..self
            },
            // Both are final.
            OrderStatus::Cancelled | OrderStatus::Refunded => self,
        }
    }
}

impl OrderFilter {
    /// Whether an order is one of them.
    pub fn admits(&self, order: &Order) -> bool {
        (self.statuses.is_empty() || self.statuses.contains(&order.status))
            && self
                .product_id
                .is_none_or(|product_id| product_id == order.wanted.product_id)
            && self
                .created_after
                .is_none_or(|after| order.created_at > after)
            && self
                .created_before
                .is_none_or(|before| order.created_at < before)
    }
}

impl OrderStatus {
    /// The word for it in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Paid => "paid",
            Self::Cancelled => "cancelled",
            Self::Refunded => "refunded",
        }
    }
}

impl fmt::Display for OrderStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for OrderStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        [Self::Pending, Self::Paid, Self::Cancelled, Self::Refunded]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| format!("{text:?} is no status"))
    }
}

#[cfg(test)]
mod tests;
