//! Makes orders due anew that were placed while the clock of the store was ahead. Otherwise they
//! would be due only when the clock reaches the time of their placement again.

use std::time::Duration;

use shared::contract::id::OrderId;
use shared::contract::time::Timestamp;
use shared::redis::{Command, RedisError};
use shared::store::partition::Partition;
use shared::store::sweep::ClockWatch;

use super::OrderStore;
use crate::keys;

/// How far ahead of now an order must have been placed. If the clock was ahead by less, the order
/// waits at most this much longer.
const MIN_AHEAD: Duration = Duration::from_mins(1);
/// Members of `due` that are read at once, and how many pages one look reads.
const PAGE: usize = 100;
const MAX_PAGES: usize = 100;

impl OrderStore {
    /// Makes orders due anew whose time of placement is still to come: the clock was ahead then.
    /// Each order is due after its delay, counted from now. Answers the number of members of `due`
    /// that were changed. Members that are due earlier than an order which is placed now are not
    /// looked at.
    ///
    /// A clock that is behind for a moment makes good orders look like these, and they would be
    /// paid early. So the clock of the store has to be steady since the look before, and to agree
    /// with the clock of this process.
    pub async fn redate_due(&self, watch: &ClockWatch) -> Result<usize, RedisError> {
        let mut redated = 0;
        for partition in self.own.partitions().all() {
            let is_steady = watch.is_steady(partition, self.own.now(partition).await?);
            if !is_steady || !self.own.agrees_on_time(partition).await? {
                continue;
            }
            let mut passed_by = 0;
            for _ in 0..MAX_PAGES {
                let page = self.late_members(partition, passed_by).await?;
                let found = page.len();
                for member in page {
                    let is_redated = self.redate(partition, &member).await?;
                    redated += usize::from(is_redated);
                    passed_by += usize::from(!is_redated);
                }
                if found < PAGE {
                    break;
                }
            }
        }
        Ok(redated)
    }

    /// A page of the members that are due later than an order that is placed now.
    async fn late_members(
        &self,
        partition: Partition,
        from: usize,
    ) -> Result<Vec<String>, RedisError> {
        let latest = self
            .own
            .now(partition)
            .await?
            .later_by(self.delay)
            .later_by(MIN_AHEAD);
        let range = Command::new("ZRANGEBYSCORE").key(keys::due(partition));
        let range = range.arg(format!("({}", latest.as_millis())).arg("+inf");
        Ok(self
            .own
            .run(
                range
                    .arg("LIMIT")
                    .arg(from.to_string())
                    .arg(PAGE.to_string()),
            )
            .await?
            .texts()?)
    }

    /// Makes one member due anew, and answers whether it did. The orders of a member have the same
    /// times, so only the first order is read.
    async fn redate(&self, partition: Partition, member: &str) -> Result<bool, RedisError> {
        let first = member
            .split(' ')
            .next()
            .and_then(|id| id.parse::<OrderId>().ok());
        let Some(first) = first else {
            return Ok(false);
        };
        let Some(order) = self.find_order(first).await? else {
            return Ok(false);
        };
        let now = self.own.now(partition).await?;
        if order.created_at <= now.later_by(MIN_AHEAD) {
            return Ok(false);
        }
        let due = due_anew(now, order.created_at, order.completes_at);
        // XX: only if the member still waits. LT: only to an earlier time.
        let add = Command::new("ZADD")
            .key(keys::due(partition))
            .args(["XX", "LT", "CH"]);
        let add = add.arg(due.as_millis().to_string()).arg(member);
        if self.own.run(add).await?.unsigned()? == 0 {
            return Ok(false);
        }
        let (placed, due) = (order.created_at, due.to_string());
        tracing::warn!(%placed, due, "orders were placed while the clock of the store was ahead: they are due anew");
        Ok(true)
    }
}

/// When an order is due that waits for its delay from now on. A damaged order whose due time lies
/// before its placement is due now.
fn due_anew(now: Timestamp, created_at: Timestamp, completes_at: Timestamp) -> Timestamp {
    let delay_ms = completes_at
        .as_millis()
        .saturating_sub(created_at.as_millis());
    now.later_by(Duration::from_millis(delay_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_is_due_anew_waits_for_its_delay_and_no_arithmetic_overflows() {
        let hour = Duration::from_hours(1);
        let (now, placed) = (Timestamp::EXAMPLE, Timestamp::EXAMPLE.later_by(20 * hour));
        assert_eq!(
            due_anew(now, placed, placed.later_by(hour)),
            now.later_by(hour)
        );
        assert_eq!(
            due_anew(now, placed, placed.earlier_by(hour)),
            now,
            "a damaged one"
        );
        let (first, last) = (Timestamp::from_millis(0), Timestamp::from_millis(u64::MAX));
        assert_eq!(due_anew(last, first, last), last);
    }
}
