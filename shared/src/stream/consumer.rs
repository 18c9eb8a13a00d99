//! The consumer loop, the only one in the workspace.
//!
//! A consumer settles entries in this order: the entries that it held when it died, the entries
//! that other dead consumers held, the entries that are due for another attempt, and new entries.
//! It reads the next batch while it settles the last one. On a busy stream it waits a moment before
//! that read, so that the batch fills.
//!
//! The loop makes up for two losses:
//!
//! * *The group disappears* (`XGROUP DESTROY`, a flushed store). Each command then answers
//!   `NOGROUP`, and the consumer creates the group again at the beginning of the stream. Entries
//!   that were acknowledged are delivered once more, and change nothing.
//! * *The own store forgets* effects whose entries are acknowledged, because it was restarted
//!   without its last writes, failed over, or was put back from a backup. Redis would never deliver
//!   those entries again, so the consumer reads them again: see [`crate::stream::replay`]. Where a
//!   replay cannot help, the consumer halts and waits for a person: see
//!   `shared::stream::checkpoint`.

use std::time::{Duration, Instant};

mod counted;
mod overdue;
mod recovery;
mod replaying;
mod round;
mod state;

use crate::base::backoff::Backoff;
use crate::base::health::Progress;
use crate::base::shutdown::{DRAIN_LIMIT, Shutdown, sleep_unless};
use crate::contract::event::Event;
use crate::redis::{Code, Redis, RedisError, RedisUrl, ReplicaAcks};
use crate::store::Store;
use crate::store::partition::Partition;
use crate::stream::attempts::Attempts;
use crate::stream::checkpoint::Checkpoint;
use crate::stream::consumer::replaying::Step;
use crate::stream::consumer::round::{Read, Round, has_waited};
use crate::stream::consumer::state::State;
use crate::stream::dead_letter::Bounds;
use crate::stream::delivery::{Delivery, Handler};
use crate::stream::group::{BATCH, BLOCK, Membership};
use crate::stream::replay::Replay;
use crate::stream::settler::Settler;

/// Reads one stream as one member of its group and hands what it reads to a handler.
pub struct Consumer<H> {
    settler: Settler<H>,
    attempts: Attempts,
    replay_attempts: Attempts,
    checkpoint: Checkpoint,
    replay: Replay,
    membership: Membership,
    /// The store that has the stream.
    stream_store: Redis,
    /// The store that has the stream, on a connection for reads that wait.
    reader: Redis,
    reclaim_idle: Duration,
    progress: Progress,
    state: State,
}

/// Why a round failed.
enum Trouble {
    /// A store failed.
    Redis(RedisError),
    /// Both stores have diverged, for this reason. Acting on any entry might be wrong.
    Halt(String),
}

/// How a consumer takes part.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The store that has the stream.
    pub stream_store: RedisUrl,
    /// How many replicas must have an entry before it is acted on.
    pub acks: ReplicaAcks,
    /// The name of this consumer in the group. Each process has its own name, and keeps it over a
    /// restart.
    pub name: String,
    /// Entries that their consumer has not acknowledged for this long are taken over.
    pub reclaim_idle: Duration,
    /// How many dead letters the own store keeps.
    pub dead_letters: Bounds,
    /// Pause between two lines of the log that say how many dead letters there are.
    pub report_interval: Duration,
}

