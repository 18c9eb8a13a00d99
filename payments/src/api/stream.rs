//! The live stream of orders.

use poem_openapi::OpenApi;
use shared::http::parameter::Query;
use shared::http::problem::Problem;
use shared::http::sse::{EventId, EventStream, LastEventIdHeader};
use shared::live::{Change, Show};
use shared::redis::RedisError;

use super::body::OrderBody;
use super::{Api, Tag};
use crate::domain::OrderStatus;
use crate::store::OrderStore;

/// Shows orders as they stood right after a change.
#[derive(Clone)]
pub struct ShowOrder {
    /// Where orders are kept.
    pub store: OrderStore,
}

/// The operation that follows orders.
pub(super) struct StreamApi(pub(super) Api);

impl Show for ShowOrder {
    async fn show(&self, change: &Change) -> Result<Option<String>, RedisError> {
        let Ok(id) = change.id.parse() else {
            return Ok(None);
        };
        let status = match change.kind.as_str() {
            "order.created" => OrderStatus::Pending,
            "order.paid" => OrderStatus::Paid,
            "order.cancelled" => OrderStatus::Cancelled,
            "order.refunded" => OrderStatus::Refunded,
            _ => return Ok(None),
        };
        let order = self.store.find_order(id).await?;
        let body = order.map(|order| OrderBody::from(order.as_of(status)));
        Ok(body.and_then(|body| serde_json::to_string(&body).ok()))
    }
}

#[OpenApi]
impl StreamApi {
    /// Follow all orders live.
    ///
    /// Server-sent events `order.created`, `order.paid`, `order.cancelled` and `order.refunded`.
    /// Each event has the order as it stood right after the change. After `reset`, the client may
    /// have missed changes: read the list again.
    #[oai(
        path = "/orders/stream",
        method = "get",
        tag = "Tag::Orders",
        operation_id = "streamOrders"
    )]
    async fn stream_orders(
        &self,
        /// The `id` of the last event that the client received. The stream goes on after that
        /// event.
        #[oai(name = "Last-Event-ID")]
        header: LastEventIdHeader,
        /// The same, for clients that cannot set a header. If both are given, the header counts.
        #[oai(name = "lastEventId")]
        query: Query<Option<EventId>>,
        /// Of no effect. Old clients that cannot set a header add a random number to get past
        /// caches.
        #[oai(name = "r")]
        _random: Query<Option<String>>,
    ) -> Result<EventStream, Problem> {
        self.0.live.open(header.or(query.0)).await
    }
}
