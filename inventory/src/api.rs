//! The HTTP API of inventory.

use poem::http::HeaderValue;
use poem_openapi::{OpenApiService, Tags};
use shared::http::idempotency::InFlight;
use shared::http::openapi;
use shared::http::problem::{NOT_FOUND, Problem};
use shared::http::public_url::PublicUrl;
use shared::http::routes::Routes;
use shared::http::sse::Live;

mod admin;
mod answer;
mod body;
mod params;
mod product;
mod release;
mod stock;
mod stream;
mod text;

use crate::api::admin::AdminApi;
use crate::api::product::ProductApi;
use crate::api::release::ReleaseApi;
use crate::api::stock::StockApi;
pub use crate::api::stream::ShowProduct;
use crate::api::stream::StreamApi;
use crate::store::ProductStore;

/// What the operations need.
#[derive(Clone)]
pub struct Api {
    /// Where products are kept.
    pub store: ProductStore,
    /// The requests with an idempotency key that are under way.
    pub in_flight: InFlight,
    /// Opens live streams.
    pub live: Live<ShowProduct>,
}

type Apis = (ProductApi, StockApi, StreamApi, AdminApi, ReleaseApi);

#[derive(Tags)]
enum Tag {
    /// What is for sale.
    Products,
    /// How much of it is on hand, and why.
    Stock,
    /// For operators of the system.
    Admin,
}

/// The routes of the API and its documents.
pub fn routes(
    api: Api,
    public_url: Option<&PublicUrl>,
    asyncapi: impl FnOnce() -> String + Send + 'static,
) -> Routes {
    // A cache may keep a product, but has to ask before each use: stock changes at any time.
    let caching = HeaderValue::from_static("no-cache");
    let routes = Routes::default().api(apis(api.clone()), &caching);
    let routes = openapi::pages(routes, service(api, public_url), public_url);
    openapi::events(routes, asyncapi)
}

/// The OpenAPI document.
pub fn document(api: Api, public_url: Option<&PublicUrl>) -> String {
    openapi::document(&service(api, public_url))
}

fn apis(api: Api) -> Apis {
    (
        ProductApi(api.clone()),
        StockApi(api.clone()),
        StreamApi(api.clone()),
        AdminApi(api.clone()),
        ReleaseApi(api),
    )
}

fn service(api: Api, public_url: Option<&PublicUrl>) -> OpenApiService<Apis, ()> {
    let about = "Products and their stock. The event of a paid order takes its stock exactly once.";
    let service = OpenApiService::new(apis(api), "Inventory", env!("CARGO_PKG_VERSION"))
        .description(format!("{about}\n\n{}", openapi::FOR_ALL));
    openapi::at(service, public_url)
}

fn not_found() -> Problem {
    Problem::new(&NOT_FOUND, "there is no such product")
}
