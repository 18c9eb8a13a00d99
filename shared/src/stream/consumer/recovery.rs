//! The entries that come before new ones: pending entries of this consumer, pending entries of dead
//! consumers, and entries that are due for another attempt.
//!
//! A clock of the store that was set ahead makes the entries of live consumers look abandoned, and
//! these consumers idle. An entry that is taken over from a live consumer changes nothing the
//! second time. The name of a consumer is removed from the group only after several looks (see
//! `overdue`). If Redis gave that consumer entries just before the removal, a replay acts on them.

use std::time::{Duration, Instant};

use super::Consumer;
use crate::redis::{Code, Entry, RedisError};
use crate::stream::consumer::overdue::Span;
use crate::stream::consumer::round::{Round, is_beyond};
use crate::stream::delivery::{Delivery, Handler};
use crate::stream::group::{BATCH, BEGINNING};
use crate::stream::stream_state::read_id;

/// How many idle times, on the clock of this machine, the same entry may be the oldest pending one.
/// An entry that stays longer is overdue.
const OVERDUE: u32 = 2;
/// A consumer with nothing pending that has asked for nothing for this long is removed from the
/// group.
const IDLE_CONSUMER: Duration = Duration::from_hours(1);

impl<H: Handler> Consumer<H> {
    /// Settles a page of the entries that this consumer was given before.
    pub(super) async fn recover_own(&mut self, after: &str) -> Result<Round, RedisError> {
        let (store, pace) = (&self.stream_store, &mut self.state.past_pace);
        let entries = self.membership.read_own_pending(store, pace, after).await?;
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
            self.settle_recovered(entries).await?
        } else {
            self.settle_again(entries).await?
        };
        self.state.own_pending_after = Some(last);
        let settled = self.state.retry_later(count, again);
        Ok(if settled > 0 {
            Round::Progress
        } else {
            Round::Underway
        })
    }

    /// Takes over a page of the entries that dead consumers left, and answers how many of them are
    /// settled. The next round goes on where this page ended. A scan that began anew each round
    /// would never get past a long list.
    pub(super) async fn reclaim(&mut self) -> Result<usize, RedisError> {
        self.park_missing().await?;
        let (store, cursor) = (&self.stream_store, &self.state.reclaim_cursor);
        let takes_all = self.state.reclaim_all_to.is_some();
        let idle = if takes_all {
            Duration::ZERO
        } else {
            self.reclaim_idle
        };
        let pace = &mut self.state.past_pace;
        let found = self.membership.reclaim(store, pace, idle, cursor).await?;
        if found.cursor != BEGINNING {
            is_beyond(&found.cursor, cursor)?;
        }
        // The scan also finds entries in the memory of this consumer. They are settled later in
        // this round, or by `retry_due`.
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
        let again = self.settle_recovered(entries).await?;
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

    /// Makes dead letters of the pending entries that the stream no longer has, before the scan takes
    /// them off the pending list. Redis never names them again. So the death of this process, or a
    /// lost answer, would leave no trace of them.
    async fn park_missing(&mut self) -> Result<(), RedisError> {
        let stream = self.checkpoint.read_stream().await?;
        let (store, cursor) = (&self.stream_store, &self.state.reclaim_cursor);
        let pace = &self.state.past_pace;
        let missing = self.membership.missing(store, &stream, pace, cursor);
        let mut missing = missing.await?;
        missing.retain(|entry| !self.state.holds(&entry.id));
        for entries in missing.chunks(BATCH) {
            let batch = entries.iter().cloned().map(Delivery::first);
            self.settler
                .settle(batch.collect(), &mut self.checkpoint)
                .await?;
        }
        Ok(())
    }

    /// Ends a scan: plans the next one, and removes consumers that are gone. The next scan takes
    /// over entries regardless of their idle time if one entry is overdue.
    async fn end_scan(&mut self) -> Result<(), RedisError> {
        self.state.reclaim_at = Instant::now() + self.reclaim_idle / 2;
        if self.state.reclaim_all_to.take().is_none() {
            self.find_overdue().await?;
        }
        let (now, store) = (Instant::now(), &self.stream_store);
        let membership = &self.membership;
        let idle = membership.idle_consumers(store, IDLE_CONSUMER).await?;
        let gone = self.state.gone.confirm(idle, now);
        self.remove_gone(gone).await
    }

    /// Removes consumers from the group. Redis also takes the entries off the pending list that it
    /// gave them since the look, so a replay is due until the answer says that there were none. A
    /// crash or a failure in between leaves a mark that causes a replay.
    async fn remove_gone(&mut self, gone: Vec<String>) -> Result<(), RedisError> {
        if gone.is_empty() {
            return Ok(());
        }
        let reason = "consumers were removed from the group";
        let mark = match self.checkpoint.mark(reason).await {
            // A store without memory for the mark: a later scan removes the consumers.
            Err(error) if error.is(Code::Oom) => return Ok(()),
            mark => mark?,
        };
        let (store, membership) = (&self.stream_store, &self.membership);
        if membership.remove_consumers(store, gone).await? == 0 {
            return self.checkpoint.remove_marks(vec![mark]).await;
        }
        // Another consumer may have seen the first mark before the removal, and removes that mark
        // without the entries.
        self.checkpoint.mark_for_certain(reason).await?;
        self.state.look_soon();
        Ok(())
    }

    /// Begins a scan that takes over all entries, if the oldest pending entry is overdue.
    async fn find_overdue(&mut self) -> Result<(), RedisError> {
        let limit = self.reclaim_idle.saturating_mul(OVERDUE);
        let stream = self.checkpoint.read_stream().await?;
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
            "an entry has been pending for {} ms or more, but the clock of its store counts less, \
             as if it was set back: taking over all entries from `oldest` to `newest`",
            limit.as_millis()
        );
        self.state.reclaim_cursor = oldest;
        self.state.reclaim_all_to = Some(span.newest);
        self.state.reclaim_at = Instant::now();
        Ok(())
    }

    /// Hands over each entry that is due, alone, and answers how many are settled. A batch fails as
    /// a whole, although a single entry of it may be to blame.
    pub(super) async fn retry_due(&mut self) -> Result<usize, RedisError> {
        let mut settled = 0;
        for delivery in self.state.take_due() {
            let acted = self.settler.act(vec![delivery]).await?;
            let again = self.finish(acted).await?;
            settled += self.state.retry_later(1, again);
        }
        Ok(settled)
    }
}
