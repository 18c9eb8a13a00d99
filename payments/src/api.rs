//! The HTTP API of payments.

use std::time::Duration;

use poem::web::Data;
use poem::{Request, Route};
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::{ApiResponse, OpenApi, OpenApiService, Tags};
use shared::id::OrderId;
use shared::json::{Body, BodyFields, Json};
use shared::money::FeeRate;
use shared::openapi::{document, with_closed_bodies, without_font_links};
use shared::page::{Limit, NextPage};
use shared::problem::{
    BAD_UPSTREAM, IDEMPOTENCY_KEY_REUSED, INSUFFICIENT_STOCK, INVALID_PARAMETER,
    INVENTORY_UNAVAILABLE, NOT_FOUND, ORDER_NOT_CANCELLABLE, PRODUCT_NOT_FOUND, Problem,
};
use shared::request::RequestContext;

mod body;

use crate::api::body::OrderBody;
use crate::breaker::OPEN_FOR;
use crate::domain::{Cancellation, PlaceOrder, Placement, Quote};
use crate::idempotency::{IdempotencyKey, InvalidKey};
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
        let (wanted, key) = (body.0, idempotency_key(request)?);
        let placement = match self.quote(wanted, context.0).await {
            Ok(quote) => {
                let (delay, trace) = (self.terms.completion_delay, &context.0.traceparent);
                self.store.place_order(wanted, quote, delay, trace, key.as_ref()).await?
            }
            // The same request may have been answered when there still was an offer.
            Err(problem) => self.find_placement(wanted, key.as_ref()).await?.ok_or(problem)?,
        };
        let (order, replayed) = match placement {
            Placement::Placed(order) => (order, None),
            Placement::Replayed(order) => (order, Some(true)),
            Placement::KeyReused => {
                let detail = "this key was used with another product or quantity";
                return Err(Problem::new(&IDEMPOTENCY_KEY_REUSED, detail));
            }
        };
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
    async fn cancel_order(&self, id: Path<OrderId>) -> Result<Json<OrderBody>, Problem> {
        match self.store.cancel_order(id.0).await? {
            Cancellation::Cancelled => self.get_order(id).await,
            Cancellation::NotFound => Err(not_found()),
            Cancellation::TooLate => {
                let status = self.store.find_order(id.0).await?.ok_or_else(not_found)?.status;
                Err(Problem::new(&ORDER_NOT_CANCELLABLE, format!("the order is {status}")))
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

    async fn find_placement(
        &self,
        wanted: PlaceOrder,
        key: Option<&IdempotencyKey>,
    ) -> Result<Option<Placement>, Problem> {
        match key {
            Some(key) => Ok(self.store.find_placement(&wanted, key).await?),
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

/// The key of a request, read from the header itself: a value that is no text would otherwise count
/// as no key, and a repeated request would place a second order.
fn idempotency_key(request: &Request) -> Result<Option<IdempotencyKey>, Problem> {
    let invalid = |detail: &dyn std::fmt::Display| {
        Problem::new(&INVALID_PARAMETER, format!("Idempotency-Key: {detail}"))
    };
    let mut keys = request.headers().get_all("idempotency-key").iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    if keys.next().is_some() {
        return Err(invalid(&"must be given once"));
    }
    let text = key.to_str().map_err(|_| invalid(&InvalidKey))?;
    text.parse().map(Some).map_err(|error: InvalidKey| invalid(&error))
}

fn not_found() -> Problem {
    Problem::new(&NOT_FOUND, "there is no such order")
}
