//! The HTTP API of payments.

use std::time::Duration;

use poem::web::Data;
use poem::{Request, Route};
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::{ApiResponse, Enum, OpenApi, OpenApiService, Tags};
use shared::admission::Lease;
use shared::conditional::{ETag, not_modified};
use shared::id::OrderId;
use shared::idempotency::{Claim, IdempotencyKey, InFlight, Once};
use shared::json::{Body, BodyFields, Json};
use shared::money::FeeRate;
use shared::openapi::{document, with_closed_bodies, without_font_links};
use shared::page::{Limit, NextPage};
use shared::problem::{
    BAD_UPSTREAM, INSUFFICIENT_STOCK, INVENTORY_UNAVAILABLE, NOT_FOUND, ORDER_NOT_CANCELLABLE,
    PRODUCT_NOT_FOUND, Problem,
};
use shared::request::RequestContext;
use shared::sse::{EventStream, Live};

mod body;
mod live;
mod timeline;

use crate::api::body::{OrderBody, QuoteBody};
use crate::api::live::Waited;
pub use crate::api::live::{Finals, ShowOrder};
use crate::api::timeline::{TimelineBody, timeline};
use crate::breaker::OPEN_FOR;
use crate::domain::{Cancellation, Order, PlaceOrder, Quote};
use crate::inventory_client::{InventoryClient, NoOffer, Offer};
use crate::store::Store;

/// Longest wait for an order to be final.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// Handlers, and what they need.
pub struct Api {
    /// Where orders are kept.
    pub store: Store,
    /// Who knows prices.
    pub inventory: InventoryClient,
    /// How orders are priced and paid.
    pub terms: Terms,
    /// The requests with an idempotency key that are under way.
    pub in_flight: InFlight,
    /// Waits for orders to be final.
    pub finals: Finals,
    /// Opens live streams.
    pub live: Live<ShowOrder>,
}

/// How orders are priced and paid.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Our share of each order.
    pub fee_rate: FeeRate,
    /// Time between an order and its payment.
    pub completion_delay: Duration,
    /// Whether an order beyond the stock on hand is refused at once.
    pub early_stock_check: bool,
}

#[derive(Tags)]
enum Tag {
    /// What was ordered, and what became of it.
    Orders,
}

#[derive(ApiResponse)]
enum PlaceResponse {
    /// The order is accepted and will be paid after its delay.
    #[oai(status = 201)]
    Created(
        Json<OrderBody>,
        /// Where the order is.
        #[oai(header = "Location")]
        String,
        /// `true` when the same request was made before with this key: nothing was done now.
        #[oai(header = "Idempotent-Replayed")]
        Option<bool>,
        /// The version of the order.
        #[oai(header = "ETag")]
        ETag,
    ),
}

#[derive(ApiResponse)]
enum GetResponse {
    /// The order.
    #[oai(status = 200)]
    Found(
        Json<OrderBody>,
        /// The version of the order.
        #[oai(header = "ETag")]
        ETag,
        /// With `wait`: whether anything will still happen to the order. `false` means that the
        /// time was up.
        #[oai(header = "Order-Final")]
        Option<bool>,
    ),
    /// The client has this version already.
    #[oai(status = 304)]
    NotModified(
        /// The version of the order.
        #[oai(header = "ETag")]
        ETag,
        /// With `wait`: whether anything will still happen to the order.
        #[oai(header = "Order-Final")]
        Option<bool>,
    ),
}

/// What to wait for.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case")]
enum WaitFor {
    /// Until nothing will happen to the order any more.
    Final,
}

#[derive(ApiResponse)]
enum CancelResponse {
    /// The order is cancelled, now or since earlier.
    #[oai(status = 200)]
    Cancelled(
        Json<OrderBody>,
        /// `true` when the same request was made before with this key: nothing was done now.
        #[oai(header = "Idempotent-Replayed")]
        Option<bool>,
        /// The version of the order.
        #[oai(header = "ETag")]
        ETag,
    ),
}

#[derive(ApiResponse)]
enum ListResponse {
    /// A page of orders, newest first.
    #[oai(status = 200)]
    Page(
        Json<Vec<OrderBody>>,
        /// The next page, as `<path>; rel="next"`; absent on the last one.
        #[oai(header = "Link")]
        Option<String>,
    ),
}

