//! Removing old records, and what that means for orders.

use std::ops::Range;

use proof::invocation::Invocation;
use proof::twin::Answer;
use shared::store::partition::Partition;

use super::model::Model;
use super::request::{Apply, HOUR_MS, Paid, hour_of};

/// How many hours an order may be ahead of the store.
const MAX_SKEW: u64 = 24;
/// The records of this many hours back are never swept.
const SHORTEST_KEEP: u64 = 8 * 24;

/// A sweep of all records before an hour.
#[derive(Clone, Debug)]
pub(crate) struct Sweep {
    pub(crate) first: u64,
    pub(crate) limit: usize,
}

impl Sweep {
    pub(crate) fn invocation(&self, partition: Partition) -> Invocation {
        Invocation::new("sweep_records")
            .key(partition.key("record_hours"))
            .arg(partition.key_of("records", ""))
            .arg(self.first)
            .arg(self.limit)
    }
}

impl Model {
    pub(crate) fn sweep_records(&mut self, request: &Sweep) -> Answer {
        if self.is_too_late(request.first) {
            return Answer::Refused("a sweep would remove records of the last 8 days");
        }
        self.swept = self.swept.max(Some(request.first));
        let mut hours: Vec<u64> = self.hours().filter(|hour| *hour < request.first).collect();
        hours.sort_unstable();
        hours.dedup();
        hours.truncate(request.limit);
        self.records
            .retain(|_, recorded| !hours.contains(&recorded.hour));
        Answer::Number(i64::try_from(hours.len()).unwrap())
    }

    /// The hours of orders that can be decided. An order beyond them means a wrong clock if the
    /// clock is behind the records. An order before them means a wrong marker if the marker is in
    /// the last 8 days.
    pub(super) fn limits(&self, request: &Apply) -> Result<Range<u64>, Answer> {
        let (first, mut last) = (
            self.swept.unwrap_or(0),
            hour_of(self.beginning.now_ms) + MAX_SKEW,
        );
        let hours = || request.orders.iter().map(Paid::hour);
        let newest = self.hours().max().filter(|newest| *newest > last);
        if let Some(newest) = newest.filter(|_| hours().any(|hour| hour > last)) {
            last = newest + MAX_SKEW;
            if hours().any(|hour| hour > last) {
                return Err(Answer::Refused(
                    "the clock of this store is more than a day behind",
                ));
            }
        }
        if self.is_too_late(first) && hours().any(|hour| hour < first) {
            return Err(Answer::Refused(
                "counts orders of the last 8 days as forgotten",
            ));
        }
        Ok(first..last + 1)
    }

    /// Whether this marker would forget hours that are never swept.
    fn is_too_late(&self, first: u64) -> bool {
        first * HOUR_MS > self.beginning.now_ms - SHORTEST_KEEP * HOUR_MS
    }

    fn hours(&self) -> impl Iterator<Item = u64> {
        self.records.values().map(|recorded| recorded.hour)
    }
}
