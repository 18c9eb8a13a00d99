//! Sweeps records: inventory forgets orders of long ago. The store remembers the first hour whose
//! records it keeps.

use std::time::Duration;

use shared::contract::limits::MAX_SKEW;
use shared::contract::time::Timestamp;
use shared::redis::{Command, RedisError};
use shared::store::partition::Partition;
use shared::store::sweep::{MIN_SPAN, Sweep, believed};

use super::{ProductStore, calls};
use crate::keys;

/// The most hours that one sweep removes in a partition.
const SWEEP_LIMIT: u64 = 1_000;

impl ProductStore {
    /// Removes the records of orders minted more than `keep` before the newest order on record, as
    /// soon as `sweep` trusts the clock of the store. Answers the number of hours that it removed.
    ///
    /// Orders of a swept hour are never applied, so their records are not needed again. Only a
    /// trusted sweep moves the first hour that is kept.
    pub async fn sweep_records(&self, sweep: &Sweep, keep: Duration) -> Result<u64, RedisError> {
        let mut swept = 0;
        for partition in self.own.partitions().all() {
            let clock = self.own.now(partition).await?;
            let Some((newest, has_older)) = self.newest_record(partition, clock).await? else {
                continue;
            };
            let until = sweep.look(partition, clock, newest);
            // Records of one day alone confirm no clock, and none of them is old.
            if let Some(until) = until.filter(|_| has_older) {
                // The hour that has this time in it also has younger orders.
                let first = keys::hour(until.earlier_by(keep));
                let call = calls::sweep_records(partition, first, SWEEP_LIMIT);
                swept += self.own.call(partition, &call).await?.unsigned()?;
            }
        }
        Ok(swept)
    }

    /// The time from which on records are kept; `None` in a store that was never swept.
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
        Ok(Some(keys::hour_start(first.unsigned()?)))
    }

    /// Answers the end of the newest hour with records that can be believed, and whether an hour at
    /// least a day older has records too.
    async fn newest_record(
        &self,
        partition: Partition,
        clock: Timestamp,
    ) -> Result<Option<(Timestamp, bool)>, RedisError> {
        // Hours farther ahead were recorded while the clock was wrong.
        let last = keys::hour(clock.later_by(MAX_SKEW));
        let Some(newest) = self.newest_hour(partition, last).await? else {
            return Ok(None);
        };
        let before = keys::hour(keys::hour_start(newest).earlier_by(MIN_SPAN));
        let older = self.newest_hour(partition, before).await?;
        let newest = hour_end(newest);
        let believed = older.map_or(newest, |older| believed(newest, hour_end(older)));
        Ok(Some((believed, older.is_some())))
    }

    /// The newest hour up to this one.
    async fn newest_hour(
        &self,
        partition: Partition,
        last: u64,
    ) -> Result<Option<u64>, RedisError> {
        let index = keys::record_hours(partition);
        let newest = Command::new("ZRANGE").key(index).arg(last.to_string());
        let newest = newest.args(["-inf", "BYSCORE", "REV", "LIMIT", "0", "1"]);
        let newest = self.own.run(newest).await?.list()?.into_iter().next();
        newest.map(|hour| Ok(hour.unsigned()?)).transpose()
    }
}

/// The last millisecond of an hour.
fn hour_end(hour: u64) -> Timestamp {
    keys::hour_start(hour.saturating_add(1)).earlier_by(Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_hour_is_still_of_that_hour() {
        for hour in [0, 1, 498_658] {
            assert_eq!(keys::hour(hour_end(hour)), hour);
        }
        assert!(hour_end(u64::MAX) >= hour_end(u64::MAX - 1), "no overflow");
    }
}
