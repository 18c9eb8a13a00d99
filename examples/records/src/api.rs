//! The HTTP API of records.

use poem_openapi::{OpenApiService, Tags};
use postgres::StoreError;
use shared::http::openapi;
use shared::http::problem::{
    INTERNAL, NOT_FOUND, Problem, RETRY_AFTER, STORE_REFUSED, STORE_UNAVAILABLE,
};
use shared::http::public_url::PublicUrl;
use shared::http::routes::{NO_STORE, Routes};
use shared::http::slashed::Slashed;

mod answer;
mod body;
mod params;
pub mod problems;
mod record;

use crate::api::record::RecordApi;
use crate::store::RecordStore;

/// What the operations need.
#[derive(Clone)]
pub struct Api {
    /// Where records are kept.
    pub store: RecordStore,
}

type Apis = Slashed<RecordApi>;

#[derive(Tags)]
enum Tag {
    /// Numbers, each under the id of a user and a key.
    Records,
}

/// The routes of the API and its document.
pub fn routes(api: Api, public_url: Option<&PublicUrl>) -> Routes {
    let routes = Routes::default()
        .api(apis(api.clone()), &NO_STORE)
        .problems(problems::KINDS);
    openapi::pages(routes, service(api, public_url), public_url)
}

/// The OpenAPI document.
pub fn document(api: Api, public_url: Option<&PublicUrl>) -> String {
    openapi::document(&service(api, public_url))
}

fn apis(api: Api) -> Apis {
    Slashed(RecordApi(api))
}

fn service(api: Api, public_url: Option<&PublicUrl>) -> OpenApiService<Apis, ()> {
    let about = "Counters and other numbers. Postgres holds them, and Redis is a cache in front of \
        it. While every process reaches the cache, no value is older than the last change that was \
        answered before the value was asked for.";
    let service = OpenApiService::new(apis(api), "Records", env!("CARGO_PKG_VERSION"))
        .description(format!("{about}\n\n{}", openapi::FOR_ALL));
    openapi::at(service, public_url)
}

fn failed(error: StoreError) -> Problem {
    match error {
        StoreError::Unavailable(_) => {
            let detail = "the database is not available just now; nothing was changed";
            Problem::new(&STORE_REFUSED, detail).retry_after(RETRY_AFTER)
        }
        StoreError::Unknown(_) => {
            let detail = "the database did not answer; whether a change was made is unknown";
            Problem::new(&STORE_UNAVAILABLE, detail).retry_after(RETRY_AFTER)
        }
        error @ (StoreError::Refused { .. } | StoreError::Broken(_)) => {
            tracing::error!(%error, "a call to the database failed");
            Problem::new(&INTERNAL, "an unexpected error; it has been logged")
        }
    }
}

fn not_found() -> Problem {
    Problem::new(&NOT_FOUND, "there is no such record")
}
