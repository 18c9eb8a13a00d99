//! The process of records, put together.

use std::time::Duration;

use shared::base::shutdown::Shutdown;
use shared::service::process::Process;

use crate::api::{self, Api};
use crate::config::Config;
use crate::store::RecordStore;

/// Pause between two looks for records that are stale in the cache.
const REPAIR_INTERVAL: Duration = Duration::from_millis(500);
/// Pause between two sweeps of old claims.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);

/// Serves the HTTP API until `shutdown`.
pub async fn serve(shutdown: Shutdown, config: Config) -> anyhow::Result<()> {
    let store = RecordStore::new(&config);
    let mut process = Process::new(shutdown.clone());
    let (opening, patience) = (store.clone(), config.database_start_timeout);
    process.open("database", async move {
        opening.open(patience, &shutdown).await
    });
    let repaired = store.clone();
    process.repeat("repair of the cache", REPAIR_INTERVAL, move || {
        let store = repaired.clone();
        async move { store.repair_cache().await }
    });
    let swept = store.clone();
    process.repeat("sweep of claims", SWEEP_INTERVAL, move || {
        let store = swept.clone();
        async move { store.sweep_claims().await }
    });
    for note in store.notes() {
        process.note(note);
    }
    let routes = api::routes(Api { store }, config.common.http.public_url.as_ref());
    process.serve(&config.common, routes).await
}

/// The OpenAPI document.
pub fn openapi(config: &Config) -> String {
    let store = RecordStore::new(config);
    api::document(Api { store }, config.common.http.public_url.as_ref())
}
