//! The one request to inventory. After any answer, and after none, the client
//! gets its own answer quickly, and no order is placed by mistake.

use std::time::Duration;

use shared::contract::id::ProductId;
use stack::wait::eventually;
use tokio::time::Instant;

use crate::fake_inventory::{Behaviour, not_found, product, response};
use crate::harness::{Answer, Service};

/// The latest answer to a client while inventory fails.
const PROMPT: Duration = Duration::from_secs(1);
/// After this many failures in a row payments does not ask inventory, for this long.
const MAX_FAILURES: usize = 5;

const NONSENSE: (u16, &str) = (502, "bad-upstream");
const UNAVAILABLE: (u16, &str) = (503, "inventory-unavailable");

/// Prices are not remembered, so that each order asks inventory.
async fn start() -> Service {
    Service::start(&[("PRODUCT_CACHE_TTL", "0")]).await
}

/// The answer to the client when inventory does this.
async fn told(
    service: &Service,
    behaviour: impl FnOnce(ProductId) -> Behaviour,
) -> (ProductId, Answer) {
    let id = ProductId::mint();
    service.inventory.set(id, behaviour(id));
    let started = Instant::now();
    let answer = service.order(id, 1).await;
    assert!(
        started.elapsed() < PROMPT,
        "{:?}: {answer:?}",
        started.elapsed()
    );
    (id, answer)
}

/// Sends each of these answers in place of a product. Good answers in between keep the breaker
/// closed.
async fn check(service: &Service, expected: (u16, &str), answers: Vec<(&str, Behaviour)>) {
    let good = service.inventory.product("1", 1);
    for (what, behaviour) in answers {
        let before = service.count_orders().await;
        let (_, answer) = told(service, |_| behaviour).await;
        let (status, slug) = expected;
        answer.problem(status, slug);
        assert_eq!(
            answer.headers.contains_key("retry-after"),
            status == 503,
            "{what}"
        );
        assert_eq!(service.count_orders().await, before, "{what}");
        service.order(good, 1).await.created_id();
    }
}

fn json(body: &str) -> Behaviour {
    Behaviour::Answer(response("200 OK", "application/json", body))
}

#[tokio::test]
async fn an_unknown_product_is_not_found_and_nothing_is_ordered() {
    let service = start().await;
    let (_, answer) = told(&service, |_| Behaviour::Answer(not_found())).await;
    answer.problem(404, "product-not-found");
    assert_eq!(service.count_orders().await, 0);
    // A 404 is an answer and no failure, so the breaker stays closed.
    for _ in 0..2 * MAX_FAILURES {
        let (_, answer) = told(&service, |_| Behaviour::Answer(not_found())).await;
        answer.problem(404, "product-not-found");
    }
    let id = service.inventory.product("1", 1);
    service.order(id, 1).await.created_id();
}

