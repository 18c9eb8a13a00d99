//! The producer: an HTTP API that emits an event.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::OpenApi;
use shared::http::idempotency::KeyHeader;
use shared::http::json::Json;
use shared::http::parameter::Path;
use shared::http::problem::{INVALID_PARAMETER, Problem};
use shared::http::routes::{NO_STORE, Routes};
use shared::http::scope::RequestScope;
use shared::redis::Redis;
use shared::service::cli;
use shared::service::process::Process;
use shared::store::partition::{Partition, Partitions};
use shared::store::{Layout, Store};

use crate::Config;
use crate::greeted::{Greeted, Name};

struct Greeter(Store);

#[OpenApi]
impl Greeter {
    /// Greet a person
    ///
    /// A client that got no answer repeats its request with the same `Idempotency-Key`. The counter
    /// then counts once, because the id of the event is made of the key and the name.
    #[oai(path = "/greetings/:name", method = "post")]
    async fn greet(
        &self,
        scope: Data<&Arc<RequestScope>>,
        name: Path<String>,
        #[oai(name = "Idempotency-Key")] key: KeyHeader,
    ) -> Result<Json<String>, Problem> {
        let refuse = |detail| Problem::new(&INVALID_PARAMETER, detail);
        let name: Name = name.0.parse().map_err(refuse)?;
        // Never the id of the request: a proxy may give several requests one id. A key that a
        // client uses for another name makes another event, so no greeting is lost.
        let id = key.id_for(&name.0);
        let partition = Partition::at(None);
        let event = Greeted {
            id,
            // Only the clock of the store decides. The clocks of processes may differ.
            time: self.0.now(partition).await?,
            name,
            context: scope.context.clone(),
        };
        // Here the event is the whole change, so it is one command. If a change touches other keys
        // as well, one Redis Function makes the change and emits the event: no crash comes between.
        // If the store does not answer, `?` answers 503 with the reason, and the client repeats.
        self.0.emit(partition, &event).await?;
        Ok(Json(format!("Hello, {}!", event.name.0)))
    }
}

/// Serves the API until SIGTERM, then finishes the requests under way.
pub(crate) async fn greet(config: Config) -> anyhow::Result<()> {
    let mut process = Process::new(cli::begin(&config.common)?);
    let redis = Redis::worker(&config.stores.stream).with_acks(config.stores.replica_acks);
    // The greeter keeps nothing but its stream. With more than that, the layout numbers what is
    // kept, so that a newer build can migrate it.
    let store = Store::new(redis, Layout::first("greeter"), &[], Partitions::NONE);
    // A check for `/readyz`, and a task that removes entries that every group has acknowledged.
    process.emit::<Greeted>(&store, config.stores.stream_limits);
    let routes = Routes::default().api(Greeter(store), &NO_STORE);
    process.serve(&config.common, routes).await
}
