//! What every process answers beside its API, and how it behaves with slow clients and without its
//! store.

use std::time::Duration;

use serde_json::json;
use shared::contract::trace::TraceParent;
use shared::http::problem::KINDS;
use stack::wait::eventually;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::harness::{Service, read_to_end};

/// How long a head, and a body, of a request may take.
const DAWDLE_LIMIT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn the_explorer_and_the_document_are_there() {
    let service = Service::start().await;
    let docs = service.get("/docs").await;
    assert_eq!(docs.status, 200);
    assert!(docs.header("content-type").starts_with("text/html"));
    assert!(!docs.body.contains("https://fonts"), "asks a font host");

    let document = service.get("/openapi.json").await;
    assert_eq!(document.status, 200);
    let paths = &document.json()["paths"];
    for (path, method) in [
        ("/products", "get"),
        ("/products", "post"),
        ("/products/{id}", "get"),
        ("/products/{id}", "patch"),
        ("/products/{id}", "delete"),
        ("/products/{id}/restock", "post"),
        ("/products/{id}/stock", "put"),
        ("/products/{id}/movements", "get"),
    ] {
        let operation = &paths[path][method];
        for part in ["summary", "operationId", "tags"] {
            assert!(!operation[part].is_null(), "{part} of {method} {path}");
        }
    }
    for path in ["/docs", "/openapi.json", "/asyncapi.yaml"] {
        let etag = service.get(path).await.header("etag").to_owned();
        assert!(etag.starts_with('"') && etag.len() > 10, "{etag}");
        let again = service.get_with(path, &[("if-none-match", &etag)]).await;
        assert_eq!((again.status, again.body.as_str()), (304, ""), "{path}");
        assert_eq!(again.header("etag"), etag);
        for known in [
            format!("W/{etag}"),
            format!("\"x\", {etag}"),
            "*".to_owned(),
        ] {
            let again = service.get_with(path, &[("if-none-match", &known)]).await;
            assert_eq!(again.status, 304, "{path}: {known}");
        }
        let other = [("if-none-match", "\"other\"")];
        service.get_with(path, &other).await.expect(200);
    }
}

#[tokio::test]
async fn every_kind_of_problem_has_a_page() {
    let service = Service::start().await;
    for kind in KINDS {
        let page = service.get(&format!("/problems/{}", kind.slug)).await;
        assert_eq!(page.status, 200, "{}", kind.slug);
        assert!(
            page.header("content-type").starts_with("text/html"),
            "{page:?}"
        );
        assert!(page.body.contains(kind.title) && page.body.contains(kind.advice));
        assert!(page.body.contains(kind.status.as_str()) && page.body.contains("\"../docs\""));
    }
    service
        .get("/problems/nothing")
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn a_request_id_is_kept_when_it_is_one_and_replaced_when_not() {
    let service = Service::start().await;
    let longest = "x".repeat(128);
    let amazon = "Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8;Sampled=1";
    let google = "105445aa7843bc8bf206b12000100000/1;o=1";
    for id in [
        "7",
        "a.b_c-9",
        "Root=1-5e64",
        amazon,
        google,
        "|0f.a_",
        "{}",
        "a+b/c==",
        &longest,
    ] {
        for path in ["/products", "/nowhere", "/livez"] {
            let answer = service.get_with(path, &[("x-request-id", id)]).await;
            assert_eq!(answer.header("x-request-id"), id, "{path}");
        }
    }
    let too_long = "x".repeat(129);
    for id in [
        "", "a b", "a\"b", "a,b", "a\\b", "a'b", "<b>", "a\tb", "é", &too_long,
    ] {
        let answer = service.get_with("/nowhere", &[("x-request-id", id)]).await;
        let problem = answer.problem(404, "not-found");
        let given = problem["request_id"].as_str().unwrap();
        assert!(given != id && given.len() == 36, "{id:?}: {given}");
        // The log names what was replaced.
        let line = format!("header=\"x-request-id\" found={id:?} by={given}");
        let logged = || async {
            let lines = service.system.process("inventory serve").last_lines(20);
            lines
                .iter()
                .any(|written| written.contains(&line) || id.len() > 128)
        };
        eventually("the log", logged).await;
    }
    let twice = [("x-request-id", "a"), ("x-request-id", "b")];
    let twice = service.get_with("/livez", &twice).await;
    assert_eq!(twice.header("x-request-id").len(), 36, "{twice:?}");
    let (one, two) = (service.get("/livez").await, service.get("/livez").await);
    assert_ne!(one.header("x-request-id"), two.header("x-request-id"));
}

#[tokio::test]
async fn a_trace_is_carried_on_or_begun() {
    let service = Service::start().await;
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-09-more";
    for path in ["/products", "/nowhere", "/livez"] {
        let traced = async |sent: &str| {
            let answer = service.get_with(path, &[("traceparent", sent)]).await;
            answer.header("traceparent").to_owned()
        };
        assert_eq!(traced(trace).await, trace, "{path}");
        assert_eq!(traced(later).await, trace, "{path}");
        let minted = traced("nonsense").await;
        assert!(minted.parse::<TraceParent>().is_ok(), "{path}: {minted}");
    }
}

#[tokio::test]
async fn an_answer_is_kept_by_nobody_unless_it_says_so() {
    let service = Service::start().await;
    for (path, expected) in [
        ("/nowhere", "no-store"),
        ("/livez", "no-store"),
        ("/docs", "no-cache"),
    ] {
        assert_eq!(
            service.get(path).await.header("cache-control"),
            expected,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_process_tells_which_one_it_is() {
    let service = Service::start().await;
    let version = service.get("/version").await;
    assert_eq!(version.header("content-type"), "application/json");
    let expected = json!({ "service": "inventory", "version": env!("CARGO_PKG_VERSION"), "commit": env!("SOURCE_COMMIT"), "process": "serve" });
    assert_eq!(version.json(), expected);
}

#[tokio::test]
async fn a_client_that_dawdles_loses_its_connection() {
    let service = Service::start().await;
    let head = "POST /products HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let half_head = closed_after(&service, "GET /products HTTP/1.1\r\nHost: localhost\r\nX-");
    let half_body = format!("{head}Connection: close\r\nContent-Length: 100\r\n\r\n{{");
    let half_body = closed_after(&service, &half_body);
    let nothing = closed_after(&service, "");
    let (half_head, half_body, nothing) = tokio::join!(half_head, half_body, nothing);
    assert!(half_body.1.starts_with("HTTP/1.1 408 "), "{}", half_body.1);
    assert!(
        half_body.1.contains("/problems/request-timeout"),
        "{}",
        half_body.1
    );
    for (took, answer) in [half_head, half_body, nothing] {
        let range = DAWDLE_LIMIT.mul_f64(0.9)..DAWDLE_LIMIT + Duration::from_secs(5);
        assert!(range.contains(&took), "{took:?}: {answer}");
    }
    assert_eq!(service.get("/livez").await.status, 200);
}

/// Sends a part of a request. Answers how long the service waited for the rest, and what it sent.
async fn closed_after(service: &Service, part: &str) -> (Duration, String) {
    let mut stream = service.connect().await;
    let started = Instant::now();
    stream.write_all(part.as_bytes()).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    (started.elapsed(), answer)
}
