//! The end of records: what became of orders is forgotten after a while, and up to when is remembered.

use std::time::Duration;

use shared::function::Call;
use shared::id::Partition;
use shared::redis::{Command, RedisError};
use shared::sweep::Sweep;
use shared::time::{MAX_SKEW, Timestamp};

use super::Store;
use crate::keys;

/// Buckets of records that one sweep removes at most, in each partition.
const SWEEP_LIMIT: u64 = 1_000;

impl Store {
    /// Forgets what became of orders minted more than `keep` before the newest order on record, as
    /// soon as `sweep` trusts the clock of the store. Answers how many buckets it removed.
    ///
    /// Orders of the hours that were swept are never applied, so nobody will ask for them.
    pub async fn sweep_applied(&self, sweep: &Sweep, keep: Duration) -> Result<u64, RedisError> {
        let mut swept = 0;
        for partition in self.own.partitions().all() {
            let clock = self.own.now(partition).await?;
            let newest = self.newest_bucket(partition, clock).await?;
            if self.first_kept(partition).await?.is_none() {
                self.mark_first_kept(partition, newest, keep).await?;
            }
            let Some(newest) = newest else {
                continue;
            };
            let newest = keys::bucket_start(newest + 1);
            if let Some(until) = sweep.look(partition, clock, newest) {
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
        let first = self.own.run(Command::new("GET").key(keys::swept(partition))).await?;
        if first.is_null() {
            return Ok(None);
        }
        Ok(Some(keys::bucket_start(first.unsigned()?)))
    }

    /// Marks the first bucket that is kept where none was ever swept. Nothing is removed by this.
    async fn mark_first_kept(
        &self,
        partition: Partition,
        newest: Option<u64>,
        keep: Duration,
    ) -> Result<(), RedisError> {
        if let Some(newest) = newest {
            // An older build may have swept so much.
            let first = keys::bucket(keys::bucket_start(newest).earlier_by(keep));
            return self.call_sweep(partition, first, 0).await.map(drop);
        }
        let index = Command::new("EXISTS").key(keys::applied_buckets(partition));
        if self.own.run(index).await?.int()? == 1 {
            // All records are from ahead: what an older build swept is not known yet.
            return Ok(());
        }
        self.call_sweep(partition, 0, 0).await.map(drop)
    }

    /// The newest bucket that is not of a time far ahead of the clock: one that is was recorded while the
    /// clock was wrong, and tells nothing of what it is now.
    async fn newest_bucket(
        &self,
        partition: Partition,
        clock: Timestamp,
    ) -> Result<Option<u64>, RedisError> {
        let index = keys::applied_buckets(partition);
        let last = keys::bucket(clock.later_by(MAX_SKEW)).to_string();
        let newest = Command::new("ZRANGE").key(index).arg(last);
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
