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

/// Shows products as they are when a change is told, which may be after a later change as well.
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
        // The deletion of a product that is gone by now is a change of its own, and follows.
        let product = self.store.find_product(id).await?.map(ProductBody::from);
        Ok(product.and_then(|product| serde_json::to_string(&product).ok()))
    }
}

#[OpenApi]
impl StreamApi {
    /// Follow all products live.
    ///
    /// Server-sent events `product.created`, `product.updated`, `product.stock_changed` and
    /// `product.deleted`. Each has the product as it is when the event is sent: of several, the one
    /// with the highest `version` is the newest. `product.deleted` has only the `id`. After `reset`,
    /// changes may have been missed: read the list again.
    #[oai(
        path = "/products/stream",
        method = "get",
        tag = "Tag::Products",
        operation_id = "streamProducts"
    )]
    async fn stream_products(
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
}
