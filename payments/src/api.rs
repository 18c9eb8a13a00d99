//! The HTTP API of payments.

use poem_openapi::{OpenApiService, Tags};
use shared::contract::money::FeeRate;
use shared::http::idempotency::InFlight;
use shared::http::openapi;
use shared::http::problem::{NOT_FOUND, Problem};
use shared::http::public_url::PublicUrl;
use shared::http::routes::{NO_STORE, Routes};
use shared::http::sse::Live;

mod admin;
mod answer;
mod body;
mod order;
mod params;
pub mod problems;
mod stream;
mod timeline;

use crate::api::admin::AdminApi;
use crate::api::order::OrderApi;
use crate::api::problems::{
    BAD_UPSTREAM, INVENTORY_UNAVAILABLE, PRODUCT_NOT_FOUND, UPSTREAM_TIMEOUT,
};
pub use crate::api::stream::ShowOrder;
use crate::api::stream::StreamApi;
use crate::api::timeline::TimelineApi;
use crate::finality::FinalityWait;
use crate::inventory_client::{InventoryClient, InventoryError, OPEN_FOR};
use crate::store::OrderStore;

/// What the operations need.
#[derive(Clone)]
pub struct Api {
    /// Where orders are kept.
    pub store: OrderStore,
    /// Asks inventory for prices.
    pub inventory: InventoryClient,
    /// How orders are priced.
    pub terms: Terms,
    /// The requests with an idempotency key that are under way.
    pub in_flight: InFlight,
    /// Waits for orders to be final.
    pub finality: FinalityWait<ShowOrder>,
    /// Opens live streams.
    pub live: Live<ShowOrder>,
}

/// How orders are priced.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The fee, as a share of the price of an order.
    pub fee_rate: FeeRate,
    /// Whether an order beyond the stock on hand is refused at once.
    pub early_stock_check: bool,
}

type Apis = (OrderApi, StreamApi, TimelineApi, AdminApi);

#[derive(Tags)]
enum Tag {
    /// What was ordered, and how it ended.
    Orders,
    /// For operators of the system.
    Admin,
}

impl From<InventoryError> for Problem {
    fn from(error: InventoryError) -> Self {
        match error {
            InventoryError::NotFound => Self::new(&PRODUCT_NOT_FOUND, "there is no such product"),
            InventoryError::Unavailable(_) => {
                Self::new(&INVENTORY_UNAVAILABLE, "the price is not known just now")
                    .retry_after(OPEN_FOR)
            }
            InventoryError::TooSlow => {
                Self::new(&UPSTREAM_TIMEOUT, "the price did not come in time")
            }
            InventoryError::Refused(_) | InventoryError::Nonsense(_) => {
                Self::new(&BAD_UPSTREAM, "the price could not be read")
            }
        }
    }
}

/// The routes of the API and its documents.
pub fn routes(
    api: Api,
    public_url: Option<&PublicUrl>,
    asyncapi: impl FnOnce() -> String + Send + 'static,
) -> Routes {
    let routes = Routes::default()
        .api(apis(api.clone()), &NO_STORE)
        .problems(problems::KINDS)
        .expose("Order-Final");
    let routes = openapi::pages(routes, service(api, public_url), public_url);
    openapi::events(routes, asyncapi)
}

/// The OpenAPI document.
pub fn document(api: Api, public_url: Option<&PublicUrl>) -> String {
    openapi::document(&service(api, public_url))
}

fn apis(api: Api) -> Apis {
    (
        OrderApi(api.clone()),
        StreamApi(api.clone()),
        TimelineApi(api.clone()),
        AdminApi(api),
    )
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
