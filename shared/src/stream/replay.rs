//! Acting once more on the recent past of a stream, after the own store began a new incarnation.
//!
//! A store that was restarted without its last writes, or failed over, or put back from a backup,
//! may have forgotten effects that are acknowledged already. No redelivery would ever bring them
//! back. Effects are idempotent, so the remedy is to repeat them, before anything new is acted on.

use std::time::{Duration, Instant};

use crate::contract::entry_id::EntryId;
use crate::contract::id::Partition;
use crate::redis::{Command, RedisError};
use crate::store::Store;
use crate::stream::checkpoint::{Checkpoint, Fit, StreamState, read_id};
use crate::stream::delivery::Handler;
use crate::stream::group::Pace;
use crate::stream::settler::Settler;

/// How much of the stream is acted on again. The owner of the stream keeps entries at least this
/// long.
pub const REPLAY_WINDOW: Duration = Duration::from_mins(10);
/// Pause between two looks at whether the own store was restarted.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// Partitions up to which that pause holds. Each consumer looks at all of them, so beyond it grows
/// with their number.
const CHECKED_PARTITIONS: u32 = 16;
/// Passes in a row that count as progress. One more comes of a store that is restarted again; many
/// come of one that seems new each time.
const PASSES: u32 = 5;
/// Where it is kept up to which incarnation of the own store everything was acted on.
const INCARNATION: &str = "incarnation";

/// Watches over the incarnations of the own store.
#[derive(Debug)]
pub(crate) struct Replay {
    check_at: Instant,
    pass: Option<Pass>,
    /// Passes that began since all was as it was left.
    passes: u32,
    /// The incarnation for which a pass was finished; the store may have had no room to remember it.
    done: Option<String>,
}

/// What a round of the consumer may do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Everything is as it was left: act on what comes.
    GoOn,
    /// First the past, then what is new: a pass over it begins.
    Begun,
    /// Entries of the past were acted on again.
    Repeated,
    /// The same, in a pass beyond those that count as progress.
    RepeatedAgain,
    /// The pass has come to its end.
    Ended,
    /// Act on nothing, for this reason.
    Halt(String),
}

/// One reading of the recent past.
#[derive(Debug)]
struct Pass {
    next: EntryId,
    last: EntryId,
    /// The incarnation of the store in which it is made.
    incarnation: String,
}

impl Store {
    /// Remembers that everything was acted on up to this incarnation.
    pub(crate) async fn remember_incarnation(
        &self,
        partition: Partition,
        incarnation: &str,
    ) -> Result<(), RedisError> {
        let set = Command::new("SET")
            .key(partition.key(INCARNATION))
            .arg(incarnation);
        self.run(set).await.map(drop)
    }

    async fn remembers_incarnation(
        &self,
        partition: Partition,
        incarnation: &str,
    ) -> Result<bool, RedisError> {
        let stored = self
            .run(Command::new("GET").key(partition.key(INCARNATION)))
            .await?;
        Ok(!stored.is_null() && stored.text()? == incarnation)
    }
}

impl Replay {
    pub(crate) fn new() -> Self {
        Self {
            check_at: Instant::now(),
            pass: None,
            passes: 0,
            done: None,
        }
    }

    /// Looks at the stores again in the next round.
    pub(crate) fn check_soon(&mut self) {
        self.check_at = Instant::now();
    }

    /// Looks at the stores when it is time to, begins a pass where the own one has a new incarnation, or
    /// goes on with one, a batch each time.
    pub(crate) async fn step<H: Handler>(
        &mut self,
        settler: &Settler<H>,
        pace: &mut Pace,
    ) -> Result<Step, RedisError> {
        if self.pass.is_some() {
            return self.advance(settler, pace).await;
        }
        if Instant::now() < self.check_at {
            return Ok(Step::GoOn);
        }
        let step = self.look(settler).await?;
        // While something is wrong, each round looks again.
        if step == Step::GoOn {
            self.passes = 0;
            let partitions = settler.own_store.partitions().all().count();
            let share = u32::try_from(partitions)
                .unwrap_or(u32::MAX)
                .max(CHECKED_PARTITIONS);
            self.check_at = Instant::now() + CHECK_INTERVAL * share / CHECKED_PARTITIONS;
        }
        Ok(step)
    }

