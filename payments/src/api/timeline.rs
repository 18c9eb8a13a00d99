//! The life of an order, step by step, from both services.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::OpenApi;
use shared::contract::id::OrderId;
use shared::contract::trace::RequestContext;
use shared::http::json::Json;
use shared::http::parameter::Path;
use shared::http::problem::Problem;
use shared::http::request::RequestScope;
use shared::stream::entry_state::EntryState;

mod body;

use self::body::TimelineBody;
use super::{Api, Tag, not_found};
use crate::domain::{Order, OrderStatus};

/// The operation that tells the life of an order.
pub(super) struct TimelineApi(pub(super) Api);

#[OpenApi]
impl TimelineApi {
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
        scope: Data<&Arc<RequestScope>>,
        /// The id of the order.
        id: Path<OrderId>,
    ) -> Result<Json<TimelineBody>, Problem> {
        let order = self.0.store.find_order(id.0).await?.ok_or_else(not_found)?;
        Ok(Json(self.timeline(&order, &scope.context).await))
    }
}

impl TimelineApi {
    /// Puts the life of an order together. A part that cannot be read is left out and named.
    async fn timeline(&self, order: &Order, context: &RequestContext) -> TimelineBody {
        let Api {
            store,
            inventory,
            finality,
            ..
        } = &self.0;
        let stock_acks = &finality.stock_acks;
        let partition = store.own.partitions().of(order.id);
        let mut degraded = Vec::new();
        let entry = order
            .trail
            .completed_entry
            .as_ref()
            .and_then(|entry| entry.parse().ok());
        let state = match entry {
            None => EntryState::Unknown,
            Some(entry) => stock_acks
                .entry_state(partition, entry)
                .await
                .unwrap_or_else(|error| {
                    tracing::warn!(%error, "cannot read the state of an event");
                    degraded.push("store".to_owned());
                    EntryState::Unknown
                }),
        };
        // inventory knows nothing of an order that is not paid.
        let movement = if order.paid_at.is_none() {
            None
        } else {
            let asked = inventory
                .movement(order.wanted.product_id, order.id, context)
                .await;
            asked.unwrap_or_else(|_| {
                degraded.push("inventory".to_owned());
                None
            })
        };
        if order.status == OrderStatus::Paid && movement.is_none() && degraded.is_empty() {
            let forgotten = stock_acks.is_old(partition, order).await;
            degraded.extend(forgotten.then(|| "record".to_owned()));
        }
        TimelineBody::new(order, state, movement, degraded)
    }
}
