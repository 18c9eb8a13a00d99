//! Writes into the log what messages did.

use rdkafka::message::{Headers, Message, OwnedMessage};
use shared::contract::trace::RequestId;
use shared::http::request::X_REQUEST_ID;
use tracing::field::display;

use crate::domain::{Change, Effect};
use crate::message::Poison;

/// One line for each message, with the id of the request that made it.
pub(super) fn effects(changes: &[(&OwnedMessage, Change)], effects: &[Effect]) {
    for ((message, change), effect) in changes.iter().zip(effects) {
        let Change { id, change_id, .. } = change;
        let effect = match effect {
            Effect::Created => "todo created",
            Effect::Updated => "todo changed",
            Effect::Deleted => "todo deleted",
            Effect::IdTaken => "not created: the id is taken",
            Effect::Missing => "nothing changed: there is no such todo",
        };
        let request_id = request_id(message).map(display);
        tracing::info!(request_id, %id, %change_id, "{effect}");
    }
}

/// One line for a message that was parked.
pub(super) fn parked(message: &OwnedMessage, poison: &Poison) {
    let (partition, offset) = (message.partition(), message.offset());
    let request_id = request_id(message).map(display);
    tracing::warn!(request_id, partition, offset, %poison, "a message was parked");
}

fn request_id(message: &OwnedMessage) -> Option<RequestId> {
    let mut headers = message.headers()?.iter();
    let header = headers.find(|header| header.key == X_REQUEST_ID.as_str())?;
    str::from_utf8(header.value?).ok()?.parse().ok()
}
