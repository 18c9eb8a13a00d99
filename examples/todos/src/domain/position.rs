//! How far a partition was applied, and where a message stands.

/// How far a partition of the topic was applied. It is kept in the database, and moves in the
/// transaction that applies the messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The offset of the first message that was not applied.
    pub next_offset: i64,
    /// The digest of the message before `next_offset`; empty if there is no such message.
    pub fingerprint: String,
}

/// Where a message stands in a log that is read from [`Position::start`] on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It was applied: it is the message before the position.
    Applied,
    /// It is the next message. This many messages before it are missing: the broker has removed
    /// them.
    Next {
        /// The number of missing messages.
        missing: u64,
    },
    /// It belongs to another log. The topic was deleted and made anew, so its offsets began again.
    OtherLog,
}

impl Position {
    /// The position behind a message.
    pub fn behind(offset: i64, fingerprint: String) -> Self {
        Self {
            next_offset: offset.saturating_add(1),
            fingerprint,
        }
    }

    /// The offset from which a consumer reads: that of the message that was applied last. If the
    /// log still has it, the log is the same. `None` means the beginning of the log.
    pub fn start(&self) -> Option<i64> {
        (self.next_offset > 0).then(|| self.next_offset - 1)
    }

    /// Where a message stands.
    pub fn place(&self, offset: i64, fingerprint: &str) -> Place {
        match u64::try_from(offset - self.next_offset) {
            Ok(missing) => Place::Next { missing },
            Err(_) if self.start() == Some(offset) && self.fingerprint == fingerprint => {
                Place::Applied
            }
            Err(_) => Place::OtherLog,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_new_partition_is_read_from_its_beginning() {
        let position = Position::default();
        assert_eq!(position.start(), None);
        assert_eq!(position.place(0, "a"), Place::Next { missing: 0 });
        assert_eq!(position.place(5, "a"), Place::Next { missing: 5 });
    }

    #[test]
    fn a_log_that_was_made_anew_is_recognised() {
        let position = Position::behind(7, "seven".to_owned());
        assert_eq!(position.start(), Some(7));
        assert_eq!(position.place(7, "seven"), Place::Applied);
        assert_eq!(position.place(7, "another"), Place::OtherLog);
        assert_eq!(position.place(0, "seven"), Place::OtherLog);
        assert_eq!(position.place(8, "eight"), Place::Next { missing: 0 });
    }

    proptest! {
        /// A consumer may begin again at any time, and may be delivered any message again: it still
        /// applies each message once, in order.
        #[test]
        fn each_message_is_applied_once(restarts in prop::collection::vec(0..20_usize, 0..10)) {
            let log: Vec<String> = (0..20).map(|number| format!("message {number}")).collect();
            let (mut position, mut applied) = (Position::default(), Vec::new());
            for length in restarts.into_iter().chain([log.len() + 1]) {
                let start = usize::try_from(position.start().unwrap_or(0)).unwrap();
                for (offset, message) in log.iter().enumerate().skip(start).take(length) {
                    let offset = i64::try_from(offset).unwrap();
                    match position.place(offset, message) {
                        Place::Applied => {}
                        Place::Next { missing } => {
                            prop_assert_eq!(missing, 0);
                            applied.push(message.clone());
                            position = Position::behind(offset, message.clone());
                        }
                        Place::OtherLog => prop_assert!(false, "the log is the same"),
                    }
                }
            }
            prop_assert_eq!(applied, log);
        }
    }
}
