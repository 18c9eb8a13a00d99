//! The operations that show what becomes of an order.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::{Enum, OpenApi};
use shared::contract::id::OrderId;
use shared::http::conditional::{self, ETag, IfMatchHeader, IfNoneMatchHeader};
use shared::http::json::Json;
use shared::http::parameter::{Path, Query};
use shared::http::problem::Problem;
use shared::http::request::Visit;
use shared::http::sse::{EventId, EventStream, LastEventIdHeader};

use super::answer::GetResponse;
use super::live::{Wait, Waited};
use super::timeline::{TimelineBody, timeline};
use super::timeout::{MAX_WAIT, Timeout};
use super::{Api, Tag, not_found};

/// The operations that show what becomes of an order.
pub(super) struct LifeApi(pub(super) Api);

/// What to wait for.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case")]
enum WaitFor {
    /// Until nothing will happen to the order any more.
    Final,
}

#[OpenApi]
impl LifeApi {
    /// Follow all orders live.
    ///
    /// Server-sent events `order.created`, `order.paid`, `order.cancelled` and `order.refunded`, each
    /// with the order as it stood right after that. After `reset`, changes may have been missed:
    /// read the list again.
    #[oai(
        path = "/orders/stream",
        method = "get",
        tag = "Tag::Orders",
        operation_id = "streamOrders"
    )]
    async fn stream_orders(
        &self,
        /// The `id` of the last event that was received: the stream goes on behind it.
        #[oai(name = "Last-Event-ID")]
        header: LastEventIdHeader,
        /// The same, for clients that cannot set a header; where both are given, the header counts.
        #[oai(name = "lastEventId")]
        query: Query<Option<EventId>>,
        /// Of no effect. Old clients that cannot set a header add a random number to get past caches.
        #[oai(name = "r")]
        _random: Query<Option<String>>,
    ) -> Result<EventStream, Problem> {
        self.0.live.open(header.or(query.0)).await
    }

    /// Get an order.
    ///
    /// With `wait=final` the answer comes once nothing will happen to the order any more: it is
    /// cancelled, refunded, or paid with its stock taken. When the time is up before, it comes with
    /// the order as it is then, and `Order-Final: false`.
    #[oai(
        path = "/orders/:id",
        method = "get",
        tag = "Tag::Orders",
        operation_id = "getOrder"
    )]
    async fn get_order(
        &self,
        visit: Data<&Arc<Visit>>,
        /// The order.
        id: Path<OrderId>,
        /// `final`: answer when the order is final.
        wait: Query<Option<WaitFor>>,
        /// Longest wait in seconds, 1 to 30. Without it, 30.
        timeout: Query<Option<Timeout>>,
        /// Versions that the client has. If the order still has one of them, the answer is 304.
        #[oai(name = "If-None-Match")]
        if_none_match: IfNoneMatchHeader,
        /// Versions of which the order must have one: 412 otherwise.
        #[oai(name = "If-Match")]
        if_match: IfMatchHeader,
    ) -> Result<GetResponse, Problem> {
        let (order, is_final) = match wait.0 {
            None => (
                self.0.store.find_order(id.0).await?.ok_or_else(not_found)?,
                None,
            ),
            Some(WaitFor::Final) => {
                let limit = timeout.0.map_or(MAX_WAIT, |Timeout(limit)| limit);
                let Api {
                    store,
                    inventory,
                    finals,
                    ..
                } = &self.0;
                let wait = Wait {
                    store,
                    inventory,
                    context: &visit.context,
                    lease: &visit.lease,
                };
                let waited = finals.wait(&wait, id.0, limit).await?;
                let Waited { order, is_final } = waited.ok_or_else(not_found)?;
                (order, Some(is_final))
            }
        };
        let etag = ETag(order.version());
        if conditional::is_known(
            &conditional::condition(if_match, if_none_match),
            etag.0,
            "the order",
        )? {
            return Ok(GetResponse::NotModified(etag, is_final));
        }
        Ok(GetResponse::Found(Json(order.into()), etag, is_final))
    }

    /// Get the life of an order, step by step, from both services.
    ///
    /// While inventory cannot be asked, its part is missing and `degraded` says so.
    #[oai(
        path = "/orders/:id/timeline",
        method = "get",
        tag = "Tag::Orders",
        operation_id = "getTimeline"
    )]
    async fn get_timeline(
        &self,
        visit: Data<&Arc<Visit>>,
        /// The order.
        id: Path<OrderId>,
    ) -> Result<Json<TimelineBody>, Problem> {
        let order = self.0.store.find_order(id.0).await?.ok_or_else(not_found)?;
        let partition = self.0.store.own.partitions().of_order(order.id);
        let settlements = &self.0.finals.settlements;
        Ok(Json(
            timeline(
                &order,
                settlements,
                partition,
                &self.0.inventory,
                &visit.context,
            )
            .await,
        ))
    }
}
