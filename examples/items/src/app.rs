//! The processes of items, put together.

use shared::base::shutdown::{self, Shutdown};
use shared::http::idempotency::InFlight;
use shared::live::Feed;
use shared::service::process::Process;
use shared::store::open::OpenError;
use shared::stream::loss;

use crate::api::{self, Api};
use crate::config::Config;
use crate::domain::WriteQueued;
use crate::store::ItemStore;
use crate::waiting::{EndWait, Silent};
use crate::worker::WriteHandler;

/// Serves the HTTP API until `shutdown`.
pub async fn serve(shutdown: Shutdown, config: Config) -> anyhow::Result<()> {
    let end = shutdown::later(&shutdown, config.common.http.drain_delay);
    let api = api(&config, end);
    let mut process = Process::new(shutdown);
    process.open_store(&api.store.own, config.stores.witness::<WriteQueued>());
    process.follow(api.wait.feed(), &api.store.own, &config.stores.own);
    // A test shows that the document can be written.
    let asyncapi = || asyncapi().unwrap_or_default();
    let routes = api::routes(api, config.common.http.public_url.as_ref(), asyncapi);
    process.serve(&config.common, routes).await
}

/// Applies queued writes until `shutdown`. Also trims the queue, and sweeps the claims.
pub async fn consume(shutdown: Shutdown, config: Config) -> anyhow::Result<()> {
    let store = store(&config);
    let mut process = Process::new(shutdown);
    process.open_store(&store.own, config.stores.witness::<WriteQueued>());
    let handler = WriteHandler {
        store: store.clone(),
    };
    process.consume(&handler, &store.own, &config.stores.consumer());
    process.trim::<WriteQueued>(store.own.clone(), config.stores.stream_limits);
    process.sweep_claims(store.own.clone());
    let address = &config.stores.consumer_http_addr;
    process.serve_probes(&config.common, address).await
}

/// The store of items.
pub fn store(config: &Config) -> ItemStore {
    let stores = &config.stores;
    ItemStore::new(
        stores.own_redis(),
        stores.partitions,
        config.queue,
        config.tickets,
    )
}

/// The AsyncAPI document.
pub fn asyncapi() -> anyhow::Result<String> {
    shared::http::asyncapi::document::<WriteQueued, WriteQueued>("Items", env!("CARGO_PKG_VERSION"))
}

/// The OpenAPI document.
pub fn openapi(config: &Config) -> String {
    let public_url = config.common.http.public_url.as_ref();
    api::document(api(config, Shutdown::new()), public_url)
}

fn api(config: &Config, end: Shutdown) -> Api {
    let store = store(config);
    let feed = Feed::new(store.own.clone(), Silent);
    Api {
        in_flight: InFlight::default(),
        wait: EndWait::new(feed, config.common.http.max_waits(), end),
        store,
    }
}

/// Accepts what the store has lost for good.
pub async fn accept_loss(config: &Config) -> Result<(), OpenError> {
    loss::accept_loss(&store(config).own, &config.stores.witness::<WriteQueued>()).await
}
