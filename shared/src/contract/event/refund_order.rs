//! The event that says that an order has to be refunded.

use std::fmt;
use std::str::FromStr;

use super::{DecodeError, Event, Field, Fields, Form, attributes};
use crate::contract::id::{OrderId, ProductId};
use crate::contract::time::Timestamp;
use crate::contract::trace::{RequestId, TraceParent};

/// From inventory to payments: an order cannot be fulfilled, give the money back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundOrder {
    /// The order.
    pub order_id: OrderId,
    /// The product that was ordered.
    pub product_id: ProductId,
    /// The quantity, at least 1.
    pub quantity: u32,
    /// Why the order cannot be fulfilled.
    pub reason: RefundReason,
    /// When inventory decided.
    pub time: Timestamp,
    /// The trace of the request that placed the order.
    pub traceparent: TraceParent,
    /// The id of the request that placed the order.
    pub request_id: RequestId,
}

/// Why an order is refunded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundReason {
    /// The product does not exist any more.
    ProductNotFound,
    /// The stock is smaller than the quantity.
    InsufficientStock,
    /// An operator had the stock of the order given back.
    Released,
}

impl Event for RefundOrder {
    const STREAM: &'static str = "refund_order";
    const GROUP: &'static str = "payment-group";
    const TYPE: &'static str = "order.refund_requested.v1";
    const SOURCE: &'static str = "/inventory";
    const NAME: &'static str = "RefundOrder";
    const MEANING: &'static str = "An order cannot be fulfilled: give the money back.";

    fn example() -> Self {
        Self {
            order_id: OrderId::EXAMPLE,
            product_id: ProductId::EXAMPLE,
            quantity: 2,
            reason: RefundReason::InsufficientStock,
            time: Timestamp::EXAMPLE,
            traceparent: TraceParent::example(),
            request_id: RequestId::example(),
        }
    }

    fn attributes(&self) -> Vec<Field> {
        let id = format!("{}:refund", self.order_id);
        attributes::<Self>(&id, self.time, &self.traceparent, &self.request_id)
    }

    fn data(&self) -> Vec<Field> {
        vec![
            Field::new(
                "order_id",
                "The order, a UUIDv7.",
                Form::UUID,
                &self.order_id,
            ),
            Field::new(
                "product_id",
                "The product that was ordered.",
                Form::UUID,
                &self.product_id,
            ),
            Field::new(
                "quantity",
                "The quantity, at least 1.",
                Form::COUNT,
                &self.quantity,
            ),
            Field::new(
                "reason",
                "Why the order cannot be fulfilled.",
                Form::OneOf(RefundReason::WORDS),
                &self.reason,
            ),
        ]
    }

    fn decode_data(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            time: fields.parse("ce_time")?,
            traceparent: fields.traceparent(),
            request_id: fields.request_id(),
            order_id: fields.parse("order_id")?,
            product_id: fields.parse("product_id")?,
            quantity: fields.quantity()?,
            reason: fields.parse("reason")?,
        })
    }
}

impl RefundReason {
    /// The words of all reasons.
    pub const WORDS: &'static [&'static str] =
        &["product_not_found", "insufficient_stock", "released"];

    const ALL: [Self; 3] = [
        Self::ProductNotFound,
        Self::InsufficientStock,
        Self::Released,
    ];

    /// The word for the reason in events, in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProductNotFound => "product_not_found",
            Self::InsufficientStock => "insufficient_stock",
            Self::Released => "released",
        }
    }
}

impl fmt::Display for RefundReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RefundReason {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|reason| reason.as_str() == text);
        found.ok_or_else(|| format!("expected one of {}", Self::WORDS.join(", ")))
    }
}
