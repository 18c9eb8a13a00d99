//! What comes before new entries: what was left pending, here and by others, and what is to be tried
//! again.
//!
//! A clock of the store that was set ahead makes entries of consumers that live look abandoned, and
//! these consumers idle. What is taken over from one that lives changes nothing the second time. Its name
//! is removed only after several looks (see `overdue`). If it was given entries in the same moment, the
//! pass over the recent past acts on them.

use std::time::{Duration, Instant};

use super::Consumer;
use crate::redis::{Entry, RedisError};
use crate::stream::checkpoint::read_id;
use crate::stream::consumer::overdue::Span;
use crate::stream::consumer::round::{Round, is_beyond};
use crate::stream::delivery::Handler;
use crate::stream::group::BEGINNING;

/// How many times the idle time an entry may be the oldest pending one on the clock of this machine.
const OVERDUE: u32 = 2;
/// A consumer with nothing pending that was not heard of for this long is removed from the group.
const IDLE_CONSUMER: Duration = Duration::from_hours(1);

impl<H: Handler> Consumer<H> {
    /// Settles a page of what this consumer was given before.
    pub(super) async fn recover_own(&mut self, after: &str) -> Result<Round, RedisError> {
        let (store, pace) = (&self.settler.stream_store, &mut self.state.past_pace);
        let entries = self
            .settler
            .membership
            .read_own_pending(store, pace, after)
            .await?;
        let Some(last) = entries.last().map(|entry| entry.id.clone()) else {
            self.state.after_crash = false;
            return Ok(Round::Underway);
        };
        is_beyond(&last, after)?;
        let count = entries.len();
        tracing::info!(
            stream = self.stream(),
            entries = count,
            "settling what was left pending"
        );
        let again = if self.state.after_crash {
            self.settler.settle_recovered(entries).await?
        } else {
            self.settler.settle_again(entries).await?
        };
        self.state.own_pending_after = Some(last);
        let settled = self.state.retry_later(count, again);
        Ok(if settled > 0 {
            Round::Progress
        } else {
            Round::Underway
        })
    }

    /// Takes over what dead consumers left, and answers how much of it is settled. The cursor is
    /// kept between rounds: starting over each time would never get past a long list.
    pub(super) async fn reclaim(&mut self) -> Result<usize, RedisError> {
        let (store, cursor) = (&self.settler.stream_store, &self.state.reclaim_cursor);
        let takes_all = self.state.reclaim_all_to.is_some();
        let idle = if takes_all {
            Duration::ZERO
        } else {
            self.reclaim_idle
        };
        let pace = &mut self.state.past_pace;
        let found = self
            .settler
            .membership
            .reclaim(store, pace, idle, cursor)
            .await?;
        if found.cursor != BEGINNING {
            is_beyond(&found.cursor, cursor)?;
        }
        // What is in hand here is pending in this name too; its turn comes in this very round, or
        // in `retry_due`.
        let entries = found
            .entries
            .into_iter()
            .filter(|entry| !self.state.holds(&entry.id));
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
        let beyond = read_id(&found.cursor)?;
        let is_past = self.state.reclaim_all_to.is_some_and(|last| beyond > last);
        self.state.reclaim_cursor = if is_past {
            BEGINNING.to_owned()
        } else {
            found.cursor
        };
        if self.state.reclaim_cursor == BEGINNING {
            self.end_scan().await?;
        }
        Ok(settled)
    }

    /// The scan came to its end. The next one takes all, if the same entry is pending for too long.
    async fn end_scan(&mut self) -> Result<(), RedisError> {
        self.state.reclaim_at = Instant::now() + self.reclaim_idle / 2;
        if self.state.reclaim_all_to.take().is_none() {
            self.find_overdue().await?;
        }
        let (now, store) = (Instant::now(), &self.settler.stream_store);
        let idle = self
            .settler
            .membership
            .idle_consumers(store, IDLE_CONSUMER)
            .await?;
        let gone = self.state.gone.confirm(idle, now);
        if self
            .settler
            .membership
            .remove_consumers(store, gone)
            .await?
            > 0
        {
            self.state.replay.begin(&self.settler).await?;
        }
        Ok(())
    }

    async fn find_overdue(&mut self) -> Result<(), RedisError> {
        let limit = self.reclaim_idle.saturating_mul(OVERDUE);
        let stream = self.settler.read_stream().await?;
        let newest = stream.delivered;
        let pending = stream.oldest_pending.map(|oldest| Span { oldest, newest });
        let Some(span) = self.state.overdue.look(pending, Instant::now(), limit) else {
            return Ok(());
        };
        let oldest = span.oldest.to_string();
        if self.state.holds(&oldest) {
            return Ok(());
        }
        tracing::warn!(
            stream = self.stream(),
            oldest,
            newest = %span.newest,
            "an entry has been pending for {} ms or more, but the clock of its store counts less, as if \
             it was set back: taking over all entries up to the newest of then",
            limit.as_millis()
        );
        self.state.reclaim_cursor = oldest;
        self.state.reclaim_all_to = Some(span.newest);
        self.state.reclaim_at = Instant::now();
        Ok(())
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
