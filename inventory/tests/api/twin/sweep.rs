//! How records of long ago are forgotten, and what that means for orders.

use std::ops::Range;

use shared::id::Partition;
use stack::invocation::Invocation;
use stack::twin::Answer;

use super::model::Model;
use super::request::{Apply, BUCKET_MS, Paid, bucket};

/// Hours by which an order may be ahead of the store.
const MAX_SKEW: u64 = 24;

/// A sweep of all records before a bucket.
#[derive(Clone, Debug)]
pub(crate) struct Sweep {
    pub(crate) first: u64,
    pub(crate) limit: usize,
}

impl Sweep {
    pub(crate) fn invocation(&self, partition: Partition) -> Invocation {
        Invocation::new("sweep_applied")
            .key(partition.key("applied"))
            .arg(partition.key_of("applied", ""))
            .arg(self.first)
            .arg(self.limit)
    }
}

impl Model {
    pub(crate) fn sweep_applied(&mut self, request: &Sweep) -> Answer {
        self.swept = self.swept.max(Some(request.first));
        let mut buckets: Vec<u64> = self.buckets().filter(|at| *at < request.first).collect();
        buckets.sort_unstable();
        buckets.dedup();
        buckets.truncate(request.limit);
        self.records.retain(|_, recorded| !buckets.contains(&recorded.bucket));
        Answer::Number(i64::try_from(buckets.len()).unwrap())
    }

    /// The buckets that orders are recorded in. An order beyond them says that the clock is wrong where
    /// the clock is behind what is recorded.
    pub(super) fn limits(&self, request: &Apply) -> Result<Range<u64>, Answer> {
        let newest = self.buckets().max();
        let kept = request.keep_ms.div_ceil(BUCKET_MS);
        let first = self.swept.or(newest.map(|newest| newest.saturating_sub(kept)));
        let last = bucket(self.beginning.now_ms) + MAX_SKEW;
        let known = newest.unwrap_or(0) + MAX_SKEW;
        let furthest = request.orders.iter().map(Paid::bucket).max().unwrap_or(0);
        if furthest > last.max(known) && newest.is_some_and(|newest| newest > last) {
            return Err(Answer::Refused("the clock of this store is more than a day behind"));
        }
        Ok(first.unwrap_or(0)..last.max(known) + 1)
    }

    fn buckets(&self) -> impl Iterator<Item = u64> {
        self.records.values().map(|recorded| recorded.bucket)
    }
}
