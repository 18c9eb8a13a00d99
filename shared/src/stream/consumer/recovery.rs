//! The entries that come before new ones: pending entries of this consumer, pending entries of dead
//! consumers, and entries that are due for another attempt.
//!
//! A clock of the store that was set ahead makes the entries of live consumers look abandoned, and
//! these consumers idle. An entry that is taken over from a live consumer changes nothing the
//! second time. The name of a consumer is removed from the group only after several looks (see
//! `overdue`). If Redis gave that consumer entries just before the removal, a replay acts on them.

use std::time::{Duration, Instant};

use super::Consumer;
use crate::redis::{Entry, RedisError};
use crate::stream::consumer::overdue::Span;
use crate::stream::consumer::round::{Round, is_beyond};
use crate::stream::delivery::{Delivery, Handler, MAX_ATTEMPTS, Parking};
use crate::stream::group::BEGINNING;
use crate::stream::settler::Acted;
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
        if membership.remove_consumers(store, gone).await? > 0 {
            self.begin_replay().await?;
        }
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
            let again = self
                .settler
                .settle(vec![delivery], &mut self.checkpoint)
                .await?;
            settled += self.state.retry_later(1, again);
        }
        Ok(settled)
    }

    /// Settles entries that this consumer held when its process died, or that belonged to a dead
    /// consumer.
    ///
    /// One of the entries may have killed the process. So each entry that was recovered before is
    /// counted and then handed over alone. Only the entry that kills reaches the limit; its
    /// neighbours do not.
    async fn settle_recovered(&mut self, entries: Vec<Entry>) -> Result<Vec<Delivery>, RedisError> {
        let counts = self.attempts.read(&entries).await?;
        let recovered = entries.into_iter().zip(counts);
        let (suspects, fresh): (Vec<_>, Vec<_>) = recovered
            .map(|(entry, attempts)| Delivery { entry, attempts })
            .partition(|delivery| delivery.attempts > 0);
        let mut again = Vec::new();
        for batch in std::iter::once(fresh).chain(suspects.into_iter().map(|suspect| vec![suspect]))
        {
            again.extend(self.settle_counted(batch).await?);
        }
        Ok(again)
    }

    /// Settles a batch of entries with the same count. The store keeps a count that is one higher
    /// while the handler has the batch.
    ///
    /// The counts are forgotten before the entries are acknowledged. A crash in between costs a
    /// count. In the other order it would leave counts for ever, because acknowledged entries never
    /// come again.
    async fn settle_counted(&mut self, batch: Vec<Delivery>) -> Result<Vec<Delivery>, RedisError> {
        let Some(attempts) = batch.first().map(|delivery| delivery.attempts) else {
            return Ok(Vec::new());
        };
        let ids: Vec<String> = batch
            .iter()
            .map(|delivery| delivery.entry.id.clone())
            .collect();
        let Acted { settled, again } = if attempts >= MAX_ATTEMPTS {
            self.park_killers(batch).await?
        } else {
            self.attempts.set(&ids, attempts + 1).await?;
            let acted = self.settler.act(batch).await;
            if acted.is_err() {
                // A store failed, and no process died, so the count goes back. If this call fails
                // too, the count stays one too high.
                let _ = self.attempts.set(&ids, attempts).await;
            }
            acted?
        };
        self.attempts.forget(ids).await?;
        self.settler
            .acknowledge(settled, &mut self.checkpoint)
            .await?;
        Ok(again)
    }

    async fn park_killers(&mut self, batch: Vec<Delivery>) -> Result<Acted, RedisError> {
        let detail = "handed over again and again, and the process died each time";
        let parked = batch.into_iter().map(|delivery| {
            let parking = Parking::too_often(detail.to_owned());
            (delivery, parking)
        });
        Ok(Acted {
            settled: self.settler.park(parked.collect()).await?,
            again: Vec::new(),
        })
    }

    /// Settles entries that this process has read before and could not settle, because a store was
    /// away. The process is alive, so the entries did not kill it, and their counts are forgotten.
    async fn settle_again(&mut self, entries: Vec<Entry>) -> Result<Vec<Delivery>, RedisError> {
        let ids = entries.iter().map(|entry| entry.id.clone()).collect();
        let batch = entries.into_iter().map(Delivery::first).collect();
        let Acted { settled, again } = self.settler.act(batch).await?;
        self.attempts.forget(ids).await?;
        self.settler
            .acknowledge(settled, &mut self.checkpoint)
            .await?;
        Ok(again)
    }
}
