//! The consumer loop, the only one in the workspace.
//!
//! In this order: what this consumer held when it died, what other dead consumers held, what is to
//! be tried again, and then new entries. The next batch is read while the last one is settled, and
//! left a moment to fill where there is much to do.
//!
//! Two races are known, and answered:
//!
//! * *The group disappears* (`XGROUP DESTROY`, a flushed store). Every path answers `NOGROUP` by
//!   creating it again at the beginning. Entries that were acknowledged are then delivered once
//!   more, and change nothing.
//! * *The own store forgets* what was acknowledged already, because it was restarted without its
//!   last writes, failed over or put back from a backup. No redelivery would ever come: see
//!   [`crate::rewind`]. Where that cannot help either, nothing is acted on: see `shared::cursor`.

use std::sync::Mutex;
use std::time::{Duration, Instant};

mod state;

use crate::backoff::Backoff;
use crate::config::RedisUrl;
use crate::consumer::state::State;
use crate::delivery::{Delivery, Handler};
use crate::event::Event;
use crate::group::{BEGINNING, Membership};
use crate::health::Progress;
use crate::id::Partition;
use crate::own_store::OwnStore;
use crate::redis::{Entry, Redis, RedisError, ReplicaAcks};
use crate::rewind::Step;
use crate::settle::Settler;
use crate::shutdown::{DRAIN_LIMIT, Shutdown, sleep_unless};

/// Entries handed over at once; also the most a consumer holds. A read answers what is there, so they
/// are so many only where a pile is waiting.
pub const BATCH: usize = 500;
/// How long a read waits for the first new entry. Never for ever: a reader must notice that its
/// stream is gone.
pub const BLOCK: Duration = Duration::from_secs(2);
/// A consumer with nothing pending that was not heard of for this long is removed from the group.
const IDLE_CONSUMER: Duration = Duration::from_hours(1);
/// Wait after a failure of one of the stores.
const OUTAGE: Backoff = Backoff { first: Duration::from_millis(50), max: Duration::from_secs(1) };

/// Reads one stream as one member of its group and hands what it reads to a handler.
pub struct Consumer<H> {
    settler: Settler<H>,
    reader: Redis,
    reclaim_idle: Duration,
    progress: Progress,
    state: State,
}

/// Why a round came to no good end.
enum Trouble {
    /// A store was in the way.
    Redis(RedisError),
    /// Acting on anything might be wrong, for this reason.
    Halt(String),
}

/// How a consumer takes part.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The store that has the stream.
    pub stream_store: RedisUrl,
    /// How many replicas must have an entry before it is acted on.
    pub acks: ReplicaAcks,
    /// The name of this consumer: another one for each process, the same after a restart.
    pub name: String,
    /// Entries that their consumer has not acknowledged for this long are taken over.
    pub reclaim_idle: Duration,
}

impl From<RedisError> for Trouble {
    fn from(error: RedisError) -> Self {
        Self::Redis(error)
    }
}

