//! An order is changed only in the version that the client names.

use reqwest::Method;
use serde_json::Value;

use crate::harness::{Answer, Service};

const NOWHERE: &str = "/orders/01932c4e-7c1a-7000-8000-2f0d6a1b9c3e/cancel";

async fn place(service: &Service) -> String {
    let product = service.inventory.product("19.90", 42);
    format!("/orders/{}", service.order(product, 2).await.created_id())
}

async fn cancel(service: &Service, path: &str, headers: &[(&str, &str)]) -> Answer {
    service.ask(Method::POST, path, headers).await
}

fn assert_order(answer: &Answer, status: &str, version: u64) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("etag"), format!("\"{version}\""));
    let order = answer.json();
    assert_eq!(
        (&order["status"], &order["version"]),
        (&status.into(), &version.into())
    );
    order
}

#[tokio::test]
async fn an_order_is_cancelled_only_as_the_version_that_is_meant() {
    let service = Service::start(&[]).await;
    let order = place(&service).await;
    let path = format!("{order}/cancel");
    for (name, tags, status, slug) in [
        ("if-match", "\"99\"", 412, "precondition-failed"),
        ("if-match", "\"2\", \"3\"", 412, "precondition-failed"),
        ("if-match", "W/\"1\"", 412, "precondition-failed"),
        ("if-none-match", "*", 412, "precondition-failed"),
        ("if-none-match", "W/\"1\"", 412, "precondition-failed"),
        ("if-match", "garbage", 400, "invalid-parameter"),
        ("if-match", "", 400, "invalid-parameter"),
        ("if-none-match", "garbage", 400, "invalid-parameter"),
        (
            "if-unmodified-since",
            "Fri, 20 Nov 2026 10:00:00 GMT",
            400,
            "invalid-parameter",
        ),
    ] {
        cancel(&service, &path, &[(name, tags)])
            .await
            .problem(status, slug);
    }
    let pending = service.get(&order).await;
    assert_order(&pending, "pending", 1);
    let both = [("if-match", "\"1\""), ("if-none-match", "\"2\"")];
    assert_order(&cancel(&service, &path, &both).await, "cancelled", 2);
    // The order is cancelled, so another cancellation changes nothing. Its condition has to hold
    // all the same.
    cancel(&service, &path, &both)
        .await
        .problem(412, "precondition-failed");
    for tags in ["\"2\"", "*"] {
        assert_order(
            &cancel(&service, &path, &[("if-match", tags)]).await,
            "cancelled",
            2,
        );
    }
    assert_order(&cancel(&service, &path, &[]).await, "cancelled", 2);
}

#[tokio::test]
async fn what_there_is_not_and_what_is_too_late_is_told_before_any_condition() {
    let service = Service::start(&[]).await;
    let path = format!("{}/cancel", place(&service).await);
    assert_eq!(service.complete().await, 1);
    for headers in [
        [("if-match", "*")],
        [("if-match", "\"1\"")],
        [("if-none-match", "*")],
    ] {
        cancel(&service, NOWHERE, &headers)
            .await
            .problem(404, "not-found");
        let late = cancel(&service, &path, &headers)
            .await
            .problem(409, "order-not-cancellable");
        assert_eq!(late["detail"], "the order is paid");
    }
}

#[tokio::test]
async fn a_repeated_request_is_answered_like_the_first_whatever_the_version_is_by_now() {
    let service = Service::start(&[]).await;
    let path = format!("{}/cancel", place(&service).await);
    let refused = [("idempotency-key", "k"), ("if-match", "\"2\"")];
    cancel(&service, &path, &refused)
        .await
        .problem(412, "precondition-failed");
    // The request changed nothing, so its key is unused.
    let meant = [("idempotency-key", "k"), ("if-match", "\"1\"")];
    let first = cancel(&service, &path, &meant).await;
    assert_order(&first, "cancelled", 2);
    assert_eq!(first.header("idempotent-replayed"), "");
    let again = cancel(&service, &path, &meant).await;
    assert_eq!(
        (again.header("idempotent-replayed"), &again.body),
        ("true", &first.body)
    );
}

#[tokio::test]
async fn of_a_cancellation_and_a_payment_one_finds_the_version_it_means() {
    let service = Service::start(&[]).await;
    for _ in 0..10 {
        let order = place(&service).await;
        let path = format!("{order}/cancel");
        let meant = [("if-match", "\"1\"")];
        let (cancelled, paid) = tokio::join!(cancel(&service, &path, &meant), service.complete());
        let status = service.get(&order).await.json()["status"].clone();
        match paid {
            0 => assert_eq!((cancelled.status, status), (200, "cancelled".into())),
            _ => assert_eq!((cancelled.status, status), (409, "paid".into())),
        }
    }
}

#[tokio::test]
async fn a_reader_that_means_another_version_is_told_so() {
    let service = Service::start(&[]).await;
    let path = place(&service).await;
    let read = async |tags: &str| service.get_with(&path, &[("if-match", tags)]).await;
    assert_order(&read("\"1\"").await, "pending", 1);
    read("\"2\"").await.problem(412, "precondition-failed");
    read("2").await.problem(400, "invalid-parameter");
    for derived in ["/timeline", "?wait=final&timeout=1"] {
        let answer = service
            .get_with(&format!("{path}{derived}"), &[("if-match", "\"99\"")])
            .await;
        assert!(matches!(answer.status, 400 | 412), "{derived}: {answer:?}");
    }
}
