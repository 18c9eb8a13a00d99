//! No answer is many times larger than its request.

use std::fmt::Write as _;

use reqwest::Method;
use reqwest::header::HeaderValue;

use crate::harness::{Answer, Service};

/// The most errors in one answer.
const MAX_ERRORS: usize = 50;
/// The most bytes in the body of a refusal.
const MAX_REFUSAL: usize = 16 * 1024;
/// The most bytes of a refusal with one error.
const MAX_SINGLE: usize = 2 * 1024;

/// A body with this many unknown fields.
fn unknown_fields(count: usize) -> String {
    let mut body = r#"{"name":" ","price":-1,"quantity":1"#.to_owned();
    for number in 0..count {
        write!(body, ",\"{number:x}\":0").unwrap();
    }
    body + "}"
}

/// The number of bytes in the values of all headers.
fn told_in_headers(answer: &Answer) -> usize {
    answer.headers.values().map(HeaderValue::len).sum()
}

#[tokio::test]
async fn an_answer_lists_fifty_errors_and_says_how_many_more_there_are() {
    let service = Service::start().await;
    for (unknown, detail) in [
        (1, "3 fields are invalid".to_owned()),
        (MAX_ERRORS - 2, format!("{MAX_ERRORS} fields are invalid")),
        (
            MAX_ERRORS - 1,
            "51 fields are invalid: 50 are listed, 1 more are not".to_owned(),
        ),
        (
            1_800,
            "1802 fields are invalid: 50 are listed, 1752 more are not".to_owned(),
        ),
    ] {
        let body = unknown_fields(unknown);
        let answer = service.post("/products", body).await;
        let pointers = answer.invalid_fields();
        assert_eq!(pointers.len(), (unknown + 2).min(MAX_ERRORS));
        assert_eq!(answer.json()["detail"], detail);
        // Mistakes in known fields are always in the list.
        assert!(
            ["#/name", "#/price"]
                .iter()
                .all(|known| pointers.iter().any(|told| told == known))
        );
        assert!(answer.body.len() <= MAX_REFUSAL, "{}", answer.body.len());
    }
}

#[tokio::test]
async fn an_answer_repeats_little_of_what_was_sent() {
    let service = Service::start().await;
    let id = service.create("Tea").await;
    let product = format!("/products/{id}");
    for filler in ["x", "~", "\u{7f}", "é", "\u{202e}", "%", "\\\""] {
        let long = filler.repeat(7_000 / filler.len());
        for body in [
            format!(r#"{{"name":"x","price":1,"quantity":1,"{long}":0}}"#),
            format!(r#"{{"name":"{long}","price":1,"quantity":1}}"#),
            format!(r#"{{"name":"x","price":"{long}","quantity":"{long}"}}"#),
            format!(r#"{{"name":"x","price":{long},"quantity":1}}"#),
            format!(r#"{{"{long}":1,"{long}":1}}"#),
        ] {
            let answer = service.post("/products", body).await;
            assert!((400..500).contains(&answer.status), "{answer:?}");
            assert!(
                answer.body.len() <= MAX_SINGLE,
                "{} {answer:?}",
                answer.body.len()
            );
        }
    }
    let (long, odd) = ("x".repeat(7_000), "%7f".repeat(2_000));
    for query in [
        format!("limit={long}"),
        format!("cursor={long}"),
        format!("sort={long}"),
        format!("in_stock={long}"),
        format!("q={long}"),
        format!("{long}=1"),
        format!("limit={odd}"),
        format!("q={odd}"),
        format!("{odd}=1"),
        "a&".repeat(3_000),
    ] {
        let answer = service.get(&format!("/products?{query}")).await;
        let told = told_in_headers(&answer);
        assert!(
            answer.body.len() + told <= MAX_SINGLE,
            "{query}: {answer:?}"
        );
    }
    for path in [
        format!("/{long}"),
        format!("/{odd}"),
        format!("{product}/{long}"),
        "/a".repeat(3_500),
    ] {
        let answer = service.get(&path).await;
        answer.problem(404, "not-found");
        assert!(answer.body.len() <= MAX_SINGLE, "{path}: {answer:?}");
    }
    headers_are_repeated_little(&service, &product, &long).await;
}

/// Sends headers of this length with requests that read, create and change.
async fn headers_are_repeated_little(service: &Service, product: &str, long: &String) {
    for (name, value) in [
        ("content-type", long),
        ("content-type", &format!("application/json; charset={long}")),
        ("content-encoding", long),
        ("idempotency-key", long),
        ("if-match", long),
        ("if-none-match", long),
        ("x-request-id", long),
        ("traceparent", long),
        ("origin", long),
        ("last-event-id", long),
        ("accept", long),
    ] {
        for (method, path) in [
            (Method::POST, "/products"),
            (Method::PATCH, product),
            (Method::GET, product),
        ] {
            let request = service.request(method, path).header(name, value);
            let answer = Answer::to(request.body("{}")).await;
            let told = told_in_headers(&answer);
            assert!(answer.body.len() + told <= MAX_SINGLE, "{name}: {answer:?}");
        }
    }
}
