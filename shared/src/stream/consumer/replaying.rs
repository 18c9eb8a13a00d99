//! The check before each round: do both stores agree, and may the own store have forgotten effects?
//!
//! If the own store may have forgotten effects, the consumer first replays the recent past, a page
//! each round. If both stores have diverged, the consumer halts.

use std::time::Instant;

use super::Consumer;
use crate::contract::entry_id::EntryId;
use crate::redis::RedisError;
use crate::stream::checkpoint::{Agreement, BothStores};
use crate::stream::consumer::round::Round;
use crate::stream::delivery::Handler;
use crate::stream::replay::Pass;

/// What a round of the consumer may do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The own store has forgotten nothing: go on with pending and new entries.
    Proceed,
    /// A replay is under way, and this is how the round ended.
    Replaying(Round),
    /// Both stores have diverged, for this reason: act on no entry.
    Halt(String),
}

impl<H: Handler> Consumer<H> {
    /// Goes on with a replay. Without a replay, looks at both stores once in each look interval,
    /// and begins a replay if the own store may have forgotten effects.
    pub(super) async fn replay_step(&mut self) -> Result<Step, RedisError> {
        if let Some(pass) = self.replay.pass() {
            if self.checkpoint.is_still_due(pass).await? {
                return self.replay_page().await.map(Step::Replaying);
            }
            self.replay.end();
            self.state.look_soon();
        }
        if Instant::now() < self.state.look_at {
            return Ok(Step::Proceed);
        }
        let step = self.look().await?;
        // While both stores disagree, each round looks again.
        if step == Step::Proceed {
            self.replay.rest();
            self.state.look_at = Instant::now() + self.checkpoint.look_interval();
        }
        Ok(step)
    }

    async fn look(&mut self) -> Result<Step, RedisError> {
        let look = self.checkpoint.look().await?;
        match &look.agreement {
            Agreement::Diverged(reason) => return Ok(Step::Halt(reason.clone())),
            Agreement::TailLost => self.go_on_without_tail(&look).await?,
            Agreement::Consistent => {}
        }
        if !look.is_replay_due() {
            self.checkpoint.catch_up(&look).await?;
            self.attempts.forget_stale(&look.stream).await?;
            return Ok(Step::Proceed);
        }
        // An empty stream has nothing to replay.
        if look.stream.is_empty() {
            return Ok(Step::Proceed);
        }
        self.begin_pass(look);
        let reason = "the consumer acts on the same recent events again and again";
        Ok(Step::Replaying(Round::Stuck(reason)))
    }

    async fn go_on_without_tail(&mut self, look: &BothStores) -> Result<(), RedisError> {
        tracing::warn!(
            stream = self.stream(),
            delivered = %look.stream.delivered,
            acted_on = %look.recorded.id,
            "the stream has lost its last entries: going on without them"
        );
        self.checkpoint.take_back(look).await
    }

    /// Begins a pass that ends at the last entry that the group was given. Redis delivers the
    /// entries behind it anyway.
    fn begin_pass(&mut self, look: BothStores) {
        let last = look.stream.delivered;
        let next = look.recorded.replay_from(last);
        if last != EntryId::default() {
            let stream = self.stream();
            tracing::info!(stream, from = %next, "acting on recent events again");
        }
        self.replay.begin(Pass {
            next,
            last,
            identity: look.identity,
            incarnation: look.incarnation,
            is_due_by_marks: look.was_replayed,
            marks: look.marks,
        });
    }

    async fn replay_page(&mut self) -> Result<Round, RedisError> {
        let (store, membership) = (&self.stream_store, &self.membership);
        let page = self
            .replay
            .read(store, membership, &mut self.state.past_pace)
            .await?;
        self.repeat_counted(page.entries).await?;
        if let Some(next) = page.next {
            self.replay.go_on_from(next);
            return Ok(if self.replay.is_progress() {
                Round::Progress
            } else {
                Round::Underway
            });
        }
        // If the completion fails, the next look decides whether to begin another pass.
        self.state.look_soon();
        if let Some(pass) = self.replay.end() {
            self.checkpoint.complete_replay(pass).await?;
        }
        Ok(Round::Underway)
    }
}
