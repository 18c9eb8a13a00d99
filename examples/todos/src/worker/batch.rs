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
        /// The others, and their changes.
        changes: Vec<(&'a OwnedMessage, Change)>,
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
            Ok(change) => changes.push((message, change)),
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

#[cfg(test)]
mod tests {
    use rdkafka::message::Timestamp;

    use super::*;
    use crate::domain::{Action, TodoId};
    use crate::kafka::TOPIC;

    /// Messages with these offsets.
    fn log(offsets: impl IntoIterator<Item = i64>) -> Vec<OwnedMessage> {
        let message = |offset| {
            let change = Change::of(TodoId::mint(), Action::Delete);
            let (key, payload) = (change.id.to_string(), message::encode(&change));
            let (topic, time) = (TOPIC.to_owned(), Timestamp::NotAvailable);
            OwnedMessage::new(
                Some(payload),
                Some(key.into_bytes()),
                topic,
                time,
                0,
                offset,
                None,
            )
        };
        offsets.into_iter().map(message).collect()
    }

    fn behind(message: &OwnedMessage) -> Position {
        let fingerprint = message::fingerprint(message.key(), message.payload());
        Position::behind(message.offset(), fingerprint)
    }

    /// The number of changes, the position behind them, and whether the rest has to be read anew.
    fn changes(content: Content<'_>) -> (usize, Position, bool) {
        match content {
            Content::Messages {
                to,
                changes,
                is_cut,
                ..
            } => (changes.len(), to, is_cut),
            _ => panic!("no messages"),
        }
    }

    #[test]
    fn messages_that_were_applied_are_left_out() {
        let messages = log(4..8);
        let from = behind(&messages[0]);
        let (count, to, is_cut) = changes(read(&from, &messages, None));
        assert_eq!((count, is_cut), (3, false));
        assert_eq!(to, behind(&messages[3]));
        assert!(matches!(
            read(&from, &messages[..1], None),
            Content::Nothing
        ));
    }

    #[test]
    fn a_gap_is_believed_only_if_it_is_there_twice() {
        let messages = log([4, 5, 9, 10]);
        let from = behind(&messages[0]);
        let (count, to, is_cut) = changes(read(&from, &messages, None));
        assert_eq!((count, is_cut), (1, true));
        assert_eq!(to, behind(&messages[1]));
        let rest = &messages[1..];
        assert!(matches!(read(&to, rest, None), Content::Gap(9)));
        assert!(matches!(read(&to, rest, Some(8)), Content::Gap(9)));
        let (count, to, is_cut) = changes(read(&to, rest, Some(9)));
        assert_eq!((count, is_cut), (2, false));
        assert_eq!(to, behind(&messages[3]));
    }

    #[test]
    fn messages_before_another_log_are_applied() {
        let mut messages = log(4..6);
        messages.extend(log(0..2));
        let from = behind(&messages[0]);
        let (count, to, is_cut) = changes(read(&from, &messages, None));
        assert_eq!((count, is_cut), (1, true));
        assert!(matches!(read(&to, &messages[2..], None), Content::OtherLog));
    }
}
