//! The events, and their fields in a stream entry.
//!
//! An entry is a CloudEvents 1.0 event with flat text fields. Attributes have the prefix `ce_`; the
//! data fields stand beside them. So `redis-cli XRANGE order_completed - +` is readable, and a
//! consumer in any language can use the fields as they are. New versions only add fields, and
//! consumers ignore unknown fields. A change of meaning gets a new `ce_type`.
//!
//! A Redis Function emits an event in the same step as the change that the event reports.
//! [`Event::encode`] states what the function must write, and tests compare the two.

use bytes::Bytes;

use crate::contract::time::Timestamp;
use crate::contract::trace::{RequestId, TraceParent};

pub use decode::{DecodeError, Fields};
pub use field::{Field, Form};
pub use order_completed::OrderCompleted;
pub use refund_order::{RefundOrder, RefundReason};

mod decode;
mod field;
mod order_completed;
mod refund_order;

/// The fields of a stream entry, in their order and as bytes. So a dead letter keeps every byte of
/// an entry that cannot be decoded.
pub type RawFields = Vec<(Bytes, Bytes)>;

/// An event type: its stream, its consumer group, and its fields.
pub trait Event: Sized + Send + Sync + 'static {
    /// The name of its stream. In a cluster, a partition tag is appended.
    const STREAM: &'static str;
    /// The consumer group that acts on it.
    const GROUP: &'static str;
    /// `ce_type`.
    const TYPE: &'static str;
    /// `ce_source`.
    const SOURCE: &'static str;
    /// Its name in the AsyncAPI documents.
    const NAME: &'static str;
    /// What it means, in a sentence.
    const MEANING: &'static str;

    /// An example for the documents.
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

    /// Reads an entry, and ignores unknown fields.
    fn decode(raw: &RawFields) -> Result<Self, DecodeError> {
        let fields = Fields::of(raw);
        match fields.text("ce_type")? {
            found if found == Self::TYPE => Self::decode_data(&fields),
            found => Err(DecodeError::UnknownType(found.to_owned())),
        }
    }
}

/// The attributes of an event of type `E`. `id` is the same in every copy of the event.
pub fn attributes<E: Event>(
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
            "The service that emits the event.",
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
            "The W3C trace of the request.",
            Form::TRACE,
            trace,
        ),
        Field::new(
            "request_id",
            "The request that led to the event.",
            Form::REQUEST_ID,
            request,
        ),
    ]
}

#[cfg(test)]
mod tests;
