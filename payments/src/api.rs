//! The HTTP API of payments.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::{OpenApi, OpenApiService, Tags};
use shared::contract::id::{OrderId, ProductId};
use shared::contract::money::FeeRate;
use shared::contract::time::{Ceiling, Timestamp};
use shared::contract::trace::RequestContext;
use shared::http::conditional::{self, ETag, IfMatchHeader, IfNoneMatchHeader};
use shared::http::idempotency::{InFlight, KeyHeader};
use shared::http::json::{Body, BodyFields, Json};
use shared::http::openapi;
use shared::http::page::{Limit, Listing};
use shared::http::parameter::{Path, Query};
use shared::http::problem::{
    BAD_UPSTREAM, INSUFFICIENT_STOCK, INVENTORY_UNAVAILABLE, NOT_FOUND, ORDER_NOT_CANCELLABLE,
    PRODUCT_NOT_FOUND, Problem, UPSTREAM_TIMEOUT,
};
use shared::http::public_url::PublicUrl;
use shared::http::request::Visit;
use shared::http::routes::{NO_STORE, Routes};
use shared::http::sse::Live;
use shared::store::claim::{Claim, Once};
use shared::store::index::Scanned;

mod admin;
mod answer;
mod body;
mod life;
mod live;
mod statuses;
mod timeline;
mod timeout;

use crate::api::admin::AdminApi;
use crate::api::answer::{CancelResponse, ListResponse, PlaceResponse};
use crate::api::body::QuoteBody;
use crate::api::life::LifeApi;
pub use crate::api::live::{Finals, ShowOrder};
use crate::api::statuses::Statuses;
use crate::breaker::OPEN_FOR;
use crate::domain::{Cancellation, Order, OrderFilter, PlaceOrder, Quote};
use crate::inventory_client::{InventoryClient, NoOffer, Offer};
use crate::store::OrderStore;

/// Handlers, and what they need.
#[derive(Clone)]
pub struct Api {
    /// Where orders are kept.
    pub store: OrderStore,
    /// Who knows prices.
    pub inventory: InventoryClient,
    /// How orders are priced.
    pub terms: Terms,
    /// The requests with an idempotency key that are under way.
    pub in_flight: InFlight,
    /// Waits for orders to be final.
    pub finals: Finals,
    /// Opens live streams.
    pub live: Live<ShowOrder>,
}

/// How orders are priced.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Our share of each order.
    pub fee_rate: FeeRate,
    /// Whether an order beyond the stock on hand is refused at once.
    pub early_stock_check: bool,
}

type Apis = (Api, LifeApi, AdminApi);

#[derive(Tags)]
enum Tag {
    /// What was ordered, and what became of it.
    Orders,
    /// For those who run the system.
    Admin,
}

#[OpenApi]
impl Api {
    /// Place an order.
    ///
    /// More than the stock on hand is accepted: the order is paid, rejected by inventory and
    /// refunded.
    #[oai(
        path = "/orders",
        method = "post",
        tag = "Tag::Orders",
        operation_id = "placeOrder"
    )]
    async fn place_order(
        &self,
        visit: Data<&Arc<Visit>>,
        /// One key for one intent: a repeated request is answered like the first. 1 to 255 visible
        /// ASCII characters.
        #[oai(name = "Idempotency-Key")]
        key: KeyHeader,
        body: Body<PlaceOrder>,
    ) -> Result<PlaceResponse, Problem> {
        let wanted = body.0;
        let what = format!("POST /orders {} {}", wanted.product_id, wanted.quantity);
        let claim = key.claim(&what);
        let _turn = self.in_flight.enter(claim.as_ref()).await?;
        let placement = match self.quote(wanted, &visit.context).await {
            Ok(quote) => {
                self.store
                    .place_order(wanted, quote, &visit.context, claim.as_ref())
                    .await?
            }
            // The same request may have been answered when there still was an offer.
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

    /// List orders, newest first.
    ///
    /// What is read for one page is bounded, so that a page may be short, or even empty, although
    /// there are more orders that match: follow `Link` as long as there is one. Each order that is
    /// there all the time is seen exactly once.
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
        visit: Data<&Arc<Visit>>,
        /// Checked like that of any other request, and of no effect.
        #[oai(name = "Idempotency-Key")]
        _key: KeyHeader,
        body: Body<PlaceOrder>,
    ) -> Result<Json<QuoteBody>, Problem> {
        let quote = self.quote(body.0, &visit.context).await?;
        Ok(Json(QuoteBody::new(body.0, quote)))
    }

    /// Cancel an order that is still pending. Cancelling it again changes nothing.
    ///
    /// An order that is paid already is 409, whatever the condition is. A repeated request with an
    /// `Idempotency-Key` is answered like the first, also where the version is another one by now.
    #[oai(
        path = "/orders/:id/cancel",
        method = "post",
        tag = "Tag::Orders",
        operation_id = "cancelOrder"
    )]
    async fn cancel_order(
        &self,
        /// The order.
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
        let _turn = self.in_flight.enter(claim.as_ref()).await?;
        let cancelled = self
            .store
            .cancel_order(id.0, &condition, claim.as_ref())
            .await?;
        let (cancellation, replayed) = cancelled.into_answer()?;
        let order = match (self.store.find_order(id.0).await, cancellation) {
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
            NoOffer::TooSlow => Self::new(&UPSTREAM_TIMEOUT, "the price did not come in time"),
            NoOffer::Nonsense(_) => Self::new(&BAD_UPSTREAM, "the price could not be read"),
        }
    }
}

/// The routes of the API and its documents.
pub fn routes(
    api: Api,
    public_url: Option<&PublicUrl>,
    asyncapi: impl FnOnce() -> String + Send + 'static,
) -> Routes {
    openapi::pages(
        Routes::default().api(apis(api.clone()), &NO_STORE),
        service(api, public_url),
        public_url,
        asyncapi,
    )
}

/// The OpenAPI document.
pub fn document(api: Api, public_url: Option<&PublicUrl>) -> String {
    openapi::document(&service(api, public_url))
}

fn apis(api: Api) -> Apis {
    (api.clone(), LifeApi(api.clone()), AdminApi(api))
}

fn service(api: Api, public_url: Option<&PublicUrl>) -> OpenApiService<Apis, ()> {
    let about = "Orders: placed, paid after a delay, refunded when inventory cannot fulfil them.";
    let service = OpenApiService::new(apis(api), "Payments", env!("CARGO_PKG_VERSION"))
        .description(format!("{about}\n\n{}", openapi::FOR_ALL));
    openapi::at(service, public_url)
}

fn not_found() -> Problem {
    Problem::new(&NOT_FOUND, "there is no such order")
}
