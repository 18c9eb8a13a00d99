//! Whether a round of the consumer made progress.
//!
//! A round makes progress if it settles an entry, or waits for new entries and none comes. A round
//! without progress may repeat for ever. So the consumer backs off, and the process is not ready.

use std::time::Duration;

use crate::redis::RedisError;
use crate::stream::stream_state::read_id;

/// How a round ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Round {
    /// An entry was settled, or the wait for new entries ended without an entry.
    Progress,
    /// The round only prepared the next round, whose end will tell, or was a page of a replay.
    Underway,
    /// The round may repeat for ever, for this reason.
    Stuck(&'static str),
}

/// What a read of new entries found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    Entries,
    /// No entry, after the read had waited.
    Nothing,
    /// No entry, and the read did not wait as it was told to.
    NothingAtOnce,
    /// The read was not made, because the consumer holds as many entries as it may.
    NoRoom,
}

impl Round {
    pub(super) fn of(settled: usize, read: Read) -> Self {
        match read {
            _ if settled > 0 => Self::Progress,
            Read::Nothing => Self::Progress,
            Read::Entries => Self::Underway,
            Read::NothingAtOnce => Self::Stuck("the store ends each wait for entries at once"),
            Read::NoRoom => Self::Stuck("all entries in hand wait for another attempt"),
        }
    }
}

/// Whether a read took at least half of the time that it was told to wait. The store measures the
/// wait on its own clock, which may go faster.
pub(super) fn has_waited(took: Duration, block: Duration) -> bool {
    took >= block / 2
}

/// Refuses a page that does not lie behind `before`. Otherwise the same page could come for ever.
pub(super) fn is_beyond(id: &str, before: &str) -> Result<(), RedisError> {
    if read_id(id)? > read_id(before)? {
        return Ok(());
    }
    Err(RedisError::malformed(
        "a page of a list",
        format!("it has {id}, and has to begin behind {before}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_settled_or_waited_for_is_progress() {
        let round = |settled, read| Round::of(settled, read);
        for read in [
            Read::Entries,
            Read::Nothing,
            Read::NothingAtOnce,
            Read::NoRoom,
        ] {
            assert_eq!(round(1, read), Round::Progress, "{read:?}");
        }
        assert_eq!(round(0, Read::Nothing), Round::Progress);
        assert_eq!(round(0, Read::Entries), Round::Underway);
        assert!(matches!(round(0, Read::NothingAtOnce), Round::Stuck(_)));
        assert!(matches!(round(0, Read::NoRoom), Round::Stuck(_)));
    }

    #[test]
    fn a_page_that_does_not_go_on_is_refused() {
        let last = format!("{0}-{0}", u64::MAX);
        for (id, before, is_good) in [
            ("1-1", "1-0", true),
            ("1-0", "1-0", false),
            ("0-9", "1-0", false),
            (last.as_str(), "0-0", true),
            (last.as_str(), last.as_str(), false),
            ("x", "0-0", false),
        ] {
            assert_eq!(
                is_beyond(id, before).is_ok(),
                is_good,
                "{id} behind {before}"
            );
        }
    }
}
