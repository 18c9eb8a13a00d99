//! What holds for every handler, tried with handlers that fail, panic or never end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use poem::web::Data;
use poem::{EndpointExt, handler};
use reqwest::Client;
use serde_json::Value;
use shared::base::config::Reader;
use shared::base::shutdown::Shutdown;
use shared::http::request::RequestScope;
use shared::http::routes::Routes;
use shared::http::settings::HttpSettings;
use stack::wait::eventually;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Generous, because a compiler may run beside the tests.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
/// How long a handler may take.
const HANDLER_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    client: Client,
    gate: Arc<Gate>,
    pub(crate) shutdown: Shutdown,
    task: JoinHandle<std::io::Result<()>>,
}

/// Holds handlers back until a test opens it.
#[derive(Default)]
struct Gate {
    arrived: Notify,
    opened: Notify,
}

impl Server {
    fn start(env: &'static [(&'static str, &'static str)]) -> Self {
        let gate = Arc::new(Gate::default());
        let routes = Routes::default()
            .page("/panic", panic)
            .page("/error", error)
            .page("/held", held.data(gate.clone()))
            .page("/waiting", waiting.data(gate.clone()))
            .page("/for-ever", for_ever);
        Self {
            gate,
            ..Self::serve(routes, env)
        }
    }

    /// Serves these routes with these settings.
    pub(crate) fn serve(routes: Routes, env: &'static [(&'static str, &'static str)]) -> Self {
        let mut reader = Reader::from_source(move |name| {
            env.iter()
                .find(|(set, _)| *set == name)
                .map(|(_, value)| (*value).to_owned())
        });
        let settings = HttpSettings::read(&mut reader).unwrap();
        let routes = routes.page("/livez", alive).page("/alive", alive);
        let listener = shared::http::server::listen(([127, 0, 0, 1], 0).into()).unwrap();
        let (address, shutdown) = (listener.local_addr().unwrap(), Shutdown::new());
        let server = shared::http::server::serve(listener, routes, settings, shutdown.clone());
        let client = Client::builder().no_proxy().build().unwrap();
        let gate = Arc::default();
        Self {
            address,
            client,
            gate,
            shutdown,
            task: tokio::spawn(server),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let response = self.send(path).await;
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn send(&self, path: &str) -> reqwest::Response {
        self.client
            .get(format!("http://{}{path}", self.address))
            .send()
            .await
            .unwrap()
    }

    /// The status and the kind of the problem that a path answers.
    async fn problem(&self, path: &str) -> (u16, String) {
        let (status, text) = self.get(path).await;
        let problem: Value = serde_json::from_str(&text).unwrap();
        (
            status,
            problem["type"].as_str().unwrap().replace("/problems/", ""),
        )
    }
}

#[handler]
fn panic() -> String {
    panic!("a secret")
}

#[handler]
fn error() -> poem::Result<String> {
    Err(poem::error::InternalServerError(std::io::Error::other(
        "a secret",
    )))
}

#[handler]
async fn held(gate: Data<&Arc<Gate>>) -> &'static str {
    gate.arrived.notify_one();
    gate.opened.notified().await;
    "held"
}

#[handler]
async fn waiting(gate: Data<&Arc<Gate>>, scope: Data<&Arc<RequestScope>>) -> &'static str {
    scope.slot.wait_up_to(LIMIT);
    gate.arrived.notify_one();
    gate.opened.notified().await;
    "waited"
}

#[handler]
async fn for_ever() -> &'static str {
    std::future::pending().await
}

#[handler]
fn alive() -> &'static str {
    "ok"
}

#[tokio::test]
async fn a_handler_that_panics_or_fails_is_answered_without_its_details() {
    let server = Server::start(&[]);
    for path in ["/panic", "/error", "/panic"] {
        let (status, text) = server.get(path).await;
        assert_eq!(status, 500, "{path}");
        assert!(
            text.contains("/problems/internal") && !text.contains("secret"),
            "{text}"
        );
    }
    assert_eq!(server.get("/livez").await.0, 200);
}

