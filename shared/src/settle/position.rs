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

    /// Moves the cursor to the end of what the group was given, if all of that is acknowledged.
    pub(crate) async fn catch_up(&self, stream: &StreamState) -> Result<(), RedisError> {
        if stream.is_settled() && stream.delivered > self.known() {
            self.move_cursor(stream.delivered, stream.count()).await?;
        }
        Ok(())
    }

    /// Takes the cursor back to where a stream is that has lost its last entries.
    pub(crate) async fn reset_cursor(
        &self,
        stream: &StreamState,
        cursor: Cursor,
    ) -> Result<(), RedisError> {
        let earlier = cursor.earlier.min(stream.delivered);
        self.own_store.reset_cursor(&self.membership.stream, stream, earlier).await?;
        self.set_known(stream.delivered);
        Ok(())
    }

    /// Remembers that everything up to `to` was acted on.
    ///
    /// A store that remembers less than this process knows was put back in its files a moment ago;
    /// moving its cursor would hide that.
    pub(super) async fn move_cursor(&self, to: EntryId, count: u64) -> Result<(), RedisError> {
        let (stream, known) = (&self.membership.stream, self.known());
        if !self.own_store.move_cursor(stream, known, to, count).await? {
            let error = format!("the own store has forgotten that {stream} was acted on");
            return Err(RedisError::Unavailable(error));
        }
        self.set_known(to.max(known));
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
