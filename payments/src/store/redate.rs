//! Orders that were placed while the clock of the store was ahead: they would be due when it gets there.

use std::time::Duration;

use shared::id::{OrderId, Partition};
use shared::redis::{Command, RedisError};

use super::Store;
use crate::keys;

/// How far ahead an order must have been placed. A clock that is set back by less makes it wait no
/// longer than that.
const MIN_AHEAD: Duration = Duration::from_mins(1);
/// Members of `due` that are read at once, and how many pages one look reads.
const PAGE: usize = 100;
const MAX_PAGES: usize = 100;

impl Store {
    /// Makes orders due anew that were placed at a time which is still to come: the clock was ahead
    /// then. Each waits for its delay from now on, and not until the clock gets there. Answers how
    /// many members of `due` that were. Nothing that is due within `delay`, the one of new orders, is
    /// looked at.
    pub async fn redate_due(&self, delay: Duration) -> Result<usize, RedisError> {
        let mut redated = 0;
        for partition in self.own.partitions().all() {
            let mut passed_by = 0;
            for _ in 0..MAX_PAGES {
                let page = self.late_members(partition, delay, passed_by).await?;
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
        delay: Duration,
        from: usize,
    ) -> Result<Vec<String>, RedisError> {
        let latest = self.own.now(partition).await?.later_by(delay).later_by(MIN_AHEAD);
        let range = Command::new("ZRANGEBYSCORE").key(keys::due(partition));
        let range = range.arg(format!("({}", latest.as_millis())).arg("+inf");
        Ok(self
            .own
            .run(range.arg("LIMIT").arg(from.to_string()).arg(PAGE.to_string()))
            .await?
            .texts()?)
    }

    /// Orders that were placed together have the same times, so the first one tells those of all.
    async fn redate(&self, partition: Partition, member: &str) -> Result<bool, RedisError> {
        let first = member.split(' ').next().and_then(|id| id.parse::<OrderId>().ok());
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
        let delay_ms = order.completes_at.as_millis() - order.created_at.as_millis();
        let due = now.later_by(Duration::from_millis(delay_ms));
        // Only if it still waits, and only to an earlier time.
        let add = Command::new("ZADD").key(keys::due(partition)).args(["XX", "LT", "CH"]);
        let add = add.arg(due.as_millis().to_string()).arg(member);
        if self.own.run(add).await?.unsigned()? == 0 {
            return Ok(false);
        }
        let (placed, due) = (order.created_at, due.to_string());
        tracing::warn!(%placed, due, "orders were placed while the clock of the store was ahead: due anew");
        Ok(true)
    }
}