#[tokio::test]
async fn an_answer_that_is_no_product_is_nonsense() {
    let service = start().await;
    let html = |status: &str| Behaviour::Answer(response(status, "text/html", "<h1>hello</h1>"));
    let other = ProductId::mint();
    let megabyte = format!("{{\"id\":\"{}\"}}", "x".repeat(1 << 20));
    let answers = vec![
        ("HTML", html("200 OK")),
        (
            "HTML with the status of a missing product",
            html("404 Not Found"),
        ),
        (
            "a redirect",
            Behaviour::Answer(response("302 Found", "text/html", "")),
        ),
        (
            "a created product",
            Behaviour::Answer(response("201 Created", "application/json", "{}")),
        ),
        ("HTML that claims to be JSON", json("<h1>hello</h1>")),
        ("a megabyte", json(&megabyte)),
        ("nothing", json("")),
        ("a list", json("[]")),
        ("half a product", json(&format!(r#"{{"id":"{other}""#))),
        ("another product", Behaviour::Answer(product(other, "1", 1))),
        (
            "no HTTP",
            Behaviour::Answer("SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned()),
        ),
    ];
    let (no_http, answers): (Vec<_>, Vec<_>) = answers
        .into_iter()
        .partition(|(what, _)| *what == "no HTTP");
    check(&service, NONSENSE, answers).await;
    check(&service, UNAVAILABLE, no_http).await;
}

#[tokio::test]
async fn a_product_with_a_broken_price_or_quantity_is_nonsense() {
    let service = start().await;
    let good = service.inventory.product("1", 1);
    for (price, quantity) in [
        ("-1", "1"),
        ("-0.01", "1"),
        ("1e11", "1"),
        ("1E-3", "1"),
        ("1.999", "1"),
        ("null", "1"),
        ("\"x\"", "1"),
        ("true", "1"),
        ("[1]", "1"),
        ("10000000000", "1"),
        ("1", "-1"),
        ("1", "1.5"),
        ("1", "null"),
    ] {
        let (_, answer) = told(&service, |id| {
            json(&format!(
                r#"{{"id":"{id}","price":{price},"quantity":{quantity}}}"#
            ))
        })
        .await;
        answer.problem(502, "bad-upstream");
        service.order(good, 1).await.created_id();
    }
    assert_eq!(
        service.count_orders().await,
        13,
        "only the good answers led to orders"
    );
}

/// Each of them would be refused again, and inventory works.
#[tokio::test]
async fn a_refusal_of_inventory_is_no_failure_of_it() {
    let service = start().await;
    let problem =
        |status: &str| Behaviour::Answer(response(status, "application/problem+json", "{}"));
    for status in [
        "400 Bad Request",
        "403 Forbidden",
        "409 Conflict",
        "413 Payload Too Large",
        "421 Misdirected Request",
        "422 Unprocessable Entity",
    ] {
        for _ in 0..=MAX_FAILURES {
            let (id, answer) = told(&service, |_| problem(status)).await;
            answer.problem(502, "bad-upstream");
            assert_eq!(service.inventory.questions(id).len(), 1, "{status}");
        }
    }
    let good = service.inventory.product("1", 1);
    service.order(good, 1).await.created_id();
}

#[tokio::test]
async fn an_inventory_that_refuses_for_now_is_unavailable() {
    let service = start().await;
    let running = "HTTP/1.1 409 Conflict\r\nContent-Type: application/problem+json\r\n\
                   Retry-After: 1\r\nContent-Length: 2\r\n\r\n{}";
    let slow = response("408 Request Timeout", "application/problem+json", "{}");
    let answers = vec![
        ("a running request", Behaviour::Answer(running.to_owned())),
        ("a slow request", Behaviour::Answer(slow)),
    ];
    check(&service, UNAVAILABLE, answers).await;
}

#[tokio::test]
async fn an_inventory_that_dawdles_is_too_slow() {
    let service = start().await;
    let held = Behaviour::Held(not_found());
    let half = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    let half = Behaviour::Answer(half.to_owned());
    let answers = vec![("no answer", held), ("half an answer", half)];
    check(&service, (504, "upstream-timeout"), answers).await;
}

#[tokio::test]
async fn an_inventory_that_fails_is_unavailable() {
    let service = start().await;
    let error =
        |status: &str, body: &str| Behaviour::Answer(response(status, "application/json", body));
    check(
        &service,
        UNAVAILABLE,
        vec![
            (
                "an internal error",
                error("500 Internal Server Error", "{}"),
            ),
            ("a proxy's error", error("503 Service Unavailable", "")),
            ("a rate limit", error("429 Too Many Requests", "{}")),
            ("a closed connection", Behaviour::HangUp),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_inventory_that_is_down_is_unavailable() {
    // No process listens on this port.
    let down = Service::start(&[("INVENTORY_URL", "http://127.0.0.1:1")]).await;
    let started = Instant::now();
    let answer = down.order(ProductId::mint(), 1).await;
    answer.problem(503, "inventory-unavailable");
    assert_ne!(answer.header("retry-after"), "");
    assert!(started.elapsed() < PROMPT, "{:?}", started.elapsed());
    assert_eq!(down.count_orders().await, 0);
}

#[tokio::test]
async fn a_closed_connection_is_tried_once_more() {
    let service = start().await;
    let (id, answer) = told(&service, |id| Behaviour::HangUpOnce(product(id, "1", 1))).await;
    answer.created_id();
    assert_eq!(service.inventory.questions(id).len(), 2);
    let (id, answer) = told(&service, |_| Behaviour::HangUp).await;
    answer.problem(503, "inventory-unavailable");
    assert_eq!(
        service.inventory.questions(id).len(),
        2,
        "once, not for ever"
    );
}

#[tokio::test]
async fn after_five_failures_inventory_is_left_alone_until_it_recovers() {
    let service = start().await;
    let id = ProductId::mint();
    service.inventory.fail(id);
    for _ in 0..MAX_FAILURES {
        service
            .order(id, 1)
            .await
            .problem(503, "inventory-unavailable");
    }
    let asked = service.inventory.questions(id).len();
    assert_eq!(asked, MAX_FAILURES);
    let started = Instant::now();
    for _ in 0..20 {
        let answer = service.order(id, 1).await;
        answer.problem(503, "inventory-unavailable");
        assert_ne!(answer.header("retry-after"), "");
    }
    assert!(started.elapsed() < PROMPT, "{:?} for 20", started.elapsed());
    assert_eq!(
        service.inventory.questions(id).len(),
        asked,
        "inventory was not asked"
    );

    service.inventory.offer(id, "1", 1);
    eventually("an order", async || {
        service.order(id, 1).await.status == 201
    })
    .await;
    service.order(id, 1).await.created_id();
    assert_eq!(service.count_orders().await, 2);
}
