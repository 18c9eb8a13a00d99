//! The events, field by field as they stand in a stream entry.
//!
//! An entry is CloudEvents 1.0 with flat text fields: attributes carry the prefix `ce_`, the data
//! stands beside them, so that `redis-cli XRANGE order_completed - +` is readable and a consumer in
//! any language takes the fields as they are. Changes are additive: unknown fields are ignored, a
//! change of meaning is a new `ce_type`.
//!
//! The events are emitted by Redis Functions, in one step with the change they report.
//! [`Event::encode`] states what those functions must write; tests hold the two together.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use crate::contract::id::{OrderId, ProductId};
use crate::contract::money::Money;
use crate::contract::time::Timestamp;
use crate::contract::trace::{RequestId, TraceParent};

pub use decode::{DecodeError, Fields};
pub use field::{Field, Form};

mod decode;
mod field;

/// The fields of a stream entry in their order, as bytes: an entry that nobody can decode is kept
/// to the last byte.
pub type RawFields = Vec<(Bytes, Bytes)>;

/// An event type: where it travels, and how it reads.
pub trait Event: Sized + Send + Sync + 'static {
    /// The stream that carries it, before any partition tag.
    const STREAM: &'static str;
    /// The consumer group that acts on it.
    const GROUP: &'static str;
    /// `ce_type`.
    const TYPE: &'static str;
    /// `ce_source`.
    const SOURCE: &'static str;
    /// Its name in documents.
    const NAME: &'static str;
    /// What it says, in a sentence.
    const MEANING: &'static str;

    /// One such event, for documents.
    fn example() -> Self;

    /// The data of the entry: each field with its meaning, its form and its value.
    fn data(&self) -> Vec<Field>;

    /// The attributes of the entry, which every event has.
    fn attributes(&self) -> Vec<Field>;

    /// The fields of the entry.
    fn encode(&self) -> Vec<(&'static str, String)> {
        let fields = self.attributes().into_iter().chain(self.data());
        fields.map(|field| (field.name, field.value)).collect()
    }

    /// Reads the fields of an entry whose `ce_type` is [`Event::TYPE`].
    fn decode_data(fields: &Fields<'_>) -> Result<Self, DecodeError>;

    /// Reads an entry. Fields it does not know are ignored.
    fn decode(raw: &RawFields) -> Result<Self, DecodeError> {
        let fields = Fields::of(raw);
        match fields.text("ce_type")? {
            found if found == Self::TYPE => Self::decode_data(&fields),
            found => Err(DecodeError::UnknownType(found.to_owned())),
        }
    }
}

/// payments -> inventory: an order was paid, take its stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderCompleted {
    /// The order.
    pub order_id: OrderId,
    /// When the id was minted, which decides where its effect is remembered.
    pub ordered_at: Timestamp,
    /// What was ordered.
    pub product_id: ProductId,
    /// How many, at least 1.
    pub quantity: u32,
    /// Unit price when it was ordered.
    pub price: Money,
    /// Fee on the whole order.
    pub fee: Money,
    /// What the client pays.
    pub total: Money,
    /// When the order was paid.
    pub time: Timestamp,
    /// The trace of the request that placed the order.
    pub traceparent: TraceParent,
    /// The id of that request.
    pub request_id: RequestId,
}

/// inventory -> payments: an order cannot be fulfilled, give the money back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundOrder {
    /// The order.
    pub order_id: OrderId,
    /// What was ordered.
    pub product_id: ProductId,
    /// How many, at least 1.
    pub quantity: u32,
    /// Why not.
    pub reason: RefundReason,
    /// When inventory decided.
    pub time: Timestamp,
    /// The trace of the request that placed the order.
    pub traceparent: TraceParent,
    /// The id of that request.
    pub request_id: RequestId,
}

/// Why an order is refunded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundReason {
    /// There is no such product any more.
    ProductNotFound,
    /// Fewer on hand than ordered.
    InsufficientStock,
    /// An operator had its stock given back.
    Released,
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
                "What was ordered.",
                Form::UUID,
                &self.product_id,
            ),
            Field::new(
                "quantity",
                "How many, at least 1.",
                Form::COUNT,
                &self.quantity,
            ),
            Field::new(
                "price",
                "Unit price when it was ordered.",
                Form::MONEY,
                &self.price,
            ),
            Field::new("fee", "Fee on the whole order.", Form::MONEY, &self.fee),
            Field::new("total", "What the client pays.", Form::MONEY, &self.total),
            Field::new(
                "status",
                "What the order is now.",
                Form::OneOf(&["paid"]),
                &"paid",
            ),
        ]
    }

    fn decode_data(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        // In the order in which they stand in the entry.
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
                "What was ordered.",
                Form::UUID,
                &self.product_id,
            ),
            Field::new(
                "quantity",
                "How many, at least 1.",
                Form::COUNT,
                &self.quantity,
            ),
            Field::new(
                "reason",
                "Why not.",
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

    /// The word for it in events, in the API and in the store.
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

fn attributes<E: Event>(
    id: &str,
    time: Timestamp,
    trace: &TraceParent,
    request: &RequestId,
) -> Vec<Field> {
    let (id_says, time_says) = (
        "The same in every copy of the event.",
        "When it happened, in UTC.",
    );
    vec![
        Field::new(
            "ce_specversion",
            "The CloudEvents version.",
            Form::OneOf(&["1.0"]),
            &"1.0",
        ),
        Field::new("ce_id", id_says, Form::Text, &id),
        Field::new(
            "ce_source",
            "Who emits it.",
            Form::OneOf(&[E::SOURCE]),
            &E::SOURCE,
        ),
        Field::new(
            "ce_type",
            "The event and its version.",
            Form::OneOf(&[E::TYPE]),
            &E::TYPE,
        ),
        Field::new("ce_time", time_says, Form::TIME, &time),
        Field::new(
            "traceparent",
            "The W3C trace of the order.",
            Form::TRACE,
            trace,
        ),
        Field::new(
            "request_id",
            "The request that placed the order.",
            Form::REQUEST_ID,
            request,
        ),
    ]
}

#[cfg(test)]
mod tests;
