//! Orders over HTTP: which are accepted, what they cost, and which are refused.

use reqwest::Method;
use shared::contract::id::{OrderId, ProductId};

use crate::harness::{Answer, Service};

#[tokio::test]
async fn an_order_is_accepted_pending_and_priced_to_the_cent() {
    let service = Service::start(&[("COMPLETION_DELAY", "1h")]).await;
    for (price, quantity, unit, fee, total) in [
        ("19.90", 1, "19.90", "3.98", "23.88"),
        ("19.9", 1, "19.90", "3.98", "23.88"),
        ("0.03", 1, "0.03", "0.01", "0.04"),
        ("0.02", 1, "0.02", "0.00", "0.02"),
        ("0.03", 3, "0.03", "0.02", "0.11"),
        ("0", 1_000_000, "0.00", "0.00", "0.00"),
        (
            "8333.33",
            1_000_000,
            "8333.33",
            "1666666000.00",
            "9999996000.00",
        ),
    ] {
        let product = service.inventory.product(price, 0);
        let placed = service.order(product, quantity).await;
        let id = placed.created_id();
        assert_eq!(placed.header("location"), format!("/orders/{id}"));
        assert_eq!(placed.header("idempotent-replayed"), "");
        let order = placed.json();
        assert_eq!(order["status"], "pending");
        assert_eq!(order["product_id"], product.to_string());
        assert_eq!(order["quantity"], quantity);
        for amount in [("price", unit), ("fee", fee), ("total", total)] {
            let shown = format!("\"{}\":{},", amount.0, amount.1);
            assert!(placed.body.contains(&shown), "{shown} {}", placed.body);
        }
        let found = service.get(placed.header("location")).await;
        assert_eq!((found.status, &found.body), (200, &placed.body));
    }
}

