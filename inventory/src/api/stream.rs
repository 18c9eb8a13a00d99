//! The live stream of products.

use poem_openapi::OpenApi;
use shared::http::parameter::Query;
use shared::http::problem::Problem;
use shared::http::sse::{EventId, EventStream, LastEventIdHeader};
use shared::live::{Change, Show};
use shared::redis::RedisError;

use super::body::ProductBody;
use super::{Api, Tag};
use crate::store::ProductStore;

/// Shows products as they are when a change is sent, which may be after a later change as well.
#[derive(Clone)]
pub struct ShowProduct {
    /// Where products are kept.
    pub store: ProductStore,
}

/// The operation that follows products.
pub(super) struct StreamApi(pub(super) Api);

impl Show for ShowProduct {
    async fn show(&self, change: &Change) -> Result<Option<String>, RedisError> {
        let Ok(id) = change.id.parse() else {
            return Ok(None);
        };
        if change.kind == "product.deleted" {
            return Ok(Some(serde_json::json!({ "id": change.id }).to_string()));
        }
        // A product that is gone by now was deleted. Its deletion is a change of its own, which
        // follows.
        let product = self.store.find_product(id).await?.map(ProductBody::from);
        Ok(product.and_then(|product| serde_json::to_string(&product).ok()))
    }
}

#[OpenApi]
impl StreamApi {
    /// Follow all products live.
    ///
    /// Server-sent events `product.created`, `product.updated`, `product.stock_changed` and
    /// `product.deleted`. Each event has the product as it is when the event is sent: the event
    /// with the highest `version` is the newest. `product.deleted` has only the `id`. After
    /// `reset`, the client may have missed changes: read the list again.
    #[oai(
        path = "/products/stream",
        method = "get",
        tag = "Tag::Products",
        operation_id = "streamProducts"
    )]
    async fn stream_products(
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
