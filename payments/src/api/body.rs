//! JSON bodies of the API, and their way into and out of the domain.

use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};
use serde::Serialize;
use shared::id::{OrderId, ProductId};
use shared::json::{BodyFields, FromFields};
use shared::money::Money;
use shared::time::Timestamp;

use crate::domain::{MAX_QUANTITY, Order, OrderStatus, PlaceOrder};

/// Where an order is in its life.
#[derive(Clone, Copy, Debug, Serialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "OrderStatus", rename_all = "snake_case")]
pub(super) enum StatusBody {
    /// Accepted, not paid yet.
    Pending,
    /// Paid. Its stock is taken, or it will be refunded.
    Paid,
    /// Withdrawn by the client in time. Final.
    Cancelled,
    /// The money went back. Final.
    Refunded,
}

/// An order.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Order", skip_serializing_if_is_none, example)]
pub(super) struct OrderBody {
    /// Its id, a UUIDv7.
    id: OrderId,
    /// What was ordered.
    product_id: ProductId,
    /// How many.
    quantity: u32,
    /// Price of one piece when it was ordered.
    price: Money,
    /// Our fee on the whole order, rounded half up to the cent once.
    fee: Money,
    /// `price * quantity + fee`.
    total: Money,
    /// Where it is in its life.
    status: StatusBody,
    /// Why it was refunded: `product_not_found` or `insufficient_stock`. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// When it was placed.
    created_at: Timestamp,
    /// When it is due to be paid.
    completes_at: Timestamp,
    /// When it was paid. This and the next two are absent until it has happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    paid_at: Option<Timestamp>,
    /// When it was cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled_at: Option<Timestamp>,
    /// When it was refunded.
    #[serde(skip_serializing_if = "Option::is_none")]
    refunded_at: Option<Timestamp>,
}

/// An order to place.
#[derive(Object)]
#[oai(rename = "NewOrder", example)]
pub struct NewOrderSchema {
    /// What to order. `id` is understood as well.
    product_id: ProductId,
    /// How many, 1 to 1000000.
    #[oai(validator(minimum(value = "1"), maximum(value = "1000000")))]
    quantity: u32,
}

impl FromFields for PlaceOrder {
    type Schema = NewOrderSchema;

    fn from_fields(fields: &mut BodyFields) -> Option<Self> {
        fields.alias("id", "product_id");
        let product_id = fields.parsed("product_id");
        let quantity = fields.whole("quantity", 1, MAX_QUANTITY);
        Some(Self { product_id: product_id?, quantity: quantity? })
    }
}

impl From<Order> for OrderBody {
    fn from(order: Order) -> Self {
        Self {
            id: order.id,
            product_id: order.wanted.product_id,
            quantity: order.wanted.quantity,
            price: order.quote.price,
            fee: order.quote.fee,
            total: order.quote.total,
            status: order.status.into(),
            reason: order.reason.map(|reason| reason.to_string()),
            created_at: order.created_at,
            completes_at: order.completes_at,
            paid_at: order.paid_at,
            cancelled_at: order.cancelled_at,
            refunded_at: order.refunded_at,
        }
    }
}

impl From<OrderStatus> for StatusBody {
    fn from(status: OrderStatus) -> Self {
        match status {
            OrderStatus::Pending => Self::Pending,
            OrderStatus::Paid => Self::Paid,
            OrderStatus::Cancelled => Self::Cancelled,
            OrderStatus::Refunded => Self::Refunded,
        }
    }
}

impl Example for OrderBody {
    fn example() -> Self {
        Self {
            id: OrderId::EXAMPLE,
            product_id: ProductId::EXAMPLE,
            quantity: 2,
            price: Money::from_minor(1_990),
            fee: Money::from_minor(796),
            total: Money::from_minor(4_776),
            status: StatusBody::Pending,
            reason: None,
            created_at: Timestamp::EXAMPLE,
            completes_at: Timestamp::from_millis(Timestamp::EXAMPLE.as_millis() + 5_000),
            paid_at: None,
            cancelled_at: None,
            refunded_at: None,
        }
    }
}

impl Example for NewOrderSchema {
    fn example() -> Self {
        Self { product_id: ProductId::EXAMPLE, quantity: 2 }
    }
}