#[tokio::test]
async fn the_product_may_be_called_id_and_the_quantity_be_a_text() {
    let service = Service::start(&[]).await;
    let product = service.inventory.product("1", 1);
    let body = format!(r#"{{"id":"{product}","quantity":"2"}}"#);
    let placed = service.post("/orders", body).await;
    placed.created_id();
    assert_eq!(placed.json()["product_id"], product.to_string());
    let both = format!(r#"{{"id":"{product}","product_id":"{product}","quantity":2}}"#);
    let answer = service.post("/orders", both).await;
    assert_eq!(answer.invalid_fields(), ["#/id"]);
}

#[tokio::test]
async fn every_invalid_field_is_reported_before_anybody_is_asked() {
    let service = Service::start(&[]).await;
    let product = service.inventory.product("1", 1);
    let with = |id: &str, quantity: &str| format!(r#"{{"product_id":{id},"quantity":{quantity}}}"#);
    let id = format!("\"{product}\"");
    for quantity in [
        "0", "1000001", "-1", "1.5", "1e-1", "1e7", "\"0\"", "\"01\"", "null", "true", "[1]", "{}",
    ] {
        let answer = service.post("/orders", with(&id, quantity)).await;
        assert_eq!(answer.invalid_fields(), ["#/quantity"], "{quantity}");
    }
    let compact = product.to_string().replace('-', "");
    let braced = format!("\"{{{product}}}\"");
    for id in [
        "\"x\"",
        "\"\"",
        "7",
        "null",
        "[]",
        "\"../orders\"",
        &format!("\"{compact}\""),
        &braced,
    ] {
        let answer = service.post("/orders", with(id, "1")).await;
        assert_eq!(answer.invalid_fields(), ["#/product_id"], "{id}");
    }
    for (body, fields) in [
        ("{}".to_owned(), vec!["#/product_id", "#/quantity"]),
        (
            r#"{"id":"x","quantity":0}"#.to_owned(),
            vec!["#/id", "#/quantity"],
        ),
        (
            format!(r#"{{"id":{id},"quantity":1,"price":0.01}}"#),
            vec!["#/price"],
        ),
    ] {
        let answer = service.post("/orders", body.clone()).await;
        assert_eq!(answer.invalid_fields(), fields, "{body}");
    }
    assert!(service.inventory.questions(product).is_empty());
    assert_eq!(service.count_orders().await, 0);
}

#[tokio::test]
async fn an_order_beyond_the_range_of_money_is_refused() {
    let service = Service::start(&[]).await;
    for (price, quantity) in [
        ("9999999999.99", 1),
        ("8333333333.33", 2),
        ("8333.34", 1_000_000),
    ] {
        let product = service.inventory.product(price, 1);
        let answer = service.order(product, quantity).await;
        assert_eq!(
            answer.invalid_fields(),
            ["#/quantity"],
            "{price} * {quantity}"
        );
    }
    assert_eq!(service.count_orders().await, 0);
}

#[tokio::test]
async fn more_than_the_stock_is_accepted_unless_it_is_checked_early() {
    let trusting = Service::start(&[]).await;
    let product = trusting.inventory.product("1", 2);
    trusting.order(product, 3).await.created_id();

    let checking = Service::start(&[("EARLY_STOCK_CHECK", "true")]).await;
    let product = checking.inventory.product("1", 2);
    checking.order(product, 2).await.created_id();
    let refused = checking.order(product, 3).await;
    refused.problem(409, "insufficient-stock");
    assert_eq!(checking.count_orders().await, 1);
}

#[tokio::test]
async fn an_order_is_cancelled_in_time_or_not_at_all() {
    let service = Service::start(&[]).await;
    let product = service.inventory.product("1", 1);
    let cancelled = service.order(product, 1).await.created_id();
    let paid = service.order(product, 1).await.created_id();
    let cancel = |id: String| {
        let path = format!("/orders/{id}/cancel");
        let service = &service;
        async move { service.post(&path, "").await }
    };
    let first = cancel(cancelled.clone()).await;
    assert_eq!(
        (first.status, &first.json()["status"]),
        (200, &"cancelled".into())
    );
    assert!(first.json()["cancelled_at"].is_string());
    assert_eq!(service.complete().await, 1);
    let again = cancel(cancelled).await;
    assert_eq!((again.status, again.body), (200, first.body));

    cancel(paid.clone())
        .await
        .problem(409, "order-not-cancellable");
    let found = service.get(&format!("/orders/{paid}")).await.json();
    assert_eq!(found["status"], "paid");
    for unknown in [
        OrderId::mint().to_string(),
        "x".to_owned(),
        "%00".to_owned(),
    ] {
        cancel(unknown).await.problem(404, "not-found");
    }
}

#[tokio::test]
async fn what_does_not_exist_is_told_so() {
    let service = Service::start(&[]).await;
    let unknown = OrderId::mint();
    for path in [
        "/products",
        "/orders//",
        "/orders/x",
        "/orders/%00",
        "/orders/x/cancel",
        "/orders/x/y/z",
        &format!("/orders/{unknown}"),
        &format!("/orders/{}", ProductId::mint()),
    ] {
        let answer = service.get(path).await;
        if answer.status != 405 {
            answer.problem(404, "not-found");
        }
    }
    for (method, path, allow) in [
        (Method::DELETE, "/orders", "GET, HEAD, POST"),
        (Method::POST, "/orders/x", "GET, HEAD"),
        (Method::GET, "/orders/x/cancel", "POST"),
    ] {
        let answer = service.ask(method, path, &[]).await;
        answer.problem(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), allow, "{path}");
    }
    let plain = service.request(Method::POST, "/orders").body("{}");
    Answer::to(plain)
        .await
        .problem(415, "unsupported-media-type");
    service
        .post("/orders", "{")
        .await
        .problem(400, "malformed-body");
    service
        .post("/orders", "x".repeat(16 * 1024 + 1))
        .await
        .problem(413, "body-too-large");
}
