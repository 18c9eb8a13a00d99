//! The HTTP API of payments.

use std::time::Duration;

use poem::web::Data;
use poem::{Request, Route};
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::{ApiResponse, OpenApi, OpenApiService, Tags};
use shared::id::OrderId;
use shared::idempotency::{Claim, InFlight, Once};
use shared::json::{Body, BodyFields, Json};
use shared::money::FeeRate;
use shared::openapi::{document, with_closed_bodies, without_font_links};
use shared::page::{Limit, NextPage};
use shared::problem::{
    BAD_UPSTREAM, INSUFFICIENT_STOCK, INVENTORY_UNAVAILABLE, NOT_FOUND, ORDER_NOT_CANCELLABLE,
    PRODUCT_NOT_FOUND, Problem,
};
use shared::request::RequestContext;

mod body;

use crate::api::body::OrderBody;
use crate::breaker::OPEN_FOR;
use crate::domain::{Cancellation, Order, PlaceOrder, Quote};
use crate::inventory_client::{InventoryClient, NoOffer, Offer};
use crate::store::Store;

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
    ),
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
        let location = format!("/orders/{}", order.id);
        Ok(PlaceResponse::Created(Json(order.into()), location, replayed))
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

    /// Get an order.
    #[oai(path = "/orders/:id", method = "get", tag = "Tag::Orders", operation_id = "getOrder")]
    async fn get_order(&self, id: Path<OrderId>) -> Result<Json<OrderBody>, Problem> {
        let order = self.store.find_order(id.0).await?.ok_or_else(not_found)?;
        Ok(Json(order.into()))
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
            Cancellation::Cancelled => Ok(CancelResponse::Cancelled(Json(order.into()), replayed)),
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