#[OpenApi]
impl Api {
    /// Place an order.
    ///
    /// More than the stock on hand is accepted: the order is paid, rejected by inventory and
    /// refunded.
    #[oai(path = "/orders", method = "post", tag = "Tag::Orders", operation_id = "placeOrder")]
    async fn place_order(
        &self,
        request: &Request,
        context: Data<&RequestContext>,
        /// One key for one intent: a repeated request is answered like the first. 1 to 255 visible
        /// ASCII characters.
        #[oai(name = "Idempotency-Key")]
        _key: Header<Option<String>>,
        body: Body<PlaceOrder>,
    ) -> Result<PlaceResponse, Problem> {
        let wanted = body.0;
        let what = format!("POST /orders {} {}", wanted.product_id, wanted.quantity);
        let claim = Claim::of(request, &what)?;
        let _turn = self.in_flight.enter(claim.as_ref()).await?;
        let placement = match self.quote(wanted, context.0).await {
            Ok(quote) => {
                let delay = self.terms.completion_delay;
                self.store.place_order(wanted, quote, delay, context.0, claim.as_ref()).await?
            }
            // The same request may have been answered when there still was an offer.
            Err(problem) => self.find_placement(claim.as_ref()).await?.ok_or(problem)?,
        };
        let (order, replayed) = placement.into_answer()?;
        let (location, etag) = (format!("/orders/{}", order.id), ETag(order.version()));
        Ok(PlaceResponse::Created(Json(order.into()), location, replayed, etag))
    }

    /// List orders, newest first.
    #[oai(path = "/orders", method = "get", tag = "Tag::Orders", operation_id = "listOrders")]
    async fn list_orders(
        &self,
        /// Orders on the page, 1 to 100.
        #[oai(default)]
        limit: Query<Limit>,
        /// Where the page begins; take it from `Link`.
        cursor: Query<Option<String>>,
    ) -> Result<ListResponse, Problem> {
        let before = shared::page::parse_cursor(cursor.0.as_deref())?;
        let orders = self.store.list_orders(before, limit.0.get()).await?;
        let NextPage { items, link } =
            shared::page::cut("/orders", limit.0, orders, |order| order.id);
        Ok(ListResponse::Page(Json(items.into_iter().map(Into::into).collect()), link))
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
        request: &Request,
        context: Data<&RequestContext>,
        /// Checked like that of any other request, and of no effect.
        #[oai(name = "Idempotency-Key")]
        _key: Header<Option<String>>,
        body: Body<PlaceOrder>,
    ) -> Result<Json<QuoteBody>, Problem> {
        IdempotencyKey::of(request)?;
        let quote = self.quote(body.0, context.0).await?;
        Ok(Json(QuoteBody::new(body.0, quote)))
    }

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
        request: &Request,
        /// The `id` of the last event that was received: the stream goes on behind it.
        #[oai(name = "Last-Event-ID")]
        _last: Header<Option<String>>,
    ) -> Result<EventStream, Problem> {
        self.live.open(request)
    }

    /// Get an order.
    ///
    /// With `wait=final` the answer comes once nothing will happen to the order any more: it is
    /// cancelled, refunded, or paid with its stock taken. When the time is up before, it comes with
    /// the order as it is then, and `Order-Final: false`.
    #[oai(path = "/orders/:id", method = "get", tag = "Tag::Orders", operation_id = "getOrder")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the operation")]
    async fn get_order(
        &self,
        request: &Request,
        context: Data<&RequestContext>,
        lease: Data<&Lease>,
        id: Path<OrderId>,
        /// `final`: answer when the order is final.
        wait: Query<Option<WaitFor>>,
        /// Longest wait in seconds, 1 to 30. Without it, 30.
        #[oai(validator(minimum(value = "1"), maximum(value = "30")))]
        timeout: Query<Option<u64>>,
        /// Versions that the client has. If the order still has one of them, the answer is 304.
        #[oai(name = "If-None-Match")]
        _if_none_match: Header<Option<String>>,
    ) -> Result<GetResponse, Problem> {
        let (order, is_final) = match wait.0 {
            None => (self.store.find_order(id.0).await?.ok_or_else(not_found)?, None),
            Some(WaitFor::Final) => {
                let limit = timeout.0.map_or(MAX_WAIT, Duration::from_secs).min(MAX_WAIT);
                lease.wait_up_to(limit);
                let parts = (&self.store, &self.inventory);
                let waited = self.finals.wait(parts, id.0, limit, context.0).await?;
                let Waited { order, is_final } = waited.ok_or_else(not_found)?;
                (order, Some(is_final))
            }
        };
        let etag = ETag(order.version());
        if not_modified(request, etag) {
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
        context: Data<&RequestContext>,
        id: Path<OrderId>,
    ) -> Result<Json<TimelineBody>, Problem> {
        let order = self.store.find_order(id.0).await?.ok_or_else(not_found)?;
        let partition = self.store.own.partitions().of_order(order.id);
        let settlements = &self.finals.settlements;
        Ok(Json(timeline(&order, settlements, partition, &self.inventory, context.0).await))
    }

    /// Cancel an order that is still pending. Cancelling it again changes nothing.
    #[oai(
        path = "/orders/:id/cancel",
        method = "post",
        tag = "Tag::Orders",
        operation_id = "cancelOrder"
    )]
    async fn cancel_order(
        &self,
        request: &Request,
        id: Path<OrderId>,
        /// One key for one intent: a repeated request is answered like the first. 1 to 255 visible
        /// ASCII characters.
        #[oai(name = "Idempotency-Key")]
        _key: Header<Option<String>>,
    ) -> Result<CancelResponse, Problem> {
        let claim = Claim::of(request, &format!("POST /orders/{}/cancel", id.0))?;
        let _turn = self.in_flight.enter(claim.as_ref()).await?;
        let cancelled = self.store.cancel_order(id.0, claim.as_ref()).await?;
        let (cancellation, replayed) = cancelled.into_answer()?;
        let order = self.store.find_order(id.0).await?.ok_or_else(not_found)?;
        match cancellation {
            Cancellation::Cancelled => {
                let etag = ETag(order.version());
                Ok(CancelResponse::Cancelled(Json(order.into()), replayed, etag))
            }
            Cancellation::NotFound => Err(not_found()),
            Cancellation::TooLate => {
                let detail = format!("the order is {}", order.status);
                Err(Problem::new(&ORDER_NOT_CANCELLABLE, detail))
            }
        }
    }
}

