//! The operations on orders.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::OpenApi;
use shared::contract::id::{OrderId, ProductId};
use shared::contract::time::{Ceiling, Timestamp};
use shared::contract::trace::RequestContext;
use shared::http::conditional::{self, ETag, IfMatchHeader, IfNoneMatchHeader};
use shared::http::idempotency::KeyHeader;
use shared::http::json::{Body, BodyFields, Json};
use shared::http::page::{Limit, Listing};
use shared::http::parameter::{Path, Query};
use shared::http::problem::Problem;
use shared::http::request::RequestScope;
use shared::http::wait::Timeout;
use shared::store::claim::{Claim, Once};
use shared::store::index::Scanned;

use super::answer::{CancelResponse, GetResponse, ListResponse, PlaceResponse};
use super::body::QuoteBody;
use super::params::{Statuses, WaitFor};
use super::problems::{INSUFFICIENT_STOCK, ORDER_NOT_CANCELLABLE};
use super::{Api, Tag, not_found};
use crate::domain::{Cancellation, Order, OrderFilter, PlaceOrder, Quote};
use crate::finality::{Wait, Waited};
use crate::inventory_client::Offer;

/// The operations on orders.
pub(super) struct OrderApi(pub(super) Api);

#[OpenApi]
impl OrderApi {
    /// Place an order.
    ///
    /// An order for more than the stock on hand is accepted. It is paid, rejected by inventory, and
    /// refunded.
    #[oai(
        path = "/orders",
        method = "post",
        tag = "Tag::Orders",
        operation_id = "placeOrder"
    )]
    async fn place_order(
        &self,
        scope: Data<&Arc<RequestScope>>,
        /// One key for one intent: a repeated request is answered like the first. 1 to 255 visible
        /// ASCII characters.
        #[oai(name = "Idempotency-Key")]
        key: KeyHeader,
        body: Body<PlaceOrder>,
    ) -> Result<PlaceResponse, Problem> {
        let wanted = body.0;
        let intent = format!("POST /orders {} {}", wanted.product_id, wanted.quantity);
        let claim = key.claim(&intent);
        let _turn = self.0.in_flight.enter(claim.as_ref()).await?;
        let placement = match self.quote(wanted, &scope.context).await {
            Ok(quote) => {
                self.0
                    .store
                    .place_order(wanted, quote, &scope.context, claim.as_ref())
                    .await?
            }
            // The same request may have placed an order earlier, when there still was an offer.
            Err(problem) => self.find_placement(claim.as_ref()).await?.ok_or(problem)?,
        };
        let (order, replayed) = placement.into_answer()?;
        let (location, etag) = (format!("/orders/{}", order.id), ETag(order.version()));
        Ok(PlaceResponse::Created(
            Json(order.into()),
            location,
            replayed,
            etag,
        ))
    }

    /// List orders, the newest first.
    ///
    /// The number of reads for one page is bounded. So a page may be short or even empty although
    /// more orders match: follow `Link` as long as there is one. An order that exists all the time
    /// is listed exactly once.
    #[oai(
        path = "/orders",
        method = "get",
        tag = "Tag::Orders",
        operation_id = "listOrders"
    )]
    async fn list_orders(
        &self,
        /// Orders on the page, 1 to 100.
        #[oai(default)]
        limit: Query<Limit>,
        /// Where the page begins; take it from `Link`. It belongs to the other parameters of its
        /// list, except `limit`.
        cursor: Query<Option<String>>,
        /// Only orders in one of these states, with commas in between.
        status: Query<Option<Statuses>>,
        /// Only orders of this product.
        product_id: Query<Option<ProductId>>,
        /// Only orders placed after this time (RFC 3339, any offset).
        created_after: Query<Option<Timestamp>>,
        /// Only orders placed before this time (RFC 3339, any offset).
        created_before: Query<Option<Ceiling>>,
    ) -> Result<ListResponse, Problem> {
        let filter = OrderFilter {
            statuses: status
                .0
                .map(|Statuses(statuses)| statuses)
                .unwrap_or_default(),
            product_id: product_id.0,
            created_after: created_after.0,
            created_before: created_before.0.map(|Ceiling(time)| time),
        };
        let statuses: Vec<&str> = filter
            .statuses
            .iter()
            .map(|status| status.as_str())
            .collect();
        let listing = Listing::at("/orders")
            .with(
                "status",
                Some(statuses.join(",")).filter(|text| !text.is_empty()),
            )
            .with("product_id", filter.product_id)
            .with("created_after", filter.created_after)
            .with("created_before", filter.created_before);
        let position = listing.position(cursor.0.as_deref())?;
        let Scanned { items, next } = self
            .0
            .store
            .list_orders(&filter, position, limit.0.get())
            .await?;
        let items = items.into_iter().map(Into::into).collect();
        Ok(ListResponse::Page(Json(items), listing.link(limit.0, next)))
    }

    /// Say what an order would cost now. Nothing is stored, so repeating it is always safe.
    #[oai(
        path = "/orders/quote",
        method = "post",
        tag = "Tag::Orders",
        operation_id = "quoteOrder"
    )]
    async fn quote_order(
        &self,
        scope: Data<&Arc<RequestScope>>,
        /// Checked like every key, and of no effect: nothing is stored.
        #[oai(name = "Idempotency-Key")]
        _key: KeyHeader,
        body: Body<PlaceOrder>,
    ) -> Result<Json<QuoteBody>, Problem> {
        let quote = self.quote(body.0, &scope.context).await?;
        Ok(Json(QuoteBody::new(body.0, quote)))
    }

    /// Cancel an order that is still pending. Cancelling it again changes nothing.
    ///
    /// The answer for an order that is paid already is 409 with any condition. A repeated
    /// request with an `Idempotency-Key` is answered like the first, also if the order has another
    /// version by now.
    #[oai(
        path = "/orders/:id/cancel",
        method = "post",
        tag = "Tag::Orders",
        operation_id = "cancelOrder"
    )]
    async fn cancel_order(
        &self,
        /// The id of the order.
        id: Path<OrderId>,
        /// One key for one intent: a repeated request is answered like the first. 1 to 255 visible
        /// ASCII characters.
        #[oai(name = "Idempotency-Key")]
        key: KeyHeader,
        /// Cancel it only if it has this version, or one of these: 412 otherwise.
        #[oai(name = "If-Match")]
        if_match: IfMatchHeader,
        /// Cancel it only if it has none of these versions: 412 otherwise.
        #[oai(name = "If-None-Match")]
        if_none_match: IfNoneMatchHeader,
    ) -> Result<CancelResponse, Problem> {
        let condition = conditional::condition(if_match, if_none_match);
        let claim = key.claim(&format!("POST /orders/{}/cancel", id.0));
        let _turn = self.0.in_flight.enter(claim.as_ref()).await?;
        let cancelled = self
            .0
            .store
            .cancel_order(id.0, &condition, claim.as_ref())
            .await?;
        let (cancellation, replayed) = cancelled.into_answer()?;
        let order = match (self.0.store.find_order(id.0).await, cancellation) {
            (Err(error), Cancellation::Cancelled) => return Err(error.after_change().into()),
            (order, _) => order?.ok_or_else(not_found)?,
        };
        match cancellation {
            Cancellation::Cancelled => {
                let etag = ETag(order.version());
                Ok(CancelResponse::Cancelled(
                    Json(order.into()),
                    replayed,
                    etag,
                ))
            }
            Cancellation::NotFound => Err(not_found()),
            Cancellation::OtherVersion => Err(conditional::failed("the order")),
            Cancellation::TooLate => {
                let detail = format!("the order is {}", order.status);
                Err(Problem::new(&ORDER_NOT_CANCELLABLE, detail))
            }
        }
    }

    /// Get an order.
    ///
    /// With `wait=final`, the answer comes when the order is final: cancelled, refunded, or paid
    /// with its stock taken. If the time is up before, the answer has the order as it is then, and
    /// `Order-Final: false`.
    #[oai(
        path = "/orders/:id",
        method = "get",
        tag = "Tag::Orders",
        operation_id = "getOrder"
    )]
    async fn get_order(
        &self,
        scope: Data<&Arc<RequestScope>>,
        /// The id of the order.
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
                let limit = Timeout::or_longest(timeout.0);
                let Api {
                    store,
                    inventory,
                    finality,
                    ..
                } = &self.0;
                let wait = Wait {
                    store,
                    inventory,
                    context: &scope.context,
                    slot: &scope.slot,
                };
                let waited = finality.wait(&wait, id.0, limit).await?;
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
}

impl OrderApi {
    async fn quote(&self, wanted: PlaceOrder, context: &RequestContext) -> Result<Quote, Problem> {
        let Offer { price, quantity } = self.0.inventory.offer(wanted.product_id, context).await?;
        if self.0.terms.early_stock_check && u64::from(wanted.quantity) > quantity {
            let detail = format!("{} requested, {quantity} available", wanted.quantity);
            return Err(Problem::new(&INSUFFICIENT_STOCK, detail));
        }
        let too_large =
            || BodyFields::one_invalid("quantity", "the total would be more than 9999999999.99");
        Quote::of(price, wanted.quantity, self.0.terms.fee_rate).ok_or_else(too_large)
    }

    async fn find_placement(&self, claim: Option<&Claim>) -> Result<Option<Once<Order>>, Problem> {
        match claim {
            Some(claim) => Ok(self.0.store.find_placement(claim).await?),
            None => Ok(None),
        }
    }
}
