//! Up to where the own store has acted on the stream, as the consumer keeps it.

use std::sync::PoisonError;

use super::Settler;
use crate::cursor::{Cursor, Fit, StreamState};
use crate::delivery::Handler;
use crate::entry_id::EntryId;
use crate::redis::RedisError;

impl<H: Handler> Settler<H> {
    /// What the own store remembers.
    pub(crate) async fn read_cursor(&self) -> Result<Cursor, RedisError> {
        let cursor = self.own_store.cursor(&self.membership.stream).await?;
        self.set_known(cursor.id);
        Ok(cursor)
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
        cursor: Cursor,
    ) -> Result<Fit, RedisError> {
        stream.fit(&self.stream_store, &self.membership.stream, cursor).await
    }

    /// Moves the cursor to the end of what the group was given. It says itself what of that is
    /// still under way.
    pub(crate) async fn catch_up(&self, stream: &StreamState) -> Result<(), RedisError> {
        if stream.delivered > self.known() {
            self.move_cursor(stream.cursor_at(stream.delivered)).await?;
        }
        Ok(())
    }

    /// Moves the cursor there, after all up to there was acted on again.
    pub(crate) async fn catch_up_to(&self, id: EntryId) -> Result<(), RedisError> {
        if id > self.known() {
            let stream = self.read_stream().await?;
            self.move_cursor(stream.cursor_at(id)).await?;
        }
        Ok(())
    }

    /// Takes the cursor back to where a stream is that has lost its last entries.
    pub(crate) async fn reset_cursor(
        &self,
        stream: &StreamState,
        cursor: Cursor,
    ) -> Result<(), RedisError> {
        let at = stream.cursor_at(stream.delivered);
        let cursor = Cursor { earlier: cursor.earlier.min(at.id), ..at };
        self.own_store.reset_cursor(&self.membership.stream, cursor).await?;
        self.set_known(cursor.id);
        Ok(())
    }

    /// Remembers that the stream was acted on up to there.
    ///
    /// A store that remembers less than this process knows was put back in its files a moment ago;
    /// moving its cursor would hide that.
    pub(super) async fn move_cursor(&self, to: Cursor) -> Result<(), RedisError> {
        let (stream, known) = (&self.membership.stream, self.known());
        if !self.own_store.move_cursor(stream, known, to).await? {
            let error = format!("the own store has forgotten that {stream} was acted on");
            return Err(RedisError::Unavailable(error));
        }
        self.set_known(to.id.max(known));
        Ok(())
    }

    /// What the own store remembered when it was last asked.
    pub(crate) fn known(&self) -> EntryId {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_known(&self, id: EntryId) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = id;
    }
}
