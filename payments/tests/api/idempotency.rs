//! A request with a key places one order, also if it is repeated after other changes.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use reqwest::Method;

use crate::fake_inventory::{Behaviour, not_found, product, response};
use crate::harness::{Answer, Service};

/// Asserts that `again` repeats the answer `first`.
fn assert_replayed(first: &Answer, again: &Answer) {
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.header("location"), first.header("location"));
}

async fn start() -> Service {
    Service::start(&[("PRODUCT_CACHE_TTL", "0")]).await
}

#[tokio::test]
async fn a_repeated_request_is_answered_like_the_first() {
    let service = start().await;
    let id = service.inventory.product("19.90", 1);
    let first = service.order_with_key("k1", id, 2).await;
    first.created_id();
    assert_eq!(first.header("idempotent-replayed"), "");
    assert_replayed(&first, &service.order_with_key("k1", id, 2).await);

    let other_key = service.order_with_key("k2", id, 2).await;
    assert_ne!(other_key.created_id(), first.created_id());
    let without = service.order(id, 2).await;
    assert_ne!(without.created_id(), first.created_id());
    assert_eq!(service.count_orders().await, 3);
}

#[tokio::test]
async fn a_key_is_demanded_where_the_setting_says_so() {
    let service = Service::start(&[("REQUIRE_IDEMPOTENCY_KEY", "true")]).await;
    let id = service.inventory.product("19.90", 1);
    let order = service.order_with_key("k", id, 1).await.created_id();
    let cancel = format!("/orders/{order}/cancel");
    for path in ["/orders", "/orders/quote", &cancel] {
        let problem = service
            .post(path, "{}")
            .await
            .problem(400, "invalid-parameter");
        let detail = "Idempotency-Key: must be given; make a new one for each intent";
        assert_eq!(problem["detail"], detail, "{path}");
    }
    assert_eq!(
        service.get(&format!("/orders/{order}")).await.json()["status"],
        "pending"
    );
    let key = [("idempotency-key", "c")];
    service.ask(Method::POST, &cancel, &key).await.expect(200);
    service
        .post("/orders/stream", "{}")
        .await
        .problem(405, "method-not-allowed");
}

#[tokio::test]
async fn a_repeated_request_is_answered_the_same_whatever_became_of_the_order() {
    let service = start().await;
    let id = service.inventory.product("19.90", 1);
    let paid = service.order_with_key("paid", id, 1).await;
    assert_eq!(service.complete().await, 1);
    assert_replayed(&paid, &service.order_with_key("paid", id, 1).await);

    let cancelled = service.order_with_key("cancelled", id, 1).await;
    service.cancel(&cancelled.created_id()).await.expect(200);
    assert_replayed(
        &cancelled,
        &service.order_with_key("cancelled", id, 1).await,
    );
    assert_eq!(service.count_orders().await, 2);
}

#[tokio::test]
async fn a_repeated_request_is_answered_the_same_whatever_inventory_says_by_now() {
    let service = start().await;
    let id = service.inventory.product("19.90", 1);
    let first = service.order_with_key("k", id, 1).await;
    for behaviour in [
        Behaviour::Answer(product(id, "25.00", 1)),
        Behaviour::Answer(product(id, "9999999999.99", 1)),
        Behaviour::Answer(not_found()),
        Behaviour::Answer(response("200 OK", "text/html", "<h1>hello</h1>")),
        Behaviour::Answer(response("500 No", "text/plain", "")),
        Behaviour::HangUp,
    ] {
        service.inventory.set(id, behaviour.clone());
        assert_replayed(&first, &service.order_with_key("k", id, 1).await);
    }
    service.inventory.set(id, Behaviour::HangUp);
    for _ in 0..10 {
        // The breaker is open before the loop ends.
        assert_replayed(&first, &service.order_with_key("k", id, 1).await);
    }
    let new = service.order_with_key("new", id, 1).await;
    new.problem(503, "inventory-unavailable");
    assert_eq!(service.count_orders().await, 1);
}

#[tokio::test]
async fn a_repeated_request_is_answered_the_same_when_the_stock_is_gone_by_now() {
    let settings = [("PRODUCT_CACHE_TTL", "0"), ("EARLY_STOCK_CHECK", "true")];
    let service = Service::start(&settings).await;
    let id = service.inventory.product("19.90", 1);
    let first = service.order_with_key("k", id, 1).await;
    first.created_id();
    service.inventory.offer(id, "19.90", 0);
    service
        .order(id, 1)
        .await
        .problem(409, "insufficient-stock");
    assert_replayed(&first, &service.order_with_key("k", id, 1).await);
}

