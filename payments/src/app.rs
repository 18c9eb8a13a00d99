//! The processes of payments, put together.

use std::sync::Arc;
use std::time::Duration;

use shared::base::shutdown::{self, Shutdown};
use shared::contract::event::{OrderCompleted, RefundOrder};
use shared::http::idempotency::InFlight;
use shared::http::sse::Live;
use shared::live::Feed;
use shared::service::process::Process;
use shared::store::open::OpenError;
use shared::store::sweep::ClockWatch;
use shared::stream::loss;

use crate::api::{self, Api, ShowOrder, Terms};
use crate::config::Config;
use crate::finality::FinalityWait;
use crate::inventory_client::InventoryClient;
use crate::reconcile::{Options, Reconciler};
use crate::stock_acks::StockAcks;
use crate::store::OrderStore;
use crate::worker::{Completer, RefundHandler};

/// Pause between two looks for orders that are due too late, because the clock of the store was
/// ahead. They are made due anew only if the clock was steady from one look to the next.
const REDATE_INTERVAL: Duration = Duration::from_secs(10);

/// Serves the HTTP API until `shutdown`.
pub async fn serve(shutdown: Shutdown, config: Config) -> anyhow::Result<()> {
    let end = shutdown::later(&shutdown, config.common.http.drain_delay);
    let api = api(&config, end)?;
    let mut process = Process::new(shutdown);
    process.open_store(&api.store.own, config.stores.witness::<RefundOrder>());
    process.follow(api.live.feed(), &api.store.own, &config.stores.own);
    let stock_acks = api.finality.stock_acks.clone();
    process.run_loop("stock acks", |progress, stop| {
        stock_acks.run(progress, stop)
    });
    // A test of the contracts shows that the document can be written.
    let asyncapi = || asyncapi().unwrap_or_default();
    let routes = api::routes(api, config.common.http.public_url.as_ref(), asyncapi);
    process.serve(&config.common, routes).await
}

/// Pays orders that are due and refunds rejected orders until `shutdown`. Also makes orders due
/// anew after a clock was ahead, trims the own stream, and sweeps the claims.
pub async fn consume(shutdown: Shutdown, config: Config) -> anyhow::Result<()> {
    let store = store(&config);
    let mut process = Process::new(shutdown);
    process.open_store(&store.own, config.stores.witness::<RefundOrder>());
    process.consume(
        &RefundHandler {
            store: store.clone(),
        },
        &store.own,
        &config.stores.consumer(),
    );
    for partition in store.own.partitions().all() {
        let url = &config.stores.own;
        let completer = Completer::new(store.clone(), url, partition);
        process.run_loop("completion", |progress, stop| completer.run(progress, stop));
    }
    process.trim::<OrderCompleted>(store.own.clone(), config.stores.stream_limits);
    process.sweep_claims(store.own.clone());
    let watch = Arc::new(ClockWatch::default());
    process.repeat("due times", REDATE_INTERVAL, move || {
        let (store, watch) = (store.clone(), Arc::clone(&watch));
        async move { store.redate_due(&watch).await.map(drop) }
    });
    let address = &config.stores.consumer_http_addr;
    process.serve_probes(&config.common, address).await
}

/// The store that payments owns.
pub fn store(config: &Config) -> OrderStore {
    let stores = &config.stores;
    OrderStore::new(
        stores.own_redis(),
        stores.partitions,
        config.completion_delay,
    )
}

/// The reconciler, which compares the orders with the records of inventory.
pub fn reconciler(config: &Config, options: Options) -> anyhow::Result<Reconciler> {
    let inventory = InventoryClient::new(config.inventory_url.clone(), config.product_cache_ttl)?;
    Ok(Reconciler::new(store(config), inventory, options))
}

/// The AsyncAPI document.
pub fn asyncapi() -> anyhow::Result<String> {
    shared::http::asyncapi::document::<OrderCompleted, RefundOrder>(
        "Payments",
        env!("CARGO_PKG_VERSION"),
    )
}

/// The OpenAPI document.
pub fn openapi(config: &Config) -> anyhow::Result<String> {
    let public_url = config.common.http.public_url.as_ref();
    Ok(api::document(api(config, Shutdown::new())?, public_url))
}

fn api(config: &Config, end: Shutdown) -> anyhow::Result<Api> {
    let terms = Terms {
        fee_rate: config.fee_rate,
        early_stock_check: config.early_stock_check,
    };
    let inventory = InventoryClient::new(config.inventory_url.clone(), config.product_cache_ttl)?;
    let store = store(config);
    let feed = Feed::new(
        store.own.clone(),
        ShowOrder {
            store: store.clone(),
        },
    );
    let (stock_acks, http) = (StockAcks::new(store.own.clone()), &config.common.http);
    Ok(Api {
        inventory,
        terms,
        in_flight: InFlight::default(),
        finality: FinalityWait::new(feed.clone(), stock_acks, http.max_waits(), end.clone()),
        live: Live::new(feed, http.max_streams(), end),
        store,
    })
}

/// Accepts what the own store, or the stream that the consumer reads, has lost for good.
pub async fn accept_loss(config: &Config) -> Result<(), OpenError> {
    loss::accept_loss(&store(config).own, &config.stores.witness::<RefundOrder>()).await
}
