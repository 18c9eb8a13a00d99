//! JSON bodies of the API, and their way into and out of the domain.

use poem_openapi::registry::MetaSchema;
use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};
use serde::Serialize;
use serde_json::json;
use shared::contract::time::Timestamp;
use shared::http::json::schema::ObjectSchema;
use shared::http::json::{BodyFields, FromFields};

use crate::domain::{Item, ItemValue, MAX_VALUE_BYTES, Ticket, TicketId, TicketState};

/// An item.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Item", example)]
pub(super) struct ItemBody {
    /// Its name.
    item_id: String,
    /// What it holds.
    value: String,
    /// The number of the write that the item has, from 1.
    version: u64,
    /// When that write was applied.
    updated_at: Timestamp,
}

/// How far a write is.
#[derive(Clone, Copy, Debug, Serialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "TicketStatus", rename_all = "snake_case")]
pub(super) enum StatusBody {
    /// The write waits for a worker.
    Queued,
    /// A worker has applied the write. Final.
    Applied,
    /// The write cannot be applied. Final.
    Failed,
}

/// The ticket of a write.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Ticket", skip_serializing_if_is_none, example)]
pub(super) struct TicketBody {
    /// Its id, a UUIDv7.
    id: TicketId,
    /// The item.
    item_id: String,
    /// The version that the item has once the write is applied.
    version: u64,
    /// How far the write is.
    status: StatusBody,
    /// `true` when a later write of the item was applied before this one, so the item keeps the
    /// later value. Absent until the write is applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    superseded: Option<bool>,
    /// Why the write failed. Absent otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// When the write was queued.
    queued_at: Timestamp,
    /// When the write was applied, or failed. Absent until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
}

shared::id_schema!(TicketId, "ticket_id");

impl FromFields for ItemValue {
    fn schema() -> ObjectSchema {
        ObjectSchema::new("NewValue", "What an item is to hold.")
            .required(
                "value",
                "The value, at most 65536 bytes in UTF-8.",
                value_schema(),
            )
            .example(json!({ "value": "hello" }))
    }

    fn from_fields(fields: &mut BodyFields<'_>) -> Option<Self> {
        fields.parsed("value")
    }
}

impl From<Item> for ItemBody {
    fn from(item: Item) -> Self {
        Self {
            item_id: item.id.to_string(),
            value: item.value,
            version: item.version,
            updated_at: item.updated_at,
        }
    }
}

impl From<Ticket> for TicketBody {
    fn from(ticket: Ticket) -> Self {
        let (status, superseded, reason, ended_at) = match ticket.state {
            TicketState::Queued => (StatusBody::Queued, None, None, None),
            TicketState::Applied { at, superseded } => {
                (StatusBody::Applied, Some(superseded), None, Some(at))
            }
            TicketState::Failed { at, reason } => {
                (StatusBody::Failed, None, Some(reason), Some(at))
            }
        };
        Self {
            id: ticket.id,
            item_id: ticket.item_id.to_string(),
            version: ticket.version,
            status,
            superseded,
            reason,
            queued_at: ticket.queued_at,
            ended_at,
        }
    }
}

impl Example for ItemBody {
    fn example() -> Self {
        Self {
            item_id: "greeting".to_owned(),
            value: "hello".to_owned(),
            version: 3,
            updated_at: Timestamp::EXAMPLE,
        }
    }
}

impl Example for TicketBody {
    fn example() -> Self {
        Self {
            id: TicketId::EXAMPLE,
            item_id: "greeting".to_owned(),
            version: 3,
            status: StatusBody::Queued,
            superseded: None,
            reason: None,
            queued_at: Timestamp::EXAMPLE,
            ended_at: None,
        }
    }
}

/// The schema of a value. JSON Schema counts characters, so it cannot state the limit in bytes.
pub(super) fn value_schema() -> MetaSchema {
    MetaSchema {
        min_length: Some(1),
        max_length: Some(MAX_VALUE_BYTES),
        example: Some("hello".into()),
        ..MetaSchema::new("string")
    }
}
