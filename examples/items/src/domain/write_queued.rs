//! The event that says that a write waits for a worker.

use shared::contract::event::{DecodeError, Event, Field, Fields, Form, attributes};
use shared::contract::time::Timestamp;
use shared::contract::trace::{RequestId, TraceParent};

use super::{ItemId, TicketId};

/// From the API to the workers: apply the write with this ticket. The value is in the ticket and
/// not in the event, so entries are small and the stream keeps no value that the item has lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteQueued {
    /// The ticket of the write.
    pub ticket_id: TicketId,
    /// The item.
    pub item_id: ItemId,
    /// The version that the item has once the write is applied.
    pub version: u64,
    /// When the write was queued.
    pub time: Timestamp,
    /// The trace of the request.
    pub traceparent: TraceParent,
    /// The id of the request.
    pub request_id: RequestId,
}

impl Event for WriteQueued {
    const STREAM: &'static str = "writes";
    const GROUP: &'static str = "workers";
    const TYPE: &'static str = "item.write_queued.v1";
    const SOURCE: &'static str = "/items";
    const NAME: &'static str = "WriteQueued";
    const MEANING: &'static str = "A write of an item waits: apply it.";

    fn example() -> Self {
        Self {
            ticket_id: TicketId::EXAMPLE,
            item_id: ItemId("greeting".to_owned()),
            version: 3,
            time: Timestamp::EXAMPLE,
            traceparent: TraceParent::example(),
            request_id: RequestId::example(),
        }
    }

    fn attributes(&self) -> Vec<Field> {
        let id = self.ticket_id.to_string();
        attributes::<Self>(&id, self.time, &self.traceparent, &self.request_id)
    }

    fn data(&self) -> Vec<Field> {
        vec![
            Field::new("item_id", "The item.", Form::Text, &self.item_id),
            Field::new(
                "version",
                "The version that the item has once the write is applied.",
                Form::COUNT,
                &self.version,
            ),
        ]
    }

    fn decode_data(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        // In the order of the entry, so that each search finds its field at once.
        Ok(Self {
            ticket_id: fields.parse("ce_id")?,
            time: fields.parse("ce_time")?,
            traceparent: fields.traceparent(),
            request_id: fields.request_id(),
            item_id: fields.parse("item_id")?,
            version: fields.parse("version")?,
        })
    }
}
