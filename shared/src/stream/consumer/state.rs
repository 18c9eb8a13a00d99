//! What a consumer has in memory. None of it matters: whatever is lost here is pending in Redis.

use std::time::{Duration, Instant};

use crate::base::backoff::Backoff;
use crate::contract::entry_id::EntryId;
use crate::stream::consumer::overdue::{Gone, Overdue};
use crate::stream::consumer::{BATCH, BLOCK};
use crate::stream::delivery::Delivery;
use crate::stream::group::{BEGINNING, Pace};
use crate::stream::replay::Replay;

/// Wait before an entry is handed over again. All waits together stay far below the time after
/// which another consumer takes the entry over.
const RETRY: Backoff = Backoff {
    first: Duration::from_millis(200),
    max: Duration::from_secs(2),
};

/// How long the first read waits, and the first one after a failure: whether the consumer gets on
/// is known after it.
const FIRST_BLOCK: Duration = Duration::from_millis(20);

/// A batch of so many entries says that others are on their way.
const BUSY: usize = 16;
/// How long they are left to come together. A batch costs a store about as much as one entry does
/// for each product in it, so that a few large ones are far cheaper than many small ones. Where they
/// become too large, one of them keeps a processor for milliseconds, and requests wait for it.
const LINGER: Duration = Duration::from_millis(10);

pub(super) struct State {
    pub(super) group_exists: bool,
    /// Where the reading of own pending entries goes on; `None` once they are all read.
    pub(super) own_pending_after: Option<String>,
    /// The own pending entries are from before this process: one of them may have killed it.
    pub(super) after_crash: bool,
    pub(super) reclaim_cursor: String,
    pub(super) reclaim_at: Instant,
    /// The scan for abandoned entries takes all up to this one, whatever the clock of the store says.
    pub(super) reclaim_all_to: Option<EntryId>,
    pub(super) overdue: Overdue,
    pub(super) gone: Gone,
    pub(super) in_hand: Vec<Delivery>,
    pub(super) retries: Vec<(Instant, Delivery)>,
    pub(super) replay: Replay,
    /// How fast new entries are read.
    pub(super) pace: Pace,
    /// How fast those are read that were read before, here or by others.
    pub(super) past_pace: Pace,
    course: Course,
}

/// What the last round was that told anything.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Course {
    /// None since the process began, or since the last failure.
    Unknown,
    GetsOn,
    Nowhere,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            group_exists: false,
            own_pending_after: Some(BEGINNING.to_owned()),
            after_crash: true,
            reclaim_cursor: BEGINNING.to_owned(),
            reclaim_at: Instant::now(),
            reclaim_all_to: None,
            overdue: Overdue::default(),
            gone: Gone::default(),
            in_hand: Vec::new(),
            retries: Vec::new(),
            replay: Replay::new(),
            pace: Pace::cautious(),
            past_pace: Pace::cautious(),
            course: Course::Unknown,
        }
    }

    /// After a failure nothing here counts: whatever was read is pending, and is read again. It is
    /// read one by one, because it may have been too much.
    pub(super) fn start_over(&mut self) {
        self.in_hand.clear();
        self.retries.clear();
        self.own_pending_after = Some(BEGINNING.to_owned());
        self.replay.check_soon();
        self.overdue.forget();
        self.pace = Pace::cautious();
        self.past_pace = Pace::cautious();
        self.course = Course::Unknown;
    }

    pub(super) fn got_on(&mut self) {
        self.course = Course::GetsOn;
    }

    pub(super) fn is_first_nowhere(&mut self) -> bool {
        std::mem::replace(&mut self.course, Course::Nowhere) != Course::Nowhere
    }

    /// The entries whose time has come for another attempt.
    pub(super) fn take_due(&mut self) -> Vec<Delivery> {
        let now = Instant::now();
        let (due, later): (Vec<_>, _) = std::mem::take(&mut self.retries)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.retries = later;
        due.into_iter().map(|(_, delivery)| delivery).collect()
    }

    /// Keeps what is to be tried again, out of `count` deliveries. Answers how many are settled.
    pub(super) fn retry_later(&mut self, count: usize, deliveries: Vec<Delivery>) -> usize {
        let settled = count.saturating_sub(deliveries.len());
        let now = Instant::now();
        self.retries.extend(
            deliveries
                .into_iter()
                .map(|delivery| (now + RETRY.wait(delivery.attempts), delivery)),
        );
        settled
    }

    /// Whether an entry is in memory already.
    pub(super) fn holds(&self, id: &str) -> bool {
        let retries = self.retries.iter().map(|(_, delivery)| delivery);
        self.in_hand
            .iter()
            .chain(retries)
            .any(|delivery| delivery.entry.id == id)
    }

    /// How long the next batch is left to fill while the one in hand is settled. A few entries are
    /// followed at once, because nobody would join them; a full batch too, because a pile waits.
    pub(super) fn linger(&self) -> Option<Duration> {
        (BUSY..BATCH)
            .contains(&self.in_hand.len())
            .then_some(LINGER)
    }

    /// A read must not outlast the next retry, nor hold up a scan for abandoned entries.
    pub(super) fn longest_block(&self) -> Duration {
        if self.reclaim_cursor != BEGINNING {
            return Duration::from_millis(1);
        }
        let longest = if self.course == Course::Unknown {
            FIRST_BLOCK
        } else {
            BLOCK
        };
        let next_retry = self
            .retries
            .iter()
            .map(|(at, _)| at.saturating_duration_since(Instant::now()))
            .min();
        next_retry.map_or(longest, |wait| {
            wait.clamp(Duration::from_millis(1), longest)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::Entry;

    fn linger_behind(count: usize) -> Option<Duration> {
        let entry = Entry {
            id: "1-1".to_owned(),
            ..Entry::default()
        };
        let mut state = State::new();
        state.in_hand = vec![Delivery::first(entry); count];
        state.linger()
    }

    #[test]
    fn only_a_busy_stream_is_left_to_fill_the_next_batch() {
        for count in [0, 1, BUSY - 1, BATCH] {
            assert_eq!(linger_behind(count), None, "{count}");
        }
        for count in [BUSY, BATCH - 1] {
            assert_eq!(linger_behind(count), Some(LINGER), "{count}");
        }
    }
}
