//! The operations on items.

use std::sync::Arc;
use std::time::Duration;

use poem::web::Data;
use poem_openapi::OpenApi;
use shared::http::conditional::{self, ETag, IfMatchHeader, IfNoneMatchHeader};
use shared::http::idempotency::KeyHeader;
use shared::http::json::{BodyFields, Json, OptionalBody};
use shared::http::parameter::{Path, Query};
use shared::http::problem::Problem;
use shared::http::request::RequestScope;
use shared::http::wait::Timeout;

use super::answer::{GetResponse, WriteResponse};
use super::params::{GivenId, GivenValue, WaitFor, not_found};
use super::problems::{QUEUE_FULL, WRITE_ENDED};
use super::{Api, Tag};
use crate::domain::{Enqueued, ItemValue, Ticket};

/// The operations on items.
pub(super) struct ItemApi(pub(super) Api);

/// How long a client is asked to wait when the queue is full.
const QUEUE_RETRY_AFTER: Duration = Duration::from_secs(2);
/// Why the queue is full: writes wait.
const WAITING: &str = "as many writes, or bytes of their values, wait as may wait";
/// Why the queue is full, although perhaps nothing waits.
const ENTRIES: &str = "the stream has MAX_STREAM_ENTRIES entries; applied ones leave it after \
    STREAM_RETENTION";

#[OpenApi]
impl ItemApi {
    /// Write an item.
    ///
    /// The write is queued and answered with a ticket. Writes of one item get versions in the order
    /// in which they are queued, and the item keeps the value of the highest version. With
    /// `wait=applied` the answer comes when the write has ended: 200 with the ticket as it is then,
    /// or 202 if the time is up before. A request that is repeated after its ticket was removed is
    /// answered 410.
    #[oai(
        path = "/items/:item_id",
        method = "post",
        tag = "Tag::Items",
        operation_id = "writeItem"
    )]
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a parameter of the operation"
    )]
    async fn write_item(
        &self,
        scope: Data<&Arc<RequestScope>>,
        /// The name of the item: 1 to 200 characters, and no control characters.
        item_id: Path<GivenId>,
        /// The value, instead of a body. Path, query and headers have at most 16 KiB together, so
        /// send a longer value in the body.
        value: Query<Option<GivenValue>>,
        /// `applied`: answer when the write has ended.
        wait: Query<Option<WaitFor>>,
        /// Longest wait in seconds, 1 to 30. Without it, 30.
        timeout: Query<Option<Timeout>>,
        /// One key for one intent: a repeated request is answered like the first. 1 to 255 visible
        /// ASCII characters.
        #[oai(name = "Idempotency-Key")]
        key: KeyHeader,
        body: OptionalBody<ItemValue>,
    ) -> Result<WriteResponse, Problem> {
        let item_id = item_id.0.for_write()?;
        let value = the_value(value.0, body.0)?;
        // A name has no line break, so no other name and value have this fingerprint.
        let claim = key.claim(&format!("POST /items/{item_id}\n{}", value.as_str()));
        let turn = self.0.in_flight.enter(claim.as_ref()).await?;
        let store = &self.0.store;
        let enqueued = store
            .enqueue_write(&item_id, &value, &scope.context, claim.as_ref())
            .await?;
        // A wait keeps neither the value in memory nor a repeated request from its answer.
        drop((value, turn));
        let (enqueued, replayed) = enqueued.into_answer()?;
        let ticket = match enqueued {
            Enqueued::Queued(ticket) => ticket,
            Enqueued::QueueFull => return Err(queue_full(WAITING)),
            Enqueued::StreamFull => return Err(queue_full(ENTRIES)),
        };
        // A ticket is removed only after its write has ended, so it must not be shown as queued.
        if replayed.is_some() && store.find_ticket(ticket.id).await?.is_none() {
            return Err(removed());
        }
        let location = format!("/tickets/{}", ticket.id);
        let ended = match wait.0 {
            None => None,
            Some(WaitFor::Applied) => {
                let limit = Timeout::or_longest(timeout.0);
                let found = self.0.wait.wait(store, &scope.slot, ticket.id, limit);
                // The write is queued, so a wait that failed does not fail the request.
                match found.await {
                    Ok(found) => Some(found.ok_or_else(removed)?).filter(Ticket::has_ended),
                    Err(_) => None,
                }
            }
        };
        Ok(match ended {
            Some(ticket) => WriteResponse::Ended(Json(ticket.into()), location, replayed),
            None => WriteResponse::Queued(Json(ticket.into()), location, replayed),
        })
    }

    /// Get an item.
    ///
    /// The answer has the value of the newest write that was applied. A write that is still queued
    /// does not show.
    #[oai(
        path = "/items/:item_id",
        method = "get",
        tag = "Tag::Items",
        operation_id = "getItem"
    )]
    async fn get_item(
        &self,
        /// The name of the item.
        item_id: Path<GivenId>,
        /// Versions that the client has. If the item still has one of them, the answer is 304.
        #[oai(name = "If-None-Match")]
        if_none_match: IfNoneMatchHeader,
        /// Versions of which the item must have one: 412 otherwise.
        #[oai(name = "If-Match")]
        if_match: IfMatchHeader,
    ) -> Result<GetResponse, Problem> {
        let item_id = item_id.0.for_read()?;
        let item = self.0.store.find_item(&item_id).await?;
        let item = item.ok_or_else(not_found)?;
        let etag = ETag(item.version);
        let condition = conditional::condition(if_match, if_none_match);
        if conditional::is_known(&condition, etag.0, "the item")? {
            return Ok(GetResponse::NotModified(etag));
        }
        Ok(GetResponse::Found(Json(item.into()), etag))
    }
}

fn queue_full(detail: &str) -> Problem {
    Problem::new(&QUEUE_FULL, detail).retry_after(QUEUE_RETRY_AFTER)
}

/// The problem of a repeated request whose ticket was removed.
fn removed() -> Problem {
    let detail = "the write of the first request has ended, and its ticket was removed";
    Problem::new(&WRITE_ENDED, detail)
}

/// The value that a client gave in the query or in the body.
fn the_value(query: Option<GivenValue>, body: Option<ItemValue>) -> Result<ItemValue, Problem> {
    let invalid = |fault: &dyn std::fmt::Display| BodyFields::one_invalid("value", fault);
    match (query, body) {
        (None, Some(value)) => Ok(value),
        (Some(GivenValue(text)), None) => text.parse().map_err(|error| invalid(&error)),
        (Some(_), Some(_)) => Err(invalid(
            &"is given in the query and in the body: give it once",
        )),
        (None, None) => Err(invalid(&"is missing")),
    }
}
