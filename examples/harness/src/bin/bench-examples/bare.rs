//! The bare server: the framework of the services with one route, and nothing around it.

use std::num::NonZero;
use std::thread::available_parallelism;

use anyhow::Result;
use poem::listener::TcpListener;
use poem::{Route, Server, get, handler};

/// An answer as large as that of the examples.
const ANSWER: &str = r#"{"item_id":"bench","value":"0123456789","version":1,"updated_at":"2026-01-01T00:00:00.000Z"}"#;
/// The path of the one route.
pub(crate) const PATH: &str = "/answer";

#[handler]
fn answer() -> poem::Response {
    poem::Response::builder()
        .content_type("application/json")
        .body(ANSWER)
}

/// Serves until it is killed, with the threads of a service: half the cores.
pub(crate) fn serve(port: u16) -> Result<()> {
    let cores = available_parallelism().map_or(1, NonZero::get);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads((cores / 2).max(1))
        .enable_all()
        .build()?;
    let routes = Route::new().at(PATH, get(answer));
    let listener = TcpListener::bind(("127.0.0.1", port));
    Ok(runtime.block_on(Server::new(listener).run(routes))?)
}
