//! JSON bodies of the API, and their way into and out of the domain.

use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};
use serde::Serialize;
use serde_json::json;
use shared::contract::id::{OrderId, ProductId};
use shared::contract::money::Money;
use shared::contract::time::Timestamp;
use shared::http::json::schema::{self, ObjectSchema};
use shared::http::json::{BodyFields, FromFields};

use crate::domain::{MAX_QUANTITY, Order, OrderStatus, PlaceOrder, Quote};

/// The state of an order.
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
    /// The product that was ordered.
    product_id: ProductId,
    /// The number of pieces.
    quantity: u32,
    /// Price of one piece when it was ordered.
    price: Money,
    /// The fee on the whole order, rounded half up to the cent once.
    fee: Money,
    /// `price * quantity + fee`.
    total: Money,
    /// Its state.
    status: StatusBody,
    /// Why it was refunded: `product_not_found`, `insufficient_stock` or `released`. Absent
    /// otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Counts its changes, from 1.
    version: u64,
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

/// What an order would cost now.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Quote", example)]
pub(super) struct QuoteBody {
    /// The product that would be ordered.
    product_id: ProductId,
    /// The number of pieces.
    quantity: u32,
    /// Price of one piece.
    price: Money,
    /// `price * quantity`.
    subtotal: Money,
    /// The fee on the whole order, rounded half up to the cent once.
    fee: Money,
    /// `subtotal + fee`.
    total: Money,
}

impl QuoteBody {
    pub(super) fn new(wanted: PlaceOrder, quote: Quote) -> Self {
        let Quote { price, fee, total } = quote;
        let PlaceOrder {
            product_id,
            quantity,
        } = wanted;
        // A quote exists only where this product does.
        let subtotal = price.times(quantity).unwrap_or(total);
        Self {
            product_id,
            quantity,
            price,
            subtotal,
            fee,
            total,
        }
    }
}

impl FromFields for PlaceOrder {
    fn schema() -> ObjectSchema {
        ObjectSchema::new("NewOrder", "An order to place.")
            .optional("product_id", "The product to order.", schema::id())
            .optional(
                "id",
                "The same as `product_id`: give one of the two.",
                schema::id(),
            )
            .one_of(&["product_id", "id"], &schema::id())
            .required(
                "quantity",
                "The number of pieces.",
                schema::whole(1, MAX_QUANTITY),
            )
            .example(json!({ "product_id": ProductId::EXAMPLE, "quantity": 2 }))
    }

    fn from_fields(fields: &mut BodyFields<'_>) -> Option<Self> {
        let product = fields.either("product_id", "id");
        let product_id = fields.parsed(product);
        let quantity = fields.whole("quantity", 1, MAX_QUANTITY);
        Some(Self {
            product_id: product_id?,
            quantity: quantity?,
        })
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
            version: order.version(),
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
            version: 1,
            created_at: Timestamp::EXAMPLE,
            completes_at: Timestamp::from_millis(Timestamp::EXAMPLE.as_millis() + 5_000),
            paid_at: None,
            cancelled_at: None,
            refunded_at: None,
        }
    }
}

impl Example for QuoteBody {
    fn example() -> Self {
        Self {
            product_id: ProductId::EXAMPLE,
            quantity: 2,
            price: Money::from_minor(1_990),
            subtotal: Money::from_minor(3_980),
            fee: Money::from_minor(796),
            total: Money::from_minor(4_776),
        }
    }
}
