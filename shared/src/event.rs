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

use crate::id::{OrderId, ProductId};
use crate::money::Money;
use crate::time::Timestamp;
use crate::trace::{RequestId, TraceParent};

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

    /// The fields of the entry.
    fn encode(&self) -> Vec<(&'static str, String)>;

    /// Reads the fields of an entry whose `ce_type` is [`Event::TYPE`].
    fn decode_data(fields: &Fields<'_>) -> Result<Self, DecodeError>;

    /// Reads an entry. Fields it does not know are ignored.
    fn decode(raw: &RawFields) -> Result<Self, DecodeError> {
        let fields = Fields(raw);
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
}

/// Why an entry is no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Another event type, or a newer version of this one.
    #[error("unknown event type {0:?}")]
    UnknownType(String),
    /// A field that must be there is not.
    #[error("field {0} is missing")]
    Missing(&'static str),
    /// A field does not read as it must.
    #[error("field {field} is invalid: {detail}")]
    Invalid {
        /// Its name.
        field: &'static str,
        /// What was expected.
        detail: String,
    },
}

/// Looks up the fields of an entry by name.
pub struct Fields<'a>(&'a RawFields);

impl Event for OrderCompleted {
    const STREAM: &'static str = "order_completed";
    const GROUP: &'static str = "inventory-group";
    const TYPE: &'static str = "order.completed.v1";
    const SOURCE: &'static str = "/payments";

    fn encode(&self) -> Vec<(&'static str, String)> {
        let id = format!("{}:completed", self.order_id);
        let mut fields = envelope::<Self>(id, self.time, &self.traceparent, &self.request_id);
        fields.extend([
            ("order_id", self.order_id.to_string()),
            ("product_id", self.product_id.to_string()),
            ("quantity", self.quantity.to_string()),
            ("price", self.price.to_string()),
            ("fee", self.fee.to_string()),
            ("total", self.total.to_string()),
            ("status", "paid".to_owned()),
        ]);
        fields
    }

    fn decode_data(fields: &Fields<'_>) -> Result<Self, DecodeError> {
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
            time: fields.parse("ce_time")?,
            traceparent: fields.traceparent(),
            request_id: fields.request_id(),
        })
    }
}

impl Event for RefundOrder {
    const STREAM: &'static str = "refund_order";
    const GROUP: &'static str = "payment-group";
    const TYPE: &'static str = "order.refund_requested.v1";
    const SOURCE: &'static str = "/inventory";

    fn encode(&self) -> Vec<(&'static str, String)> {
        let id = format!("{}:refund", self.order_id);
        let mut fields = envelope::<Self>(id, self.time, &self.traceparent, &self.request_id);
        fields.extend([
            ("order_id", self.order_id.to_string()),
            ("product_id", self.product_id.to_string()),
            ("quantity", self.quantity.to_string()),
            ("reason", self.reason.to_string()),
        ]);
        fields
    }

    fn decode_data(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            order_id: fields.parse("order_id")?,
            product_id: fields.parse("product_id")?,
            quantity: fields.quantity()?,
            reason: fields.parse("reason")?,
            time: fields.parse("ce_time")?,
            traceparent: fields.traceparent(),
            request_id: fields.request_id(),
        })
    }
}

impl RefundReason {
    /// The word for it in events, in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProductNotFound => "product_not_found",
            Self::InsufficientStock => "insufficient_stock",
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
        [Self::ProductNotFound, Self::InsufficientStock]
            .into_iter()
            .find(|reason| reason.as_str() == text)
            .ok_or_else(|| "expected product_not_found or insufficient_stock".to_owned())
    }
}

impl DecodeError {
    /// The word under which a parked entry is filed.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UnknownType(_) => "unknown_type",
            Self::Missing(_) | Self::Invalid { .. } => "undecodable",
        }
    }
}

impl Fields<'_> {
    fn find(&self, name: &'static str) -> Option<&Bytes> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    fn text(&self, name: &'static str) -> Result<&str, DecodeError> {
        let bytes = self.find(name).ok_or(DecodeError::Missing(name))?;
        std::str::from_utf8(bytes).map_err(|error| invalid(name, &error))
    }

    fn parse<T: FromStr<Err: fmt::Display>>(&self, name: &'static str) -> Result<T, DecodeError> {
        self.text(name)?.parse().map_err(|error| invalid(name, &error))
    }

    fn quantity(&self) -> Result<u32, DecodeError> {
        match self.parse("quantity")? {
            0 => Err(invalid("quantity", &"expected at least 1")),
            quantity => Ok(quantity),
        }
    }

    /// A broken trace must not keep an order from its stock, so a missing or malformed one starts
    /// anew.
    fn traceparent(&self) -> TraceParent {
        self.text("traceparent")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(TraceParent::mint)
    }

    /// The same holds for the id of the request.
    fn request_id(&self) -> RequestId {
        let text = self.text("request_id").ok();
        text.and_then(|text| text.parse().ok()).unwrap_or_else(RequestId::mint)
    }
}

fn envelope<E: Event>(
    id: String,
    time: Timestamp,
    traceparent: &TraceParent,
    request_id: &RequestId,
) -> Vec<(&'static str, String)> {
    vec![
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", id),
        ("ce_source", E::SOURCE.to_owned()),
        ("ce_type", E::TYPE.to_owned()),
        ("ce_time", time.to_string()),
        ("traceparent", traceparent.to_string()),
        ("request_id", request_id.to_string()),
    ]
}

fn invalid(field: &'static str, detail: &dyn fmt::Display) -> DecodeError {
    DecodeError::Invalid { field, detail: detail.to_string() }
}

#[cfg(test)]
#[path = "event_tests.rs"]
mod tests;
