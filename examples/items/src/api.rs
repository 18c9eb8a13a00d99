//! The HTTP API of items.

use poem_openapi::{OpenApiService, Tags};
use shared::http::idempotency::InFlight;
use shared::http::openapi;
use shared::http::public_url::PublicUrl;
use shared::http::routes::{NO_STORE, Routes};

mod answer;
mod body;
mod item;
mod params;
pub mod problems;
mod ticket;

use crate::api::item::ItemApi;
use crate::api::ticket::TicketApi;
use crate::store::ItemStore;
use crate::waiting::EndWait;

/// What the operations need.
#[derive(Clone)]
pub struct Api {
    /// Where items are kept.
    pub store: ItemStore,
    /// The requests with an idempotency key that are under way.
    pub in_flight: InFlight,
    /// Waits for writes to end.
    pub wait: EndWait,
}

type Apis = (ItemApi, TicketApi);

#[derive(Tags)]
enum Tag {
    /// What is stored.
    Items,
    /// How far writes are.
    Tickets,
}

/// The routes of the API and its documents.
pub fn routes(
    api: Api,
    public_url: Option<&PublicUrl>,
    asyncapi: impl FnOnce() -> String + Send + 'static,
) -> Routes {
    let routes = Routes::default()
        .api(apis(api.clone()), &NO_STORE)
        .problems(problems::KINDS);
    let routes = openapi::pages(routes, service(api, public_url), public_url);
    openapi::events(routes, asyncapi)
}

/// The OpenAPI document.
pub fn document(api: Api, public_url: Option<&PublicUrl>) -> String {
    openapi::document(&service(api, public_url))
}

fn apis(api: Api) -> Apis {
    (ItemApi(api.clone()), TicketApi(api))
}

fn service(api: Api, public_url: Option<&PublicUrl>) -> OpenApiService<Apis, ()> {
    let about =
        "A key-value store. A write is queued and answered with a ticket; a worker applies it.";
    let service = OpenApiService::new(apis(api), "Items", env!("CARGO_PKG_VERSION"))
        .description(format!("{about}\n\n{}", openapi::FOR_ALL));
    openapi::at(service, public_url)
}
