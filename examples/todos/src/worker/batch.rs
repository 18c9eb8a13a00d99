//! Sorts the messages of a partition: those that are applied already, those that can be applied, and
//! those that never can.

use rdkafka::message::{Message, OwnedMessage};

use crate::domain::{Change, Place, Position};
use crate::message::{self, Poison};

/// What some messages are, seen from a position.
pub(super) enum Read<'a> {
    /// Only messages that were applied.
    Nothing,
    /// A message of another log.
    OtherLog,
    /// Messages that were not applied yet.
    Messages {
        /// The position behind the last message.
        to: Position,
        /// The messages that cannot be applied.
        dead: Vec<(&'a OwnedMessage, Poison)>,
        /// The changes of the others.
        changes: Vec<Change>,
        /// Whether a message of another log follows.
        is_cut: bool,
    },
}

/// Decodes the messages of a partition that are behind `from`.
pub(super) fn read<'a>(from: &Position, messages: &'a [OwnedMessage]) -> Read<'a> {
    let (mut to, mut dead, mut changes) = (from.clone(), Vec::new(), Vec::new());
    let mut is_cut = false;
    for message in messages {
        let (key, payload) = (message.key(), message.payload());
        let fingerprint = message::fingerprint(key, payload);
        match to.place(message.offset(), &fingerprint) {
            Place::Applied => continue,
            Place::OtherLog => {
                is_cut = true;
                break;
            }
            Place::Next { missing: 0 } => {}
            Place::Next { missing } => {
                let (partition, offset) = (message.partition(), message.offset());
                tracing::error!(
                    partition,
                    offset,
                    missing,
                    "the broker has removed messages before they were applied"
                );
            }
        }
        to = Position::behind(message.offset(), fingerprint);
        match message::decode(key, payload) {
            Ok(change) => changes.push(change),
            Err(poison) => dead.push((message, poison)),
        }
    }
    match (to == *from, is_cut) {
        (true, true) => Read::OtherLog,
        (true, false) => Read::Nothing,
        (false, is_cut) => Read::Messages {
            to,
            dead,
            changes,
            is_cut,
        },
    }
}
