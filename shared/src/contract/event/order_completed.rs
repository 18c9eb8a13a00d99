//! The event that says that an order was paid.

use super::{DecodeError, Event, Field, Fields, Form, attributes};
use crate::contract::id::{OrderId, ProductId};
use crate::contract::money::Money;
use crate::contract::time::Timestamp;
use crate::contract::trace::{RequestId, TraceParent};

/// From payments to inventory: an order was paid, take its stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderCompleted {
    /// The order.
    pub order_id: OrderId,
    /// When the order id was minted. Inventory keeps the record of the order under this time.
    pub ordered_at: Timestamp,
    /// The product that was ordered.
    pub product_id: ProductId,
    /// The quantity, at least 1.
    pub quantity: u32,
    /// The unit price at the time of the order.
    pub price: Money,
    /// The fee on the whole order.
    pub fee: Money,
    /// What the client pays.
    pub total: Money,
    /// When the order was paid.
    pub time: Timestamp,
    /// The trace of the request that placed the order.
    pub traceparent: TraceParent,
    /// The id of the request that placed the order.
    pub request_id: RequestId,
}

impl Event for OrderCompleted {
    const STREAM: &'static str = "order_completed";
    const GROUP: &'static str = "inventory-group";
    const TYPE: &'static str = "order.completed.v1";
    const SOURCE: &'static str = "/payments";
    const NAME: &'static str = "OrderCompleted";
    const MEANING: &'static str = "An order was paid: take its stock, or ask for a refund.";

    fn example() -> Self {
        Self {
            order_id: OrderId::EXAMPLE,
            ordered_at: Timestamp::EXAMPLE,
            product_id: ProductId::EXAMPLE,
            quantity: 2,
            price: Money::from_minor(1_990),
            fee: Money::from_minor(796),
            total: Money::from_minor(4_776),
            time: Timestamp::EXAMPLE,
            traceparent: TraceParent::example(),
            request_id: RequestId::example(),
        }
    }

    fn attributes(&self) -> Vec<Field> {
        let id = format!("{}:completed", self.order_id);
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
                "price",
                "The unit price at the time of the order.",
                Form::MONEY,
                &self.price,
            ),
            Field::new("fee", "Fee on the whole order.", Form::MONEY, &self.fee),
            Field::new("total", "What the client pays.", Form::MONEY, &self.total),
            Field::new(
                "status",
                "The state of the order.",
                Form::OneOf(&["paid"]),
                &"paid",
            ),
        ]
    }

    fn decode_data(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        // In the order of the entry, so that each search finds its field at once.
        let time = fields.parse("ce_time")?;
        let (traceparent, request_id) = (fields.traceparent(), fields.request_id());
        let order_id: OrderId = fields.parse("order_id")?;
        let ordered_at = order_id.minted_at().ok_or_else(|| DecodeError::Invalid {
            field: "order_id",
            detail: "expected a UUIDv7".to_owned(),
        })?;
        Ok(Self {
            order_id,
            ordered_at,
            product_id: fields.parse("product_id")?,
            quantity: fields.quantity()?,
            price: fields.parse("price")?,
            fee: fields.parse("fee")?,
            total: fields.parse("total")?,
            time,
            traceparent,
            request_id,
        })
    }
}
