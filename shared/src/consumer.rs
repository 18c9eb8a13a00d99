//! The consumer loop, the only one in the workspace.
//!
//! In this order: what this consumer held when it died, what other dead consumers held, what is to be tried again, and
//! then new entries. The next batch is read while the last one is settled.
//!
//! Two races are known, and answered:
//!
//! * *The group disappears* (`XGROUP DESTROY`, a flushed store). Every path answers `NOGROUP` by creating it again at the
//!   beginning. Entries that were acknowledged are then delivered once more, and change nothing.
//! * *The own store forgets* what was acknowledged already, because it was restarted without its last writes or failed
//!   over. No redelivery would ever come. So whenever the store begins a new life, the last [`REWIND`] of the stream is
//!   acted on once more. The owner of the stream keeps entries at least that long.

use std::time::{Duration, Instant};

use crate::backoff::Backoff;
use crate::config::RedisUrl;
use crate::delivery::{Delivery, Handler};
use crate::event::Event;
use crate::group::{BEGINNING, Membership};
use crate::health::Progress;
use crate::id::Partition;
use crate::own_store::OwnStore;
use crate::redis::{Command, Redis, RedisError};
use crate::reply::Entry;
use crate::settle::Settler;
use crate::shutdown::{DRAIN_LIMIT, Shutdown, sleep_unless};

/// Entries handed over at once; also the most a consumer holds.
pub const BATCH: usize = 100;
/// How long a read waits for the first new entry. Never for ever: a reader must notice that its stream is gone.
pub const BLOCK: Duration = Duration::from_secs(2);
/// How much of the stream is acted on again after the own store was restarted.
pub const REWIND: Duration = Duration::from_secs(10 * 60);
/// Pause between two looks at whether the own store was restarted.
const EPOCH_CHECK: Duration = Duration::from_secs(2);
/// A consumer with nothing pending that was not heard of for this long is removed from the group.
const IDLE_CONSUMER: Duration = Duration::from_secs(60 * 60);
/// Wait before an entry is handed over again. All waits together stay far below the time after which another consumer
/// takes the entry over.
const RETRY: Backoff = Backoff {
    first: Duration::from_millis(200),
    max: Duration::from_secs(2),
};
/// Wait after a failure of one of the stores.
const OUTAGE: Backoff = Backoff {
    first: Duration::from_millis(50),
    max: Duration::from_secs(1),
};
/// Where it is kept up to which life of the own store everything was acted on.
const EPOCH: &str = "epoch";

/// Reads one stream as one member of its group and hands what it reads to a handler.
pub struct Consumer<H> {
    settler: Settler<H>,
    reader: Redis,
    reclaim_idle: Duration,
    progress: Progress,
    state: State,
}

/// How a consumer takes part.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The store that has the stream.
    pub stream_store: RedisUrl,
    /// The name of this consumer: another one for each process, the same after a restart.
    pub name: String,
    /// Entries that their consumer has not acknowledged for this long are taken over.
    pub reclaim_idle: Duration,
}

struct State {
    group_exists: bool,
    /// Where the reading of own pending entries goes on; `None` once they are all read.
    own_pending_after: Option<String>,
    /// The own pending entries are from before this process: one of them may have killed it.
    after_crash: bool,
    reclaim_cursor: String,
    reclaim_at: Instant,
    in_hand: Vec<Delivery>,
    retries: Vec<(Instant, Delivery)>,
    rewind: Option<Rewind>,
    epoch_check_at: Instant,
}

struct Rewind {
    next: String,
    last: String,
    epoch: String,
}

impl<H: Handler> Consumer<H> {
    /// A consumer of the stream of the handler's event type in one partition. `own_store` is the one the handler writes.
    pub fn new(
        handler: H,
        own_store: OwnStore,
        partition: Partition,
        settings: &Settings,
        progress: Progress,
    ) -> Self {
        let membership = Membership {
            stream: partition.key(H::Event::STREAM),
            group: H::Event::GROUP,
            consumer: settings.name.clone(),
        };
        let stream_store = Redis::worker(&settings.stream_store);
        Self {
            settler: Settler {
                handler,
                membership,
                stream_store,
                own_store,
                partition,
            },
            reader: Redis::reader(&settings.stream_store, BLOCK),
            reclaim_idle: settings.reclaim_idle,
            progress,
            state: State::new(),
        }
    }