#[tokio::test]
async fn a_key_used_for_another_request_is_refused() {
    let service = start().await;
    let (id, other) = (
        service.inventory.product("1", 1),
        service.inventory.product("1", 1),
    );
    service.order_with_key("k", id, 1).await.created_id();
    for (product, quantity) in [(id, 2), (other, 1)] {
        let answer = service.order_with_key("k", product, quantity).await;
        answer.problem(422, "idempotency-key-reused");
    }
    // Also while the product cannot be asked for.
    service.inventory.set(other, Behaviour::HangUp);
    service
        .order_with_key("k", other, 1)
        .await
        .problem(422, "idempotency-key-reused");
    assert_eq!(service.count_orders().await, 1);
}

#[tokio::test]
async fn a_key_whose_request_failed_can_be_used_again() {
    let service = start().await;
    let id = service.inventory.product("1", 1);
    service.inventory.set(id, Behaviour::HangUp);
    service
        .order_with_key("k", id, 1)
        .await
        .problem(503, "inventory-unavailable");
    service.inventory.offer(id, "1", 1);
    let placed = service.order_with_key("k", id, 1).await;
    placed.created_id();
    assert_eq!(placed.header("idempotent-replayed"), "");
}

#[tokio::test]
async fn fifty_simultaneous_requests_with_one_key_make_one_order() {
    for ttl in ["0", "1s"] {
        let service = Service::start(&[("PRODUCT_CACHE_TTL", ttl)]).await;
        let id = service.inventory.product("19.90", 1);
        let answers = join_all((0..50).map(|_| service.order_with_key("k", id, 1))).await;
        let texts: BTreeSet<&str> = answers.iter().map(|answer| answer.body.as_str()).collect();
        assert_eq!(texts.len(), 1, "{texts:?}");
        assert!(answers.iter().all(|answer| answer.status == 201));
        let replayed = |answer: &&Answer| answer.header("idempotent-replayed") == "true";
        assert_eq!(answers.iter().filter(replayed).count(), 49);
        assert_eq!(service.count_orders().await, 1);
        assert_eq!(service.complete().await, 1);
    }
}

#[tokio::test]
async fn quoted_and_bare_keys_are_the_same_and_malformed_ones_are_refused() {
    let service = start().await;
    let id = service.inventory.product("1", 1);
    let bare = service.order_with_key("8e03978e-40d5", id, 1).await;
    bare.created_id();
    assert_replayed(
        &bare,
        &service.order_with_key("\"8e03978e-40d5\"", id, 1).await,
    );
    let longest = "x".repeat(255);
    service.order_with_key(&longest, id, 1).await.created_id();

    let too_long = "x".repeat(256);
    for key in ["", "\"\"", "a b", "a\tb", "ключ", "é", &too_long] {
        let answer = service.order_with_key(key, id, 1).await.expect(400);
        answer.problem(400, "invalid-parameter");
    }
    let twice = [("idempotency-key", "a"), ("idempotency-key", "b")];
    let body = format!(r#"{{"id":"{id}","quantity":1}}"#);
    let twice = service.send(Method::POST, "/orders", &twice, &body).await;
    twice.problem(400, "invalid-parameter");
    assert_eq!(service.count_orders().await, 2);
}

#[tokio::test]
async fn a_request_whose_first_copy_is_still_running_is_a_conflict_for_now() {
    let service = start().await;
    let id = service.inventory.product("19.90", 1);
    let answer = product(id, "19.90", 1);
    service.inventory.set(id, Behaviour::Held(answer));
    let (placed, ()) = tokio::join!(service.order_with_key("k", id, 1), async {
        service.inventory.wait_asked(id, 1).await;
        for refused in join_all((0..2).map(|_| service.order_with_key("k", id, 1))).await {
            refused.problem(409, "idempotency-in-progress");
            assert_eq!(refused.header("retry-after"), "1");
        }
        service.inventory.release();
    });
    assert_replayed(&placed, &service.order_with_key("k", id, 1).await);
    assert_eq!(service.count_orders().await, 1);
}

#[tokio::test]
async fn a_cancellation_is_answered_the_same_again_and_its_key_is_for_it_alone() {
    let service = start().await;
    let product = service.inventory.product("19.90", 1);
    let (first, second) = (
        service.order(product, 1).await,
        service.order(product, 1).await,
    );
    let cancel = async |order: &Answer| {
        let path = format!("/orders/{}/cancel", order.created_id());
        service
            .ask(Method::POST, &path, &[("idempotency-key", "c")])
            .await
    };
    let cancelled = cancel(&first).await;
    assert_eq!(
        (cancelled.status, cancelled.header("idempotent-replayed")),
        (200, "")
    );
    let again = cancel(&first).await;
    assert_eq!((again.status, &again.body), (200, &cancelled.body));
    assert_eq!(again.header("idempotent-replayed"), "true");
    cancel(&second).await.problem(422, "idempotency-key-reused");
    let order = service
        .get(&format!("/orders/{}", second.created_id()))
        .await;
    assert_eq!(order.json()["status"], "pending");
}