    async fn look<H: Handler>(&mut self, settler: &Settler<H>) -> Result<Step, RedisError> {
        let Settler {
            own_store,
            partition,
            ..
        } = settler;
        // In this order: a checkpoint that was read before the incarnation was seen is that of this incarnation, or
        // the incarnation is seen to be new.
        let known = settler.known_id();
        let mut checkpoint = settler.read_checkpoint().await?;
        let incarnation = own_store.incarnation().await?;
        if self.done.as_ref() != Some(&incarnation) {
            checkpoint = settler.read_checkpoint().await?;
        }
        // Data may be put back under a server that goes on.
        let is_older = checkpoint.id < known;
        let stream = settler.read_stream().await?;
        match settler.fit(&stream, checkpoint).await? {
            Fit::Lost(reason) => return Ok(Step::Halt(reason)),
            Fit::LostTail => {
                tracing::warn!(
                    stream = settler.membership.stream,
                    delivered = %stream.delivered,
                    acted_on = %checkpoint.id,
                    "the stream has lost its last entries: going on without them"
                );
                settler.take_back_checkpoint(&stream, &incarnation).await?;
            }
            Fit::Good => {}
        }
        let was_done = self.done.as_ref() == Some(&incarnation)
            || own_store
                .remembers_incarnation(*partition, &incarnation)
                .await?;
        if was_done && !is_older {
            settler.set_incarnation(&incarnation);
            self.done = Some(incarnation);
            settler.catch_up(&stream).await?;
            settler.forget_stale_counts(&stream).await?;
            return Ok(Step::GoOn);
        }
        if stream.is_empty() {
            // A pass over nothing would be none.
            return Ok(Step::GoOn);
        }
        self.begin_at(checkpoint, &stream, incarnation, settler);
        Ok(Step::Begun)
    }

    /// Begins a pass because something may not have been acted on although it is off the list of
    /// what is pending.
    pub(crate) async fn begin<H: Handler>(
        &mut self,
        settler: &Settler<H>,
    ) -> Result<(), RedisError> {
        let (checkpoint, stream) = (
            settler.read_checkpoint().await?,
            settler.read_stream().await?,
        );
        self.begin_at(checkpoint, &stream, settler.known().incarnation, settler);
        Ok(())
    }

    /// Begins a pass over everything that the own store does not remember, and the last [`REPLAY_WINDOW`]
    /// before it. What the group was not given yet is still to come by itself.
    fn begin_at<H: Handler>(
        &mut self,
        checkpoint: Checkpoint,
        stream: &StreamState,
        incarnation: String,
        settler: &Settler<H>,
    ) {
        let last = stream.delivered;
        let from = checkpoint.replay_from(last);
        if last != EntryId::default() {
            let stream = &settler.membership.stream;
            tracing::info!(stream, %from, "acting on recent events again");
        }
        self.passes = self.passes.saturating_add(1);
        self.pass = Some(Pass {
            next: from,
            last,
            incarnation,
        });
    }

    async fn advance<H: Handler>(
        &mut self,
        settler: &Settler<H>,
        pace: &mut Pace,
    ) -> Result<Step, RedisError> {
        let Some(pass) = &mut self.pass else {
            return Ok(Step::Ended);
        };
        let (store, last) = (&settler.stream_store, pass.last.to_string());
        let next = pass.next.to_string();
        let entries = settler.membership.range(store, pace, &next, &last).await?;
        if let Some(last) = entries.last() {
            let last = read_id(&last.id)?;
            if last < pass.next {
                let error = format!("the store answers {last} where it was asked from {next} on");
                return Err(RedisError::Refused(error));
            }
            settler.repeat(entries).await?;
            if let Some(next) = last.next() {
                pass.next = next;
                return Ok(if self.passes <= PASSES {
                    Step::Repeated
                } else {
                    Step::RepeatedAgain
                });
            }
        }
        let Pass {
            last, incarnation, ..
        } = pass;
        let (last, incarnation) = (*last, std::mem::take(incarnation));
        // Whatever fails from here on, the next look decides whether to begin anew.
        self.pass = None;
        self.check_soon();
        settler.catch_up_to(last, &incarnation).await?;
        // The incarnation is remembered only now, and it is the one in which the pass began: a crash of
        // this process, or another restart of the store, begins it anew.
        match settler
            .own_store
            .remember_incarnation(settler.partition, &incarnation)
            .await
        {
            // Without room to remember it, the next start makes one pass more than it needs.
            Err(error) if !error.is_full() => return Err(error),
            _ => self.done = Some(incarnation),
        }
        Ok(Step::Ended)
    }
}
