//! What a consumer keeps in memory. A crash loses no entry: every entry here is pending in Redis.

use std::time::{Duration, Instant};

use crate::base::backoff::Backoff;
use crate::contract::entry_id::EntryId;
use crate::stream::consumer::overdue::{Gone, Overdue};
use crate::stream::delivery::Delivery;
use crate::stream::group::{BATCH, BEGINNING, BLOCK, Pace};

pub(super) struct State {
    pub(super) group_exists: bool,
    /// The own pending entries up to this id were read again; `None` once all of them were.
    pub(super) own_pending_after: Option<String>,
    /// The own pending entries are from before this process began: one of them may have killed the
    /// process before it.
    pub(super) after_crash: bool,
    pub(super) reclaim_cursor: String,
    pub(super) reclaim_at: Instant,
    /// The scan takes over all entries up to this one, even if the clock of the store says that
    /// they are not abandoned.
    pub(super) reclaim_all_to: Option<EntryId>,
    pub(super) overdue: Overdue,
    pub(super) gone: Gone,
    pub(super) in_hand: Vec<Delivery>,
    pub(super) retries: Vec<(Instant, Delivery)>,
    /// When the consumer looks at both stores again.
    pub(super) look_at: Instant,
    /// How fast new entries are read.
    pub(super) pace: Pace,
    /// How fast entries are read that some consumer has read before.
    pub(super) past_pace: Pace,
    course: Course,
}

/// Whether the consumer makes progress, as far as the last rounds tell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Course {
    /// No round has shown it since the process began, or since the last failure.
    Unknown,
    Progress,
    Stuck,
}

/// Wait before an entry is handed over again. All waits together stay far below the time after
/// which another consumer takes the entry over.
const RETRY: Backoff = Backoff {
    first: Duration::from_millis(200),
    max: Duration::from_secs(2),
};

/// How long the first read waits, and the first read after a failure. Its end shows soon whether
/// the consumer makes progress.
const FIRST_BLOCK: Duration = Duration::from_millis(20);

/// A batch of at least this many entries shows that more entries are on their way.
const BUSY: usize = 16;
/// How long the next batch is left to fill.
///
/// The cost of a batch follows the number of its products rather than of its entries. So a few
/// large batches are far cheaper than many small ones. But a very large batch keeps a processor
/// busy for milliseconds, and requests wait for it.
const LINGER: Duration = Duration::from_millis(10);

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
            look_at: Instant::now(),
            pace: Pace::cautious(),
            past_pace: Pace::cautious(),
            course: Course::Unknown,
        }
    }

    /// Forgets the entries in memory after a failure. They are pending, and are read again. Reading
    /// begins with one entry at a time, because the size of the entries may have caused the
    /// failure.
    pub(super) fn start_over(&mut self) {
        self.in_hand.clear();
        self.retries.clear();
        self.own_pending_after = Some(BEGINNING.to_owned());
        self.look_soon();
        self.overdue.forget();
        self.gone.forget();
        self.pace = Pace::cautious();
        self.past_pace = Pace::cautious();
        self.course = Course::Unknown;
    }

    /// Forgets how far a scan came, because the group is gone. The new group begins with nothing
    /// pending, and gives out the same entries again.
    pub(super) fn forget_group(&mut self) {
        self.group_exists = false;
        BEGINNING.clone_into(&mut self.reclaim_cursor);
        self.reclaim_all_to = None;
    }

    /// Looks at both stores in the next round.
    pub(super) fn look_soon(&mut self) {
        self.look_at = Instant::now();
    }

    pub(super) fn set_progress(&mut self) {
        self.course = Course::Progress;
    }

    pub(super) fn is_first_stuck(&mut self) -> bool {
        std::mem::replace(&mut self.course, Course::Stuck) != Course::Stuck
    }

    /// Takes the entries that are due for another attempt.
    pub(super) fn take_due(&mut self) -> Vec<Delivery> {
        let now = Instant::now();
        let (due, later): (Vec<_>, _) = std::mem::take(&mut self.retries)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.retries = later;
        due.into_iter().map(|(_, delivery)| delivery).collect()
    }

    /// Keeps the deliveries that are to be tried again, out of `count`. Answers how many are
    /// settled.
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

    /// How long the next batch is left to fill while the one in hand is settled. After a few
    /// entries the consumer reads at once, because no others are on their way. After a full batch
    /// it reads at once too, because a pile waits.
    pub(super) fn linger(&self) -> Option<Duration> {
        (BUSY..BATCH)
            .contains(&self.in_hand.len())
            .then_some(LINGER)
    }

    /// How long a read may wait: not beyond the next retry, and hardly at all during a scan for
    /// abandoned entries.
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

    /// While a store is away no consumer asks for entries, so each of them looks gone.
    #[test]
    fn what_was_seen_before_a_failure_does_not_count_towards_the_removal_of_a_consumer() {
        let (mut state, began) = (State::new(), Instant::now());
        let names = || vec!["live".to_owned()];
        let confirm = |state: &mut State, after| state.gone.confirm(names(), began + after);
        assert!(confirm(&mut state, Duration::ZERO).is_empty());
        state.start_over();
        let minute = Duration::from_mins(1);
        assert!(confirm(&mut state, minute).is_empty());
        assert_eq!(confirm(&mut state, minute * 2), ["live"]);
    }

    #[test]
    fn a_new_group_is_scanned_from_its_beginning() {
        let mut state = State::new();
        state.group_exists = true;
        state.reclaim_cursor = "7-7".to_owned();
        state.reclaim_all_to = Some(EntryId::first_of(9));
        state.forget_group();
        assert!(!state.group_exists);
        assert_eq!(
            (state.reclaim_cursor.as_str(), state.reclaim_all_to),
            (BEGINNING, None)
        );
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
