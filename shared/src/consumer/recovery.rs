//! What comes before new entries: what was left pending, here and by others, and what is to be tried
//! again.

use std::time::{Duration, Instant};

use super::Consumer;
use crate::consumer::round::{Round, is_beyond};
use crate::delivery::Handler;
use crate::group::BEGINNING;
use crate::redis::{Entry, RedisError};

/// A consumer with nothing pending that was not heard of for this long is removed from the group.
const IDLE_CONSUMER: Duration = Duration::from_hours(1);

impl<H: Handler> Consumer<H> {
    /// Settles a page of what this consumer was given before.
    pub(super) async fn recover_own(&mut self, after: &str) -> Result<Round, RedisError> {
        let (store, pace) = (&self.settler.stream_store, &mut self.state.past_pace);
        let entries = self.settler.membership.read_own_pending(store, pace, after).await?;
        let Some(last) = entries.last().map(|entry| entry.id.clone()) else {
            self.state.after_crash = false;
            return Ok(Round::Underway);
        };
        is_beyond(&last, after)?;
        let count = entries.len();
        tracing::info!(stream = self.stream(), entries = count, "settling what was left pending");
        let again = if self.state.after_crash {
            self.settler.settle_recovered(entries).await?
        } else {
            self.settler.settle_again(entries).await?
        };
        self.state.own_pending_after = Some(last);
        let settled = self.state.retry_later(count, again);
        Ok(if settled > 0 { Round::Progress } else { Round::Underway })
    }

    /// Takes over what dead consumers left, and answers how much of it is settled. The cursor is
    /// kept between rounds: starting over each time would never get past a long list.
    pub(super) async fn reclaim(&mut self) -> Result<usize, RedisError> {
        let (store, cursor) = (&self.settler.stream_store, &self.state.reclaim_cursor);
        let (pace, idle) = (&mut self.state.past_pace, self.reclaim_idle);
        let found = self.settler.membership.reclaim(store, pace, idle, cursor).await?;
        if found.cursor != BEGINNING {
            is_beyond(&found.cursor, cursor)?;
        }
        // What is in hand here is pending in this name too; its turn comes in this very round, or
        // in `retry_due`.
        let entries = found.entries.into_iter().filter(|entry| !self.state.holds(&entry.id));
        let entries: Vec<Entry> = entries.collect();
        let count = entries.len();
        if count > 0 {
            tracing::warn!(
                stream = self.stream(),
                entries = count,
                "taking over from a consumer that is gone"
            );
        }
        let again = self.settler.settle_recovered(entries).await?;
        let settled = self.state.retry_later(count, again);
        self.state.reclaim_cursor = found.cursor;
        if self.state.reclaim_cursor == BEGINNING {
            self.state.reclaim_at = Instant::now() + self.reclaim_idle / 2;
            let store = &self.settler.stream_store;
            if self.membership().remove_idle_consumers(store, IDLE_CONSUMER).await? > 0 {
                self.state.rewind.begin(&self.settler).await?;
            }
        }
        Ok(settled)
    }

    /// Hands over what is due, each alone, and answers how much of it is settled: a batch fails as a
    /// whole, and only one of it may be to blame.
    pub(super) async fn retry_due(&mut self) -> Result<usize, RedisError> {
        let mut settled = 0;
        for delivery in self.state.take_due() {
            let again = self.settler.settle(vec![delivery]).await?;
            settled += self.state.retry_later(1, again);
        }
        Ok(settled)
    }
}