    /// Reads until the process is to stop, then finishes what it has in hand. Never gives up: a store that is away is
    /// waited for.
    pub async fn run(mut self, shutdown: Shutdown) {
        let mut failures = 0;
        while !shutdown.is_cancelled() {
            match self.step().await {
                Ok(()) => {
                    if failures > 0 {
                        tracing::info!(stream = self.stream(), failures, "reading again");
                    }
                    failures = 0;
                    self.progress.mark();
                }
                Err(error) => {
                    failures += 1;
                    self.start_over(&error, failures);
                    sleep_unless(&shutdown, OUTAGE.wait(failures)).await;
                }
            }
        }
        let in_hand = std::mem::take(&mut self.state.in_hand);
        if tokio::time::timeout(DRAIN_LIMIT, self.settler.settle(in_hand))
            .await
            .is_err()
        {
            tracing::warn!(
                stream = self.stream(),
                "stopped with entries in hand: they will be delivered again"
            );
        }
    }

    /// One round. An error leaves nothing behind but pending entries, which the next round reads again.
    async fn step(&mut self) -> Result<(), RedisError> {
        if !self.state.group_exists {
            self.membership()
                .ensure_group(&self.settler.stream_store)
                .await?;
            self.state.group_exists = true;
        }
        self.rewind_after_restart().await?;
        if let Some(after) = self.state.own_pending_after.take() {
            return self.recover_own(&after).await;
        }
        if Instant::now() >= self.state.reclaim_at {
            self.reclaim().await?;
        }
        self.retry_due().await?;
        self.read_and_settle().await
    }

    /// Settles the batch in hand while the next one is read.
    async fn read_and_settle(&mut self) -> Result<(), RedisError> {
        let in_hand = std::mem::take(&mut self.state.in_hand);
        let room = BATCH.saturating_sub(self.state.retries.len());
        let block = self.state.longest_block();
        let read = async {
            if room == 0 {
                tokio::time::sleep(block).await;
                return Ok(Vec::new());
            }
            self.membership().read_new(&self.reader, room, block).await
        };
        let (entries, again) = tokio::join!(read, self.settler.settle(in_hand));
        self.state.retry_later(again?);
        self.state.in_hand = entries?.into_iter().map(Delivery::first).collect();
        Ok(())
    }

    async fn recover_own(&mut self, after: &str) -> Result<(), RedisError> {
        let store = &self.settler.stream_store;
        let entries = self
            .membership()
            .read_own_pending(store, after, BATCH)
            .await?;
        let Some(last) = entries.last().map(|entry| entry.id.clone()) else {
            self.state.after_crash = false;
            return Ok(());
        };
        tracing::info!(
            stream = self.stream(),
            entries = entries.len(),
            "settling what was left pending"
        );
        let again = if self.state.after_crash {
            self.settler.settle_recovered(entries).await?
        } else {
            self.settler
                .settle(entries.into_iter().map(Delivery::first).collect())
                .await?
        };
        self.state.own_pending_after = Some(last);
        self.state.retry_later(again);
        Ok(())
    }

    /// Takes over what dead consumers left. The cursor is kept between rounds: starting over each time would never get
    /// past a long list.
    async fn reclaim(&mut self) -> Result<(), RedisError> {
        let store = &self.settler.stream_store;
        let cursor = &self.state.reclaim_cursor;
        let found = self
            .membership()
            .reclaim(store, self.reclaim_idle, cursor, BATCH)
            .await?;
        // Own retries are pending in this name too; their time comes in `retry_due`.
        let known = |entry: &Entry| {
            self.state
                .retries
                .iter()
                .any(|(_, retry)| retry.entry.id == entry.id)
        };
        let entries: Vec<Entry> = found
            .entries
            .into_iter()
            .filter(|entry| !known(entry))
            .collect();
        if !entries.is_empty() {
            tracing::warn!(
                stream = self.stream(),
                entries = entries.len(),
                "taking over from a consumer that is gone"
            );
        }
        let again = self.settler.settle_recovered(entries).await?;
        self.state.retry_later(again);
        self.state.reclaim_cursor = found.cursor;
        if self.state.reclaim_cursor == BEGINNING {
            self.state.reclaim_at = Instant::now() + self.reclaim_idle / 2;
            let store = &self.settler.stream_store;
            if self
                .membership()
                .remove_idle_consumers(store, IDLE_CONSUMER)
                .await?
                > 0
            {
                self.begin_rewind(String::new()).await?;
            }
        }
        Ok(())
    }

    /// Hands over what is due, each alone: a batch fails as a whole, and only one of it may be to blame.
    async fn retry_due(&mut self) -> Result<(), RedisError> {
        let now = Instant::now();
        let (due, later) = std::mem::take(&mut self.state.retries)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.state.retries = later;
        for (_, delivery) in due {
            let again = self.settler.settle(vec![delivery]).await?;
            self.state.retry_later(again);
        }
        Ok(())
    }

