//! Up to where the own store has acted on the stream, as the consumer keeps it.

use std::sync::{MutexGuard, PoisonError};

use super::Settler;
use crate::contract::entry_id::EntryId;
use crate::redis::RedisError;
use crate::stream::checkpoint::{Checkpoint, Fit, Known, StreamState};
use crate::stream::delivery::Handler;

/// Where a checkpoint may be moved to.
pub(super) const FORWARD: &str = "forward";
const BACK: &str = "back";

impl<H: Handler> Settler<H> {
    /// What the own store remembers.
    pub(crate) async fn read_checkpoint(&self) -> Result<Checkpoint, RedisError> {
        let checkpoint = self.own_store.checkpoint(&self.membership.stream).await?;
        self.lock().id = checkpoint.id;
        Ok(checkpoint)
    }

    /// What the stream says about itself.
    pub(crate) async fn read_stream(&self) -> Result<StreamState, RedisError> {
        let membership = &self.membership;
        StreamState::read(&self.stream_store, &membership.stream, membership.group).await
    }

    /// Whether the two fit together.
    pub(crate) async fn fit(
        &self,
        stream: &StreamState,
        checkpoint: Checkpoint,
    ) -> Result<Fit, RedisError> {
        stream
            .fit(&self.stream_store, &self.membership.stream, checkpoint)
            .await
    }

    /// Moves the checkpoint to the end of what the group was given. It says itself what of that is
    /// still under way.
    pub(crate) async fn catch_up(&self, stream: &StreamState) -> Result<(), RedisError> {
        let known = self.known();
        if stream.delivered > known.id {
            self.move_checkpoint(known, stream.checkpoint_at(stream.delivered), FORWARD)
                .await?;
        }
        Ok(())
    }

    /// Moves the checkpoint there, after all up to there was acted on again in this incarnation.
    pub(crate) async fn catch_up_to(
        &self,
        id: EntryId,
        incarnation: &str,
    ) -> Result<(), RedisError> {
        let known = Known {
            incarnation: incarnation.to_owned(),
            ..self.known()
        };
        let stream = self.read_stream().await?;
        // What was gone in between was not acted on, and may come back.
        if stream.last < id {
            let error = format!("the stream {} has gone back", self.membership.stream);
            return Err(RedisError::Unavailable(error));
        }
        if id > known.id {
            self.move_checkpoint(known, stream.checkpoint_at(id), FORWARD)
                .await?;
        }
        Ok(())
    }

    /// Takes the checkpoint back to where a stream is that has lost its last entries.
    pub(crate) async fn take_back_checkpoint(
        &self,
        stream: &StreamState,
        incarnation: &str,
    ) -> Result<(), RedisError> {
        let (known, to) = (self.known(), stream.checkpoint_at(stream.delivered));
        self.move_checkpoint(
            Known {
                incarnation: incarnation.to_owned(),
                ..known
            },
            to,
            BACK,
        )
        .await?;
        self.lock().id = to.id;
        Ok(())
    }

    /// Remembers that the stream was acted on up to there.
    ///
    /// A store that remembers less than this process knows was put back in its files a moment ago;
    /// moving its checkpoint would hide that. One in another incarnation may have lost its tail: what was seen
    /// before says nothing of what it remembers.
    pub(super) async fn move_checkpoint(
        &self,
        known: Known,
        to: Checkpoint,
        direction: &'static str,
    ) -> Result<(), RedisError> {
        let stream = &self.membership.stream;
        if !self
            .own_store
            .move_checkpoint(stream, &known, to, direction)
            .await?
        {
            let error = format!("the own store may have forgotten that {stream} was acted on");
            return Err(RedisError::Unavailable(error));
        }
        self.lock().id = to.id.max(known.id);
        Ok(())
    }

    /// Up to where the own store remembered the stream when it was last asked.
    pub(crate) fn known_id(&self) -> EntryId {
        self.lock().id
    }

    /// What is known of the own store.
    pub(crate) fn known(&self) -> Known {
        self.lock().clone()
    }

    /// In this incarnation of the own store everything is acted on that it may have forgotten before.
    pub(crate) fn set_incarnation(&self, incarnation: &str) {
        incarnation.clone_into(&mut self.lock().incarnation);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
