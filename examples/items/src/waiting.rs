//! Waits until a write has ended: how a long poll ends.

use std::time::Duration;

use shared::base::shutdown::Shutdown;
use shared::http::admission::Slot;
use shared::http::problem::Problem;
use shared::http::wait::Waits;
use shared::live::{Change, Feed, Show};
use shared::redis::RedisError;
use tokio::time::Instant;

use crate::domain::{Ticket, TicketId};
use crate::store::ItemStore;

/// Waits for writes to end. Cheap to clone.
#[derive(Clone)]
pub struct EndWait {
    feed: Feed<Silent>,
    waits: Waits,
    end: Shutdown,
}

/// Shows no change: changes only wake the requests that wait.
#[derive(Clone)]
pub struct Silent;

/// Pause after the store did not answer a request that waits already.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

impl Show for Silent {
    async fn show(&self, _change: &Change) -> Result<Option<String>, RedisError> {
        Ok(None)
    }
}

impl EndWait {
    /// Lets `waits` requests wait at once, until `end`.
    pub fn new(feed: Feed<Silent>, waits: usize, end: Shutdown) -> Self {
        Self {
            feed,
            waits: Waits::new(waits, "writes"),
            end,
        }
    }

    /// The feed by which changes wake the requests that wait.
    pub fn feed(&self) -> &Feed<Silent> {
        &self.feed
    }

    /// Waits until a write has ended, or `limit` has passed. Answers the ticket as it is then;
    /// `None` where there is no such ticket. `slot` is the permit of the request.
    pub async fn wait(
        &self,
        store: &ItemStore,
        slot: &Slot,
        id: TicketId,
        limit: Duration,
    ) -> Result<Option<Ticket>, Problem> {
        let deadline = Instant::now() + limit;
        let watch = self.feed.watch(id.to_string());
        let mut permit = None;
        loop {
            let changed = watch.changed();
            let ticket = match store.find_ticket(id).await {
                // The store will most likely be back before the time is up.
                Err(RedisError::Unavailable { .. })
                    if permit.is_some() && Instant::now() + LOOK_AGAIN < deadline =>
                {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    continue;
                }
                ticket => ticket?,
            };
            let is_over = Instant::now() >= deadline || self.end.is_cancelled();
            if is_over || ticket.as_ref().is_none_or(Ticket::has_ended) {
                return Ok(ticket);
            }
            if permit.is_none() {
                permit = Some(self.waits.begin(slot, limit)?);
            }
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(deadline) => {}
                () = self.end.cancelled() => {}
            }
        }
    }
}