#[tokio::test]
async fn a_handler_has_its_time_and_a_wait_that_it_announced() {
    let server = Server::start(&[]);
    let (waited, ()) = tokio::join!(server.get("/waiting"), async {
        server.gate.arrived.notified().await;
        let started = Instant::now();
        let late = server.problem("/for-ever").await;
        let took = started.elapsed();
        assert_eq!(late, (504, "deadline-exceeded".to_owned()));
        assert!(
            (HANDLER_TIMEOUT..HANDLER_TIMEOUT + LIMIT).contains(&took),
            "{took:?}"
        );
        // The request that announced its wait has been under way for longer.
        server.gate.opened.notify_one();
    });
    assert_eq!(waited, (200, "waited".to_owned()));
}

#[tokio::test]
async fn requests_beyond_the_limit_are_refused_at_once() {
    let server = Server::start(&[("MAX_REQUESTS", "2")]);
    let (_, _, ()) = tokio::join!(server.get("/held"), server.get("/held"), async {
        server.gate.arrived.notified().await;
        server.gate.arrived.notified().await;
        let refused = server.send("/held").await;
        assert_eq!(refused.status(), 503);
        assert_eq!(refused.headers()["retry-after"], "1");
        assert!(
            refused
                .text()
                .await
                .unwrap()
                .contains("/problems/overloaded")
        );
        assert_eq!(
            server.get("/livez").await.0,
            200,
            "a probe is always answered"
        );
        server.gate.opened.notify_waiters();
    });
    assert_eq!(
        server.problem("/panic").await.0,
        500,
        "the requests before it are done"
    );
}

#[tokio::test]
async fn a_request_that_only_waits_does_not_count() {
    let server = Server::start(&[("MAX_REQUESTS", "1")]);
    let (first, second, ()) = tokio::join!(server.get("/waiting"), server.get("/waiting"), async {
        server.gate.arrived.notified().await;
        server.gate.arrived.notified().await;
        assert_eq!(
            server.get("/error").await.0,
            500,
            "a request that waits does not count"
        );
        server.gate.opened.notify_waiters();
    });
    assert_eq!((first.0, second.0), (200, 200));
}

#[tokio::test]
async fn the_request_of_a_client_that_goes_away_ends_too() {
    let server = Server::start(&[("MAX_REQUESTS", "1")]);
    let request = server.client.get(format!("http://{}/held", server.address));
    let impatient = tokio::spawn(request.send());
    server.gate.arrived.notified().await;
    assert_eq!(server.problem("/error").await.1, "overloaded");
    impatient.abort();
    eventually("the place is free", async || {
        server.get("/error").await.0 == 500
    })
    .await;
}

#[tokio::test]
async fn requests_under_way_are_finished_before_the_end() {
    let server = Server::start(&[("DRAIN_DELAY", "0")]);
    let (answer, ()) = tokio::join!(server.get("/held"), async {
        server.gate.arrived.notified().await;
        server.shutdown.cancel();
        eventually("nobody listens", async || {
            TcpStream::connect(server.address).await.is_err()
        })
        .await;
        server.gate.opened.notify_waiters();
    });
    assert_eq!(answer, (200, "held".to_owned()));
    tokio::time::timeout(LIMIT, server.task)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[test]
fn every_setting_that_makes_no_sense_is_named() {
    let mut reader = Reader::from_source(|name| {
        let value = match name {
            "ALLOWED_HOSTS" => "http://shop.example",
            "CORS_ORIGINS" => "https://shop.example/",
            "PUBLIC_URL" => "/payments",
            "RATE_LIMIT" => "many",
            "DRAIN_DELAY" => "2m",
            "MAX_CONNECTIONS" | "MAX_CONNECTIONS_PER_ADDRESS" => "0",
            "MAX_REQUESTS" => "-1",
            "HEADER_TIMEOUT" => "100ms",
            "KEEP_ALIVE_TIMEOUT" => "2h",
            "REQUIRE_IDEMPOTENCY_KEY" => "maybe",
            _ => return None,
        };
        Some(value.to_owned())
    });
    let settings = HttpSettings::read(&mut reader);
    assert_eq!(reader.finish(settings).unwrap_err().0.len(), 11);
}
