//! The processes of inventory, put together.

use std::sync::Arc;
use std::time::Duration;

use shared::base::shutdown::{self, Shutdown};
use shared::contract::event::{OrderCompleted, RefundOrder};
use shared::http::idempotency::InFlight;
use shared::http::sse::Live;
use shared::live::Feed;
use shared::service::process::Process;
use shared::store::open::OpenError;
use shared::store::sweep::Sweep;
use shared::stream::loss;

use crate::api::{self, Api, ShowProduct};
use crate::config::Config;
use crate::store::ProductStore;
use crate::worker::OrderHandler;

/// Pause between two sweeps of the records of orders.
const SWEEP_INTERVAL: Duration = Duration::from_mins(10);

/// Serves the HTTP API until `shutdown`.
pub async fn serve(shutdown: Shutdown, config: Config) -> anyhow::Result<()> {
    let end = shutdown::later(&shutdown, config.common.http.drain_delay);
    let api = api(&config, end);
    let mut process = Process::new(shutdown);
    process.open_store(&api.store.own, config.stores.witness::<OrderCompleted>());
    process.follow(api.live.feed(), &api.store.own, &config.stores.own);
    // A test of the contracts shows that the document can be written.
    let asyncapi = || asyncapi().unwrap_or_default();
    let routes = api::routes(api, config.common.http.public_url.as_ref(), asyncapi);
    process.serve(&config.common, routes).await
}

/// Takes the stock of paid orders until `shutdown`. Also trims the own stream, and sweeps the
/// records of orders and the claims.
pub async fn consume(shutdown: Shutdown, config: Config) -> anyhow::Result<()> {
    let store = store(&config);
    let mut process = Process::new(shutdown);
    process.open_store(&store.own, config.stores.witness::<OrderCompleted>());
    let keep = config.dedupe_retention;
    let handler = OrderHandler {
        store: store.clone(),
        dedupe_retention: keep,
    };
    process.consume(&handler, &store.own, &config.stores.consumer());
    process.trim::<RefundOrder>(store.own.clone(), config.stores.stream_limits);
    process.sweep_claims(store.own.clone());
    let sweep = Arc::new(Sweep::new("records of orders", SWEEP_INTERVAL / 2));
    process.repeat("sweep", SWEEP_INTERVAL, move || {
        let (store, sweep) = (store.clone(), Arc::clone(&sweep));
        async move { store.sweep_records(&sweep, keep).await.map(drop) }
    });
    let address = &config.stores.consumer_http_addr;
    process.serve_probes(&config.common, address).await
}

/// The store that inventory owns.
pub fn store(config: &Config) -> ProductStore {
    ProductStore::new(config.stores.own_redis(), config.stores.partitions)
}

/// The AsyncAPI document.
pub fn asyncapi() -> anyhow::Result<String> {
    shared::http::asyncapi::document::<RefundOrder, OrderCompleted>(
        "Inventory",
        env!("CARGO_PKG_VERSION"),
    )
}

/// The OpenAPI document.
pub fn openapi(config: &Config) -> anyhow::Result<String> {
    let public_url = config.common.http.public_url.as_ref();
    Ok(api::document(api(config, Shutdown::new()), public_url))
}

fn api(config: &Config, end: Shutdown) -> Api {
    let store = store(config);
    let feed = Feed::new(
        store.own.clone(),
        ShowProduct {
            store: store.clone(),
        },
    );
    Api {
        in_flight: InFlight::default(),
        live: Live::new(feed, config.common.http.max_streams(), end),
        store,
    }
}

/// Accepts what the own store, or the stream that the consumer reads, has lost for good.
pub async fn accept_loss(config: &Config) -> Result<(), OpenError> {
    loss::accept_loss(
        &store(config).own,
        &config.stores.witness::<OrderCompleted>(),
    )
    .await
}
