//! Sorts the messages of a partition: those that are applied already, those that can be applied, and
//! those that never can.

use rdkafka::message::{Message, OwnedMessage};

use crate::domain::{Change, Place, Position};
use crate::message::{self, Poison};

/// What some messages are, seen from a position.
pub(super) enum Content<'a> {
    /// Only messages that were applied.
    Nothing,
    /// The first message that was not applied has this offset, and messages before it are missing.
    Gap(i64),
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
        /// Whether the partition has to be read anew behind them, for a gap or another log.
        is_cut: bool,
    },
}

/// Decodes the messages of a partition that are behind `from`. A gap is taken for messages that the
/// broker has removed only if it was there before, in front of the message `known_gap`.
pub(super) fn read<'a>(
    from: &Position,
    messages: &'a [OwnedMessage],
    known_gap: Option<i64>,
) -> Content<'a> {
    let (mut to, mut dead, mut changes) = (from.clone(), Vec::new(), Vec::new());
    let mut cut = None;
    for message in messages {
        let (key, payload) = (message.key(), message.payload());
        let fingerprint = message::fingerprint(key, payload);
        match to.place(message.offset(), &fingerprint) {
            Place::Applied => continue,
            Place::OtherLog => {
                cut = Some(Content::OtherLog);
                break;
            }
            Place::Next { missing: 0 } => {}
            Place::Next { .. } if known_gap != Some(message.offset()) => {
                cut = Some(Content::Gap(message.offset()));
                break;
            }
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
    if to == *from {
        return cut.unwrap_or(Content::Nothing);
    }
    Content::Messages {
        to,
        dead,
        changes,
        is_cut: cut.is_some(),
    }
}
