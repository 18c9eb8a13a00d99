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
//!   [`crate::stream::replay`]. Where that cannot help either, nothing is acted on: see `shared::stream::checkpoint`.

use std::sync::Mutex;
use std::time::{Duration, Instant};

mod overdue;
mod recovery;
mod round;
mod state;

use crate::base::backoff::Backoff;
use crate::base::health::Progress;
use crate::base::shutdown::{DRAIN_LIMIT, Shutdown, sleep_unless};
use crate::contract::event::Event;
use crate::contract::id::Partition;
use crate::redis::RedisUrl;
use crate::redis::{Redis, RedisError, ReplicaAcks};
use crate::store::Store;
use crate::stream::consumer::round::{Read, Round, has_waited};
use crate::stream::consumer::state::State;
use crate::stream::dead_letter::{Bounds, Keeper};
use crate::stream::delivery::{Delivery, Handler};
use crate::stream::group::Membership;
use crate::stream::replay::Step;
use crate::stream::settler::Settler;

/// Entries handed over at once; also the most a consumer holds. A read answers what is there, so they
/// are so many only where a pile is waiting.
pub const BATCH: usize = 500;
/// How long a read waits for the first new entry. Never for ever: a reader must notice that its
/// stream is gone.
pub const BLOCK: Duration = Duration::from_secs(2);
/// Wait after a failure of one of the stores.
const OUTAGE: Backoff = Backoff {
    first: Duration::from_millis(50),
    max: Duration::from_secs(1),
};

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
    /// What the own store keeps of the entries that are set aside.
    pub dead_letters: Bounds,
    /// Pause between two lines of the log that say how many dead letters there are.
    pub report_interval: Duration,
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
        own_store: Store,
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
                keeper: Keeper::new(settings.dead_letters),
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
                Ok(Round::Progress) => {
                    if failures > 0 {
                        tracing::info!(stream = self.stream(), failures, "reading again");
                    }
                    failures = 0;
                    self.state.got_on();
                    self.progress.mark();
                    continue;
                }
                Ok(Round::Underway) => continue,
                Ok(Round::Nowhere(reason)) => {
                    // Once in a while that happens to every consumer.
                    if self.state.is_first_nowhere() {
                        continue;
                    }
                    failures += 1;
                    self.tell_nowhere(reason, failures);
                }
                Err(trouble) => {
                    failures += 1;
                    self.start_over(&trouble, failures);
                }
            }
            sleep_unless(&shutdown, OUTAGE.wait(failures)).await;
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
    async fn step(&mut self) -> Result<Round, Trouble> {
        if !self.state.group_exists {
            self.membership()
                .ensure_group(&self.settler.stream_store)
                .await?;
            self.state.group_exists = true;
        }
        match self
            .state
            .replay
            .step(&self.settler, &mut self.state.past_pace)
            .await?
        {
            Step::GoOn => {}
            Step::Begun => return Ok(Round::Nowhere("it acts on the same recent events again")),
            Step::Repeated => return Ok(Round::Progress),
            Step::RepeatedAgain | Step::Ended => return Ok(Round::Underway),
            Step::Halt(reason) => return Err(Trouble::Halt(reason)),
        }
        if let Some(after) = self.state.own_pending_after.take() {
            return Ok(self.recover_own(&after).await?);
        }
        let mut settled = 0;
        if Instant::now() >= self.state.reclaim_at {
            settled += self.reclaim().await?;
        }
        settled += self.retry_due().await?;
        let read = self.read_and_settle(&mut settled).await?;
        Ok(Round::of(settled, read))
    }

    /// Settles the batch in hand while the next one is read.
    async fn read_and_settle(&mut self, settled: &mut usize) -> Result<Read, RedisError> {
        let linger = self.state.linger();
        let in_hand = std::mem::take(&mut self.state.in_hand);
        let count = in_hand.len();
        let room = BATCH.saturating_sub(self.state.retries.len());
        let block = self.state.longest_block();
        let (membership, reader) = (&self.settler.membership, &self.reader);
        let pace = &mut self.state.pace;
        let read = async {
            if let Some(linger) = linger {
                tokio::time::sleep(linger).await;
            }
            if room == 0 {
                tokio::time::sleep(block).await;
                return Ok::<_, RedisError>((Vec::new(), Read::NoRoom));
            }
            let began = Instant::now();
            let entries = membership.read_new(reader, pace, room, block).await?;
            let read = match entries.len() {
                0 if has_waited(began.elapsed(), block) => Read::Nothing,
                0 => Read::NothingAtOnce,
                _ => Read::Entries,
            };
            Ok((entries, read))
        };
        // What is in hand goes first.
        let (again, found) = tokio::join!(self.settler.settle(in_hand), read);
        *settled += self.state.retry_later(count, again?);
        let (entries, read) = found?;
        self.state.in_hand = entries.into_iter().map(Delivery::first).collect();
        Ok(read)
    }

    /// A round that failed nowhere and came nowhere either.
    fn tell_nowhere(&self, reason: &'static str, failures: u32) {
        self.progress.failed(&reason);
        if failures.is_power_of_two() {
            tracing::warn!(stream = self.stream(), failures, "no progress: {reason}");
        }
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
        self.state.start_over();
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