    /// Notices a new life of the own store, and acts again on the recent past of the stream, a batch each round.
    async fn rewind_after_restart(&mut self) -> Result<(), RedisError> {
        if let Some(rewind) = &self.state.rewind {
            let store = &self.settler.stream_store;
            let entries = self
                .membership()
                .range(store, &rewind.next, &rewind.last, BATCH)
                .await?;
            self.settler.repeat(&entries).await?;
            return self
                .advance_rewind(entries.last().map(|entry| entry.id.clone()))
                .await;
        }
        if Instant::now() < self.state.epoch_check_at {
            return Ok(());
        }
        let own_store = &self.settler.own_store;
        let key = self.settler.partition.key(EPOCH);
        let epoch = own_store.epoch(self.settler.partition).await?;
        let done = own_store.run(Command::new("GET").key(key)).await?;
        self.state.epoch_check_at = Instant::now() + EPOCH_CHECK;
        if !done.is_null() && done.text()? == epoch {
            return Ok(());
        }
        self.begin_rewind(epoch).await
    }

    async fn begin_rewind(&mut self, epoch: String) -> Result<(), RedisError> {
        let store = &self.settler.stream_store;
        // Only what the group was given can have been acknowledged; the rest is still to come.
        let last = self.membership().last_delivered_id(store).await?;
        let newest_ms = milliseconds(&self.membership().last_id(store).await?);
        let rewind_ms = u64::try_from(REWIND.as_millis()).unwrap_or(u64::MAX);
        let next = format!("{}-0", newest_ms.saturating_sub(rewind_ms));
        if last != BEGINNING {
            tracing::info!(
                stream = self.stream(),
                from = next,
                "the own store was restarted: reading recent events again"
            );
        }
        self.state.rewind = Some(Rewind { next, last, epoch });
        Ok(())
    }

    async fn advance_rewind(&mut self, last_read: Option<String>) -> Result<(), RedisError> {
        match (&mut self.state.rewind, last_read) {
            (Some(rewind), Some(id)) => rewind.next = format!("({id}"),
            (Some(rewind), None) => {
                // Remembered only now: a crash during the rewind begins it anew.
                if !rewind.epoch.is_empty() {
                    let key = self.settler.partition.key(EPOCH);
                    let set = Command::new("SET").key(key).arg(rewind.epoch.as_str());
                    self.settler.own_store.run(set).await?;
                }
                self.state.rewind = None;
            }
            (None, _) => {}
        }
        Ok(())
    }

    /// After a failure nothing in memory counts: whatever was read is pending in this name and is read again.
    fn start_over(&mut self, error: &RedisError, failures: u32) {
        if failures.is_power_of_two() {
            tracing::warn!(stream = self.stream(), failures, "cannot read: {error}");
        }
        if error.is_refusal("NOGROUP") {
            self.state.group_exists = false;
        }
        self.state.in_hand.clear();
        self.state.retries.clear();
        self.state.own_pending_after = Some(BEGINNING.to_owned());
        self.state.epoch_check_at = Instant::now();
    }

    fn membership(&self) -> &Membership {
        &self.settler.membership
    }

    fn stream(&self) -> &str {
        &self.settler.membership.stream
    }
}

impl State {
    fn new() -> Self {
        Self {
            group_exists: false,
            own_pending_after: Some(BEGINNING.to_owned()),
            after_crash: true,
            reclaim_cursor: BEGINNING.to_owned(),
            reclaim_at: Instant::now(),
            in_hand: Vec::new(),
            retries: Vec::new(),
            rewind: None,
            epoch_check_at: Instant::now(),
        }
    }

    fn retry_later(&mut self, deliveries: Vec<Delivery>) {
        let now = Instant::now();
        self.retries.extend(
            deliveries
                .into_iter()
                .map(|delivery| (now + RETRY.wait(delivery.attempts), delivery)),
        );
    }

    /// A read must not outlast the next retry, nor hold up a rewind.
    fn longest_block(&self) -> Duration {
        if self.rewind.is_some() {
            return Duration::from_millis(1);
        }
        let next_retry = self
            .retries
            .iter()
            .map(|(at, _)| at.saturating_duration_since(Instant::now()))
            .min();
        next_retry.map_or(BLOCK, |wait| wait.clamp(Duration::from_millis(1), BLOCK))
    }
}

/// The milliseconds of an entry id.
fn milliseconds(id: &str) -> u64 {
    id.split('-')
        .next()
        .and_then(|ms| ms.parse().ok())
        .unwrap_or(0)
}