impl Api {
    async fn quote(&self, wanted: PlaceOrder, context: &RequestContext) -> Result<Quote, Problem> {
        let Offer { price, quantity } = self.inventory.offer(wanted.product_id, context).await?;
        if self.terms.early_stock_check && u64::from(wanted.quantity) > quantity {
            let detail = format!("{} requested, {quantity} available", wanted.quantity);
            return Err(Problem::new(&INSUFFICIENT_STOCK, detail));
        }
        let too_large =
            || BodyFields::one_invalid("quantity", "the total would be more than 9999999999.99");
        Quote::of(price, wanted.quantity, self.terms.fee_rate).ok_or_else(too_large)
    }

    async fn find_placement(&self, claim: Option<&Claim>) -> Result<Option<Once<Order>>, Problem> {
        match claim {
            Some(claim) => Ok(self.store.find_placement(claim).await?),
            None => Ok(None),
        }
    }
}

impl From<NoOffer> for Problem {
    fn from(no_offer: NoOffer) -> Self {
        match no_offer {
            NoOffer::NotFound => Self::new(&PRODUCT_NOT_FOUND, "there is no such product"),
            NoOffer::Unavailable(_) => {
                Self::new(&INVENTORY_UNAVAILABLE, "the price is not known just now")
                    .retry_after(OPEN_FOR)
            }
            NoOffer::Nonsense(_) => Self::new(&BAD_UPSTREAM, "the price could not be read"),
        }
    }
}

/// The routes of the API, its explorer at `/docs` and its document at `/openapi.json`.
pub fn routes(api: Api) -> (Route, String) {
    let service = OpenApiService::new(api, "Payments", env!("CARGO_PKG_VERSION")).description(
        "Orders: placed, paid after a delay, refunded when inventory cannot fulfil them.",
    );
    let spec = with_closed_bodies(&service.spec());
    let explorer = without_font_links(service.openapi_explorer_html());
    let routes = Route::new()
        .at("/docs", poem::get(document("text/html; charset=utf-8", explorer)))
        .at("/openapi.json", poem::get(document("application/json", spec.clone())))
        .nest("/", service);
    (routes, spec)
}

fn not_found() -> Problem {
    Problem::new(&NOT_FOUND, "there is no such order")
}
