//! Measures pending and idle times on the monotonic clock of this machine as well.
//!
//! The store measures on its own clock how long an entry is pending, and how long a consumer has
//! asked for nothing. If that clock is set back by days, older entries look as if they were given
//! out just now, and for days no consumer would take them over. If the clock is set ahead, each
//! consumer looks gone.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::contract::entry_id::EntryId;
use crate::stream::group::BLOCK;

/// The oldest pending entry, as it was found at one look after the other.
#[derive(Debug, Default)]
pub(super) struct Overdue(Option<OldestSeen>);

/// The consumers that look gone, and the first look at which each of them did.
#[derive(Debug, Default)]
pub(super) struct Gone(HashMap<String, Instant>);

/// Pending entries: the oldest one, and the last one that was given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) oldest: EntryId,
    pub(super) newest: EntryId,
}

/// The first look that found this oldest entry.
#[derive(Clone, Copy, Debug)]
struct OldestSeen {
    at: Instant,
    span: Span,
}

/// How long a consumer must look gone on this clock. A live consumer asks for entries every
/// [`BLOCK`].
const CONFIRM: Duration = BLOCK.saturating_mul(5);

impl Overdue {
    /// Takes the span that is pending now. If the same entry has been the oldest pending one for at
    /// least `limit`, answers the span of the first look that found that entry, and counts anew.
    pub(super) fn look(
        &mut self,
        pending: Option<Span>,
        now: Instant,
        limit: Duration,
    ) -> Option<Span> {
        let Some(span) = pending else {
            self.forget();
            return None;
        };
        let first = self.0.filter(|look| look.span.oldest == span.oldest);
        let overdue = first.filter(|look| now.saturating_duration_since(look.at) >= limit);
        if first.is_none() || overdue.is_some() {
            self.0 = Some(OldestSeen { at: now, span });
        }
        overdue.map(|look| look.span)
    }

    /// Counts anew, because this consumer acted on nothing in the meantime.
    pub(super) fn forget(&mut self) {
        self.0 = None;
    }
}

impl Gone {
    /// Takes the names of the consumers that look gone now. Answers those that looked gone at every
    /// look for at least [`CONFIRM`].
    pub(super) fn confirm(&mut self, names: Vec<String>, now: Instant) -> Vec<String> {
        let before = std::mem::take(&mut self.0);
        let since = |name: String| (before.get(&name).copied().unwrap_or(now), name);
        self.0 = names
            .into_iter()
            .map(since)
            .map(|(since, name)| (name, since))
            .collect();
        let is_gone = |since: Instant| now.saturating_duration_since(since) >= CONFIRM;
        self.0
            .iter()
            .filter(|(_, since)| is_gone(**since))
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Counts anew, because a store was away: no consumer could ask for entries.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(2);

    #[test]
    fn only_what_was_pending_at_all_looks_for_so_long_is_overdue() {
        let (began, mut overdue) = (Instant::now(), Overdue::default());
        let mut look = |s, oldest: Option<u64>, delivered| {
            let now = began + Duration::from_secs(s);
            let newest = EntryId::first_of(delivered);
            let pending = oldest.map(|ms| Span {
                oldest: EntryId::first_of(ms),
                newest,
            });
            let span = overdue.look(pending, now, LIMIT);
            span.map(|span| (span.oldest.ms, span.newest.ms))
        };
        assert_eq!(look(0, Some(1), 5), None);
        assert_eq!(look(1, Some(1), 6), None);
        assert_eq!(
            look(2, Some(1), 7),
            Some((1, 5)),
            "6 and 7 are not that old"
        );
        assert_eq!(look(3, Some(1), 8), None, "it counts anew");
        assert_eq!(look(4, Some(2), 8), None, "another one is the oldest");
        assert_eq!(look(5, None, 9), None);
        assert_eq!(look(6, Some(2), 9), None, "it was not pending meanwhile");
        assert_eq!(look(8, Some(2), 9), Some((2, 9)));
    }

    #[test]
    fn a_consumer_is_gone_that_looks_gone_each_time() {
        let (began, mut gone) = (Instant::now(), Gone::default());
        let mut confirm = |after, names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            gone.confirm(names, began + after)
        };
        assert!(confirm(Duration::ZERO, &["a", "b"]).is_empty());
        assert!(confirm(BLOCK, &["a"]).is_empty());
        assert_eq!(
            confirm(CONFIRM, &["a", "b"]),
            ["a"],
            "b was heard of meanwhile"
        );
    }
}
