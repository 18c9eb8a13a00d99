//! The processes of todos, put together.

use std::pin::Pin;

use shared::base::health::Check;
use shared::base::shutdown::{self, Shutdown};
use shared::http::wait::Waits;
use shared::service::process::Process;

use crate::api::{self, Api};
use crate::config::Config;
use crate::kafka::{Publisher, create_topics};
use crate::store::TodoStore;
use crate::worker::Applier;

/// Serves the HTTP API until `shutdown`.
pub async fn serve(shutdown: Shutdown, config: Config) -> anyhow::Result<()> {
    let end = shutdown::later(&shutdown, config.common.http.drain_delay);
    let api = api(&config, end)?;
    let mut process = Process::new(shutdown.clone());
    open(&mut process, &api.store, &config, &shutdown);
    let routes = api::routes(api, config.common.http.public_url.as_ref());
    process.serve(&config.common, routes).await
}

/// Applies the messages of the topic until `shutdown`.
pub async fn consume(shutdown: Shutdown, config: Config) -> anyhow::Result<()> {
    let store = TodoStore::new(&config.database);
    let mut process = Process::new(shutdown.clone());
    open(&mut process, &store, &config, &shutdown);
    let applier = Applier::new(&config.kafka, store)?;
    process.run_loop("consumer", |progress, stop| applier.run(progress, stop));
    process
        .serve_probes(&config.common, &config.consumer_http_addr)
        .await
}

/// The OpenAPI document.
pub fn openapi(config: &Config) -> anyhow::Result<String> {
    let public_url = config.common.http.public_url.as_ref();
    Ok(api::document(api(config, Shutdown::new())?, public_url))
}

fn api(config: &Config, end: Shutdown) -> anyhow::Result<Api> {
    Ok(Api {
        store: TodoStore::new(&config.database),
        publisher: Publisher::new(&config.kafka)?,
        waits: Waits::new(config.common.http.max_waits(), "their changes"),
        end,
    })
}

/// Opens the database and the topics, and watches the database.
fn open(process: &mut Process, store: &TodoStore, config: &Config, shutdown: &Shutdown) {
    let (opening, settings, stop) = (store.clone(), config.database.clone(), shutdown.clone());
    process.open(
        "database",
        async move { opening.open(&settings, &stop).await },
    );
    let (settings, stop) = (config.kafka.clone(), shutdown.clone());
    process.open(
        "broker",
        async move { create_topics(&settings, &stop).await },
    );
    process.check(database(store.clone()));
}

/// Checks that the database answers.
fn database(store: TodoStore) -> Check {
    Check::new("database", move || -> Pin<Box<_>> {
        let store = store.clone();
        Box::pin(async move { store.ping().await.map_err(|error| error.to_string()) })
    })
}