/// Wait after a failure of one of the stores.
const OUTAGE: Backoff = Backoff {
    first: Duration::from_millis(50),
    max: Duration::from_secs(1),
};

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
            attempts: Attempts::of_pending(own_store.clone(), partition),
            replay_attempts: Attempts::of_replays(own_store.clone(), partition, &settings.name),
            checkpoint: Checkpoint::new(
                own_store.clone(),
                partition,
                stream_store.clone(),
                membership.clone(),
            ),
            replay: Replay::default(),
            settler: Settler::new(
                handler,
                membership.clone(),
                stream_store.clone(),
                own_store,
                partition,
                settings.dead_letters,
            ),
            membership,
            stream_store,
            reader: Redis::reader(&settings.stream_store, BLOCK).with_acks(settings.acks),
            reclaim_idle: settings.reclaim_idle,
            progress,
            state: State::new(),
        }
    }

    /// Reads until the process is to stop, then settles the batch in hand. While a store is away,
    /// the consumer waits and tries again without end.
    pub async fn run(mut self, shutdown: Shutdown) {
        let mut failures = 0;
        while !shutdown.is_cancelled() {
            match self.step().await {
                Ok(Round::Progress) => {
                    if failures > 0 {
                        tracing::info!(stream = self.stream(), failures, "reading again");
                    }
                    failures = 0;
                    self.state.set_progress();
                    self.progress.mark();
                    continue;
                }
                Ok(Round::Underway) => continue,
                Ok(Round::Stuck(reason)) => {
                    // Every consumer has such a round now and then; only two in a row count.
                    if self.state.is_first_stuck() {
                        continue;
                    }
                    failures += 1;
                    self.log_stuck(reason, failures);
                }
                Err(trouble) => {
                    failures += 1;
                    self.start_over(&trouble, failures);
                }
            }
            sleep_unless(&shutdown, OUTAGE.wait(failures)).await;
        }
        let in_hand = std::mem::take(&mut self.state.in_hand);
        let drain = self.settler.settle(in_hand, &mut self.checkpoint);
        let drained = tokio::time::timeout(DRAIN_LIMIT, drain).await;
        if !matches!(drained, Ok(Ok(_))) {
            tracing::warn!(
                stream = self.stream(),
                "stopped with entries in hand: they will be delivered again"
            );
        }
    }

    /// One round. An error leaves only pending entries behind, and the next round reads them again.
    async fn step(&mut self) -> Result<Round, Trouble> {
        if !self.state.group_exists {
            self.membership.ensure_group(&self.stream_store).await?;
            self.state.group_exists = true;
        }
        match self.replay_step().await? {
            Step::Proceed => {}
            Step::Replaying(round) => return Ok(round),
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
        let (membership, reader) = (&self.membership, &self.reader);
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
        // `join!` polls `settle` first, so the batch in hand is sent before the read.
        let settle = self.settler.settle(in_hand, &mut self.checkpoint);
        let (again, found) = tokio::join!(settle, read);
        *settled += self.state.retry_later(count, again?);
        let (entries, read) = found?;
        self.state.in_hand = entries.into_iter().map(Delivery::first).collect();
        Ok(read)
    }

    /// Logs a round that neither failed nor made progress.
    fn log_stuck(&self, reason: &'static str, failures: u32) {
        self.progress.failed(&reason);
        if failures.is_power_of_two() {
            tracing::warn!(stream = self.stream(), failures, "no progress: {reason}");
        }
    }

    /// Forgets the entries in memory after a failure. They are pending under the name of this
    /// consumer, and the next rounds read them again.
    fn start_over(&mut self, trouble: &Trouble, failures: u32) {
        let is_logged = failures.is_power_of_two();
        match trouble {
            Trouble::Halt(reason) => {
                self.progress.halt(reason);
                if is_logged {
                    tracing::error!(stream = self.stream(), failures, "halted: {reason}");
                }
            }
            Trouble::Redis(error) => {
                self.progress.failed(error);
                if is_logged {
                    tracing::warn!(stream = self.stream(), failures, "cannot read: {error}");
                }
                // `XINFO` answers "no such key" for a stream that is gone, the other commands
                // `NOGROUP`.
                if error.is(Code::NoGroup) || error.is(Code::NoSuchKey) {
                    self.state.forget_group();
                }
            }
        }
        self.state.start_over();
    }

    /// The client of the store that has the stream.
    pub(crate) fn stream_store(&self) -> Redis {
        self.stream_store.clone()
    }

    pub(crate) fn membership(&self) -> &Membership {
        &self.membership
    }

    fn stream(&self) -> &str {
        &self.membership.stream
    }
}
