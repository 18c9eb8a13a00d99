//! The end of records: inventory forgets orders of long ago, and the store remembers up to which hour.

use std::time::Duration;

use shared::contract::id::Partition;
use shared::contract::time::{MAX_SKEW, Timestamp};
use shared::redis::{Command, RedisError};
use shared::store::function::Call;
use shared::store::sweep::{MIN_SPAN, Sweep, believed};

use super::ProductStore;
use crate::keys;

/// Buckets of records that one sweep removes at most, in each partition.
const SWEEP_LIMIT: u64 = 1_000;

impl ProductStore {
    /// Removes the records of orders minted more than `keep` before the newest order on record, as
    /// soon as `sweep` trusts the clock of the store. Answers how many buckets it removed.
    ///
    /// Orders of the hours that were swept are never applied, so nobody will ask for them. Only a sweep
    /// that is trusted moves the first hour that is kept.
    pub async fn sweep_applied(&self, sweep: &Sweep, keep: Duration) -> Result<u64, RedisError> {
        let mut swept = 0;
        for partition in self.own.partitions().all() {
            let clock = self.own.now(partition).await?;
            let Some((newest, has_older)) = self.newest_record(partition, clock).await? else {
                continue;
            };
            let until = sweep.look(partition, clock, newest);
            // Records of one day alone confirm no clock, and none of them is old.
            if let Some(until) = until.filter(|_| has_older) {
                // The bucket of this time itself still has younger orders in it.
                let first = keys::bucket(until.earlier_by(keep));
                swept += self.call_sweep(partition, first, SWEEP_LIMIT).await?;
            }
        }
        Ok(swept)
    }

    /// The time from which on records are kept, as far as it was swept; `None` where it never was.
    pub(super) async fn first_kept(
        &self,
        partition: Partition,
    ) -> Result<Option<Timestamp>, RedisError> {
        let first = self
            .own
            .run(Command::new("GET").key(keys::swept(partition)))
            .await?;
        if first.is_null() {
            return Ok(None);
        }
        Ok(Some(keys::bucket_start(first.unsigned()?)))
    }

    /// The end of the newest bucket that is to be believed, and whether there is one a day older.
    async fn newest_record(
        &self,
        partition: Partition,
        clock: Timestamp,
    ) -> Result<Option<(Timestamp, bool)>, RedisError> {
        // What is farther ahead was recorded while the clock was wrong.
        let last = keys::bucket(clock.later_by(MAX_SKEW));
        let Some(newest) = self.newest_bucket(partition, last).await? else {
            return Ok(None);
        };
        let before = keys::bucket(keys::bucket_start(newest).earlier_by(MIN_SPAN));
        let older = self.newest_bucket(partition, before).await?;
        let newest = bucket_end(newest);
        let believed = older.map_or(newest, |older| believed(newest, bucket_end(older)));
        Ok(Some((believed, older.is_some())))
    }

    /// The newest bucket up to this one.
    async fn newest_bucket(
        &self,
        partition: Partition,
        last: u64,
    ) -> Result<Option<u64>, RedisError> {
        let index = keys::applied_buckets(partition);
        let newest = Command::new("ZRANGE").key(index).arg(last.to_string());
        let newest = newest.args(["-inf", "BYSCORE", "REV", "LIMIT", "0", "1"]);
        let newest = self.own.run(newest).await?.list()?.into_iter().next();
        newest.map(|bucket| Ok(bucket.unsigned()?)).transpose()
    }

    async fn call_sweep(
        &self,
        partition: Partition,
        first: u64,
        limit: u64,
    ) -> Result<u64, RedisError> {
        let call = Call::new("sweep_applied")
            .key(keys::applied_buckets(partition))
            .arg(keys::applied_prefix(partition))
            .text(first)
            .text(limit);
        Ok(self.own.call(partition, &call).await?.unsigned()?)
    }
}

/// The last millisecond of a bucket.
fn bucket_end(bucket: u64) -> Timestamp {
    keys::bucket_start(bucket.saturating_add(1)).earlier_by(Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_bucket_is_still_of_that_bucket() {
        for bucket in [0, 1, 498_658] {
            assert_eq!(keys::bucket(bucket_end(bucket)), bucket);
        }
        assert!(
            bucket_end(u64::MAX) >= bucket_end(u64::MAX - 1),
            "no overflow"
        );
    }
}
