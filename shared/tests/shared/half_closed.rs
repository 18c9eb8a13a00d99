//! Clients that send their whole request, close their sending side, and wait for the answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream;
use poem::Body;
use poem::handler;
use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::payload::PlainText;
use shared::http::request::RequestScope;
use shared::http::routes::{NO_STORE, Routes};

use crate::http::Server;
use crate::raw::{Raw, Said};

/// How often each request is made, because the two sides of a connection race.
const TIMES: usize = 40;
/// The time that a handler takes. The end of the request arrives before the answer.
const WORK: Duration = Duration::from_millis(5);
const HOST: &str = "Host: localhost\r\n";

/// Counts the requests that it handles.
pub(crate) struct Counter(pub(crate) Arc<AtomicUsize>);

#[OpenApi]
impl Counter {
    #[oai(path = "/count", method = "post")]
    async fn count(&self, body: PlainText<String>) -> PlainText<String> {
        tokio::time::sleep(WORK).await;
        self.0.fetch_add(1, Ordering::Relaxed);
        PlainText(format!("{}\n", body.0.len()))
    }
}

#[handler]
async fn slow() -> &'static str {
    tokio::time::sleep(WORK).await;
    "slow\n"
}

/// Waits like a long poll.
#[handler]
async fn wait(scope: Data<&Arc<RequestScope>>) -> &'static str {
    scope.slot.wait_up_to(WORK);
    tokio::time::sleep(10 * WORK).await;
    "waited\n"
}

#[handler]
fn events() -> Body {
    Body::from_bytes_stream(stream::unfold(0, |count| async move {
        tokio::time::sleep(WORK).await;
        (count < 5).then(|| (Ok::<_, std::io::Error>("data: x\n\n"), count + 1))
    }))
}

fn start(env: &'static [(&'static str, &'static str)]) -> (Server, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let routes = Routes::default()
        .page("/slow", slow)
        .page("/wait", wait)
        .page("/events", events)
        .api(Counter(count.clone()), &NO_STORE);
    (Server::serve(routes, env), count)
}

fn post(framing: &str, body: &str) -> String {
    format!("POST /count HTTP/1.1\r\n{HOST}Content-Type: text/plain\r\n{framing}\r\n\r\n{body}")
}

#[tokio::test]
async fn a_whole_request_of_any_kind_is_answered() {
    let (server, count) = start(&[]);
    let sized = post("Content-Length: 5", "12345");
    let chunked = post("Transfer-Encoding: chunked", "5\r\n12345\r\n0\r\n\r\n");
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\n{HOST}\r\n");
    let head = get("/slow").replace("GET", "HEAD");
    let old = get("/slow").replace("HTTP/1.1", "HTTP/1.0");
    let mut posted = 0;
    for (request, ending) in [
        (sized.clone(), "\r\n\r\n5\n"),
        (chunked, "\r\n\r\n5\n"),
        (get("/slow"), "\r\n\r\nslow\n"),
        (head, "\r\n\r\n"),
        (old, "\r\n\r\nslow\n"),
        (get("/wait"), "\r\n\r\nwaited\n"),
        (get("/events"), "data: x\n\n\r\n0\r\n\r\n"),
        // Several requests at once, and then the end.
        (format!("{sized}{}", get("/slow")), "\r\n\r\nslow\n"),
    ] {
        for _ in 0..TIMES {
            let mut raw = Raw::to(&server).await;
            raw.end(&request).await;
            let answer = raw.rest().await;
            assert!(answer.starts_with("HTTP/1."), "{request}: {answer}");
            assert!(
                answer.contains(" 200 OK\r\n") && answer.ends_with(ending),
                "{answer}"
            );
        }
        posted += if request.starts_with("POST") {
            TIMES
        } else {
            0
        };
        assert_eq!(count.load(Ordering::Relaxed), posted, "{request}");
    }
}

#[tokio::test]
async fn a_request_that_ends_in_the_middle_is_refused_and_changes_nothing() {
    let (server, count) = start(&[]);
    for (request, slug) in [
        (
            "POST /count HTTP/1.1\r\nHos".to_owned(),
            "malformed-request",
        ),
        ("P".to_owned(), "malformed-request"),
        (post("Content-Length: 5", "1234"), "malformed-body"),
        (post("Content-Length: 5", ""), "malformed-body"),
        (
            post("Transfer-Encoding: chunked", "5\r\n12345\r\n"),
            "malformed-body",
        ),
        (
            post("Transfer-Encoding: chunked", "5\r\n1234"),
            "malformed-body",
        ),
    ] {
        let mut raw = Raw::to(&server).await;
        raw.end(&request).await;
        Said::parse(&raw.rest().await).last_problem(400, slug);
    }
    // A client that sends nothing gets no answer.
    let mut silent = Raw::to(&server).await;
    silent.end("").await;
    assert_eq!(silent.rest().await, "");
    assert_eq!(count.load(Ordering::Relaxed), 0);
}
