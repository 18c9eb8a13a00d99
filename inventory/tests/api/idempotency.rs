//! A request with a key has one effect, also if it is repeated after other changes.

use futures_util::future::join_all;
use reqwest::Method;

use crate::changes::patch;
use crate::harness::{Answer, Service};

const TEA: &str = r#"{"name":"Black tea","price":"2.5","quantity":3}"#;

async fn post(service: &Service, path: &str, key: &str, body: &str) -> Answer {
    service
        .send(Method::POST, path, &[("idempotency-key", key)], body)
        .await
}

/// Asserts that `again` repeats the answer `first`.
fn assert_replayed(first: &Answer, again: &Answer) {
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(first.header("idempotent-replayed"), "");
    assert_eq!(again.header("idempotent-replayed"), "true");
    for header in ["etag", "location"] {
        assert_eq!(again.header(header), first.header(header));
    }
}

#[tokio::test]
async fn a_repeated_creation_is_answered_like_the_first_whatever_became_of_the_product() {
    let service = Service::start().await;
    let first = post(&service, "/products", "k", TEA).await;
    assert_eq!((first.status, first.header("etag")), (201, "\"1\""));
    let path = first.header("location");
    assert_replayed(&first, &post(&service, "/products", "k", TEA).await);
    let spelled = r#"{"quantity":"3","price":2.50,"name":" Black tea "}"#;
    assert_replayed(&first, &post(&service, "/products", "\"k\"", spelled).await);

    patch(&service, path, r#"{"name":"Tea","price":9}"#).await;
    assert_replayed(&first, &post(&service, "/products", "k", TEA).await);
    service.delete(path).await;
    assert_replayed(&first, &post(&service, "/products", "k", TEA).await);
    assert_eq!(service.get("/products").await.body, "[]");

    let other = post(&service, "/products", "other", TEA).await;
    assert_ne!(other.header("location"), path);
}

#[tokio::test]
async fn a_repeated_restock_is_answered_like_the_first_and_adds_nothing() {
    let service = Service::start().await;
    let path = format!("/products/{}", service.create("subscribe  to tea").await);
    let restock = format!("{path}/restock");
    let (five, noted) = (r#"{"quantity":5}"#, r#"{"quantity":5,"note":"again"}"#);
    let first = post(&service, &restock, "k", five).await;
    assert_eq!(first.json()["quantity"], 6, "{first:?}");
    assert_replayed(&first, &post(&service, &restock, "k", five).await);

    // What changed since then is not in the answer of then, and its version is no obstacle.
    patch(&service, &path, r#"{"name":"Tea"}"#).await;
    let headers = [("idempotency-key", "k"), ("if-match", "\"1\"")];
    assert_replayed(
        &first,
        &service.send(Method::POST, &restock, &headers, five).await,
    );
    post(&service, &restock, "k", noted)
        .await
        .problem(422, "idempotency-key-reused");
    service.delete(&path).await;
    assert_replayed(&first, &post(&service, &restock, "k", five).await);
    post(&service, &restock, "new", five)
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn a_key_used_for_another_request_is_refused() {
    let service = Service::start().await;
    let created = post(&service, "/products", "k", TEA).await;
    let restock = format!("{}/restock", created.header("location"));
    for (path, body) in [
        (
            "/products",
            r#"{"name":"Black tea","price":"2.5","quantity":4}"#,
        ),
        (
            "/products",
            r#"{"name":"Black tea","price":"2.51","quantity":3}"#,
        ),
        (
            "/products",
            r#"{"name":"Black Tea","price":"2.5","quantity":3}"#,
        ),
        (&restock, r#"{"quantity":1}"#),
    ] {
        post(&service, path, "k", body)
            .await
            .problem(422, "idempotency-key-reused");
    }
    assert_eq!(
        service.get(created.header("location")).await.body,
        created.body
    );
    for key in ["", "\"\"", "a b", "ключ"] {
        post(&service, "/products", key, TEA)
            .await
            .problem(400, "invalid-parameter");
    }
}

#[tokio::test]
async fn a_key_is_demanded_where_the_setting_says_so() {
    let service = Service::start_with(&[("REQUIRE_IDEMPOTENCY_KEY", "true")]).await;
    let created = post(&service, "/products", "k", TEA).await;
    let path = created.header("location");
    let restock = format!("{path}/restock");
    for (path, body) in [("/products", TEA), ("/products", "{"), (&restock, "{}")] {
        let problem = service
            .post(path, body)
            .await
            .problem(400, "invalid-parameter");
        let detail = "Idempotency-Key: must be given; make a new one for each intent";
        assert_eq!(problem["detail"], detail, "{path}");
    }
    assert_eq!(
        post(&service, &restock, "r", r#"{"quantity":5}"#)
            .await
            .status,
        200
    );
    post(&service, "/products", "", TEA)
        .await
        .problem(400, "invalid-parameter");
    service
        .post("/nowhere", "{}")
        .await
        .problem(404, "not-found");
    service
        .post(path, "{}")
        .await
        .problem(405, "method-not-allowed");
    let stock = format!("{path}/stock");
    let count = service
        .send(Method::PUT, &stock, &[], r#"{"quantity":1}"#)
        .await;
    count.problem(428, "precondition-required");
    assert_eq!(service.delete(path).await.status, 204);
}

#[tokio::test]
async fn a_key_whose_request_was_refused_can_be_used_again() {
    let service = Service::start().await;
    post(&service, "/products", "k", "{}")
        .await
        .problem(422, "validation-failed");
    let created = post(&service, "/products", "k", TEA).await;
    assert_eq!(created.status, 201);
    let restock = format!("{}/restock", created.header("location"));
    let five = r#"{"quantity":5}"#;
    let wrong = [("idempotency-key", "r"), ("if-match", "\"9\"")];
    let refused = service.send(Method::POST, &restock, &wrong, five).await;
    refused.problem(412, "precondition-failed");
    let full = r#"{"quantity":1000000000}"#;
    assert_eq!(
        post(&service, &restock, "r", full).await.invalid_fields(),
        ["#/quantity"]
    );
    let done = post(&service, &restock, "r", five).await;
    assert_eq!((done.status, done.header("idempotent-replayed")), (200, ""));
    assert_eq!(done.json()["quantity"], 8);
}

#[tokio::test]
async fn fifty_simultaneous_requests_with_one_key_have_one_effect() {
    let service = Service::start().await;
    let created = join_all((0..50).map(|_| post(&service, "/products", "k", TEA))).await;
    let path = created[0].header("location");
    let restock = format!("{path}/restock");
    let restocked =
        join_all((0..50).map(|_| post(&service, &restock, "r", r#"{"quantity":5}"#))).await;
    for answers in [&created, &restocked] {
        assert!(
            answers.iter().all(|answer| answer.body == answers[0].body),
            "{answers:?}"
        );
        let replayed = |answer: &&Answer| answer.header("idempotent-replayed") == "true";
        assert_eq!(answers.iter().filter(replayed).count(), 49);
    }
    assert_eq!(service.get("/products").await.items().len(), 1);
    assert_eq!(service.get(path).await.json()["quantity"], 8);
}
