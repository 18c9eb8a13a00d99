//! The processes of inventory, put together.

use std::sync::Arc;
use std::time::Duration;

use shared::base::shutdown::{self, Shutdown};
use shared::contract::event::{Event, OrderCompleted, RefundOrder};
use shared::http::idempotency::InFlight;
use shared::http::sse::Live;
use shared::live::Feed;
use shared::redis::Redis;
use shared::service::process::Process;
use shared::store::open::{OpenError, Witness};
use shared::store::sweep::Sweep;
use shared::stream::consumer::Settings;
use shared::stream::dead_letter::{Bounds, REPORT_INTERVAL};
use shared::stream::loss;
use shared::stream::replay::REPLAY_WINDOW;
use shared::stream::retention::{TRIM_INTERVAL, Trimmer};

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
    process.open_store(&api.store.own, witness(&config));
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
    process.open_store(&store.own, witness(&config));
    let keep = config.dedupe_retention;
    let handler = OrderHandler {
        store: store.clone(),
        dedupe_retention: keep,
    };
    process.consume(&handler, &store.own, &consumer_settings(&config));

    let trimmer = Trimmer::new(
        store.own.clone(),
        config.stores.stream_retention,
        REPLAY_WINDOW,
    );
    let trimmer = Arc::new(trimmer);
    process.repeat("trim", TRIM_INTERVAL, move || {
        let trimmer = Arc::clone(&trimmer);
        async move { trimmer.trim::<RefundOrder>().await }
    });
    let own = store.own.clone();
    let sweep = Arc::new(Sweep::new("records of orders", SWEEP_INTERVAL / 2));
    process.repeat("sweep", SWEEP_INTERVAL, move || {
        let (store, sweep) = (store.clone(), Arc::clone(&sweep));
        async move { store.sweep_records(&sweep, keep).await.map(drop) }
    });
    process.sweep_claims(own);
    let address = &config.stores.consumer_http_addr;
    process.serve_probes(&config.common, address).await
}

/// The store that inventory owns.
pub fn store(config: &Config) -> ProductStore {
    let redis = Redis::worker(&config.stores.own).with_acks(config.stores.replica_acks);
    ProductStore::new(redis, config.stores.partitions)
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
    loss::accept_loss(&store(config).own, &witness(config)).await
}

fn witness(config: &Config) -> Witness {
    Witness {
        redis: Redis::worker(&config.stores.other),
        stream: OrderCompleted::STREAM,
        group: OrderCompleted::GROUP,
    }
}

fn consumer_settings(config: &Config) -> Settings {
    Settings {
        stream_store: config.stores.other.clone(),
        acks: config.stores.replica_acks,
        name: config.stores.consumer_name.clone(),
        reclaim_idle: config.stores.reclaim_idle,
        dead_letters: Bounds::SHIPPED,
        report_interval: REPORT_INTERVAL,
    }
}