impl<H: Handler> Consumer<H> {
    /// A consumer of the stream of the handler's event type in one partition. `own_store` is the
    /// one the handler writes.
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
        let stream_store = Redis::worker(&settings.stream_store).with_acks(settings.acks);
        Self {
            settler: Settler {
                handler,
                membership,
                stream_store,
                own_store,
                partition,
                known: Mutex::default(),
            },
            reader: Redis::reader(&settings.stream_store, BLOCK).with_acks(settings.acks),
            reclaim_idle: settings.reclaim_idle,
            progress,
            state: State::new(),
        }
    }

    /// Reads until the process is to stop, then finishes what it has in hand. Never gives up: a
    /// store that is away is waited for.
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
                Err(trouble) => {
                    failures += 1;
                    self.start_over(&trouble, failures);
                    sleep_unless(&shutdown, OUTAGE.wait(failures)).await;
                }
            }
        }
        let in_hand = std::mem::take(&mut self.state.in_hand);
        let drained = tokio::time::timeout(DRAIN_LIMIT, self.settler.settle(in_hand)).await;
        if !matches!(drained, Ok(Ok(_))) {
            tracing::warn!(
                stream = self.stream(),
                "stopped with entries in hand: they will be delivered again"
            );
        }
    }

    /// One round. An error leaves nothing behind but pending entries, which the next round reads
    /// again.
    async fn step(&mut self) -> Result<(), Trouble> {
        if !self.state.group_exists {
            self.membership().ensure_group(&self.settler.stream_store).await?;
            self.state.group_exists = true;
        }
        match self.state.rewind.step(&self.settler).await? {
            Step::GoOn => {}
            Step::Repeating => return Ok(()),
            Step::Halt(reason) => return Err(Trouble::Halt(reason)),
        }
        if let Some(after) = self.state.own_pending_after.take() {
            return Ok(self.recover_own(&after).await?);
        }
        if Instant::now() >= self.state.reclaim_at {
            self.reclaim().await?;
        }
        self.retry_due().await?;
        Ok(self.read_and_settle().await?)
    }

    /// Settles the batch in hand while the next one is read.
    async fn read_and_settle(&mut self) -> Result<(), RedisError> {
        let linger = self.state.linger();
        let in_hand = std::mem::take(&mut self.state.in_hand);
        let room = BATCH.saturating_sub(self.state.retries.len());
        let block = self.state.longest_block();
        let read = async {
            if let Some(linger) = linger {
                tokio::time::sleep(linger).await;
            }
            if room == 0 {
                tokio::time::sleep(block).await;
                return Ok(Vec::new());
            }
            self.membership().read_new(&self.reader, room, block).await
        };
        // What is in hand goes first.
        let (again, entries) = tokio::join!(self.settler.settle(in_hand), read);
        self.state.retry_later(again?);
        self.state.in_hand = entries?.into_iter().map(Delivery::first).collect();
        Ok(())
    }

    async fn recover_own(&mut self, after: &str) -> Result<(), RedisError> {
        let store = &self.settler.stream_store;
        let entries = self.membership().read_own_pending(store, after, BATCH).await?;
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
            self.settler.settle_again(entries).await?
        };
        self.state.own_pending_after = Some(last);
        self.state.retry_later(again);
        Ok(())
    }

    /// Takes over what dead consumers left. The cursor is kept between rounds: starting over each
    /// time would never get past a long list.
    async fn reclaim(&mut self) -> Result<(), RedisError> {
        let store = &self.settler.stream_store;
        let cursor = &self.state.reclaim_cursor;
        let found = self.membership().reclaim(store, self.reclaim_idle, cursor, BATCH).await?;
        // What is in hand here is pending in this name too; its turn comes in this very round, or
        // in `retry_due`.
        let entries = found.entries.into_iter().filter(|entry| !self.state.holds(&entry.id));
        let entries: Vec<Entry> = entries.collect();
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
            if self.membership().remove_idle_consumers(store, IDLE_CONSUMER).await? > 0 {
                self.state.rewind.begin(&self.settler).await?;
            }
        }
        Ok(())
    }

    /// Hands over what is due, each alone: a batch fails as a whole, and only one of it may be to
    /// blame.
    async fn retry_due(&mut self) -> Result<(), RedisError> {
        let now = Instant::now();
        let (due, later) =
            std::mem::take(&mut self.state.retries).into_iter().partition(|(at, _)| *at <= now);
        self.state.retries = later;
        for (_, delivery) in due {
            let again = self.settler.settle(vec![delivery]).await?;
            self.state.retry_later(again);
        }
        Ok(())
    }

    /// After a failure nothing in memory counts: whatever was read is pending in this name and is
    /// read again.
    fn start_over(&mut self, trouble: &Trouble, failures: u32) {
        let told = failures.is_power_of_two();
        match trouble {
            Trouble::Halt(reason) => {
                self.progress.halt(reason);
                if told {
                    tracing::error!(stream = self.stream(), failures, "halted: {reason}");
                }
            }
            Trouble::Redis(error) => {
                self.progress.failed(error);
                if told {
                    tracing::warn!(stream = self.stream(), failures, "cannot read: {error}");
                }
                // Looking at a stream that is gone says so in its own way.
                if error.is_refusal("NOGROUP") || error.is_refusal("ERR no such key") {
                    self.state.group_exists = false;
                }
            }
        }
        self.state.in_hand.clear();
        self.state.retries.clear();
        self.state.own_pending_after = Some(BEGINNING.to_owned());
        self.state.rewind.check_soon();
    }

    /// The client of the store that has the stream.
    pub(crate) fn stream_store(&self) -> Redis {
        self.settler.stream_store.clone()
    }

    pub(crate) fn membership(&self) -> &Membership {
        &self.settler.membership
    }

    fn stream(&self) -> &str {
        &self.settler.membership.stream
    }
}
