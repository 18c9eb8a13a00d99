//! Waiting for the end of an order, its timeline, what it would cost, and its version.

use std::sync::atomic::{AtomicUsize, Ordering};

use proof::order_line;
use reqwest::Method;
use shared::contract::id::OrderId;
use shared::redis::Command;
use stack::credentials::User;
use stack::wait::eventually;

use crate::harness::Service;
use crate::live::{cancel, place, refund, start};

/// Reads every event like inventory. Acknowledges them if `acknowledge` is true.
pub(crate) async fn deliver(service: &Service, acknowledge: bool) {
    let operator = service.redis(User::Operator);
    let group = ["order_completed", "inventory-group"];
    let create = Command::new("XGROUP")
        .arg("CREATE")
        .args(group)
        .arg("0")
        .arg("MKSTREAM");
    // The second call finds the group in place.
    let _ = operator.run(create).await;
    let read = Command::new("XREADGROUP")
        .arg("GROUP")
        .args(["inventory-group", "c"]);
    let read = read.args(["STREAMS", "order_completed", ">"]);
    for entry in operator.run(read).await.unwrap().read_entries().unwrap() {
        if acknowledge {
            let acknowledge = Command::new("XACK").args(group).arg(entry.id);
            operator.run(acknowledge).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_long_poll_ends_with_the_order() {
    let service = start().await;
    for (ending, status) in [
        ("cancelled", "cancelled"),
        ("refunded", "refunded"),
        ("taken", "paid"),
    ] {
        let product = service.inventory.product("19.90", 42);
        let id = service.order(product, 2).await.created_id();
        service.inventory.set_taken(product, &id, ending == "taken");
        let path = format!("/orders/{id}?wait=final");
        let act = async {
            if ending == "cancelled" {
                return cancel(&service, &id).await;
            }
            assert_eq!(service.complete().await, 1);
            deliver(&service, true).await;
            if ending == "refunded" {
                refund(&service, &id).await;
            }
        };
        let (answer, ()) = tokio::join!(service.get(&path), act);
        assert_eq!(
            (answer.status, answer.header("order-final")),
            (200, "true"),
            "{ending}"
        );
        assert_eq!(answer.json()["status"], status);
        // The second poll need not wait.
        assert_eq!(service.get(&path).await.header("order-final"), "true");
    }
}

#[tokio::test]
async fn a_long_poll_answers_what_there_is_when_its_time_is_up() {
    let service = start().await;
    let product = service.inventory.product("19.90", 42);
    let id = service.order(product, 2).await.created_id();
    let path = format!("/orders/{id}?wait=final&timeout=1");
    assert_eq!(service.get(&path).await.json()["status"], "pending");
    assert_eq!(service.complete().await, 1);
    // inventory has received the event, and has not acted on it.
    deliver(&service, false).await;
    let answer = service.get(&path).await;
    assert_eq!(
        (&answer.json()["status"], answer.header("order-final")),
        (&"paid".into(), "false")
    );
    assert!(
        service.inventory.questions(product).len() == 1,
        "payments does not ask before inventory has acted"
    );

    service
        .get(&format!("/orders/{}?wait=final", OrderId::mint()))
        .await
        .problem(404, "not-found");
    for query in [
        "wait=x",
        "wait=",
        "wait=final&timeout=0",
        "wait=final&timeout=31",
        "timeout=x",
    ] {
        let answer = service.get(&format!("/orders/{id}?{query}")).await;
        answer.problem(400, "invalid-parameter");
    }
}

/// Long polls that end at the same moment share one look at the group of inventory.
#[tokio::test]
async fn many_waits_whose_time_is_up_at_once_ask_the_store_as_one_does() {
    const WAITS: usize = 60;
    let service = start().await;
    let id = place(&service).await;
    assert_eq!(service.complete().await, 1);
    deliver(&service, false).await;
    let path = format!("/orders/{id}?wait=final&timeout=1");
    let before = service.calls("xinfo|groups").await;
    let answers = futures_util::future::join_all((0..WAITS).map(|_| service.get(&path))).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.header("order-final") == "false")
    );
    // While they wait, there is a look each 50 ms.
    let made = service.calls("xinfo|groups").await - before;
    assert!((1..WAITS as u64 / 2 + 15).contains(&made), "{made} looks");
}

/// inventory removes old records of orders. It will not reject such an order either.
#[tokio::test]
async fn an_order_that_inventory_has_forgotten_is_final() {
    let service = start().await;
    let product = service.inventory.product("19.90", 42);
    let id = service.order(product, 2).await.created_id();
    assert_eq!(service.complete().await, 1);
    deliver(&service, true).await;
    service.inventory.set_taken(product, &id, false);
    let path = format!("/orders/{id}");
    let waited = service.get(&format!("{path}?wait=final&timeout=1")).await;
    assert_eq!(
        waited.header("order-final"),
        "false",
        "the order may still be refunded"
    );
    // Changes the time of payment to the year 2020.
    let age = |line: &mut Vec<String>| line[order_line::PAID_AT] = "1577836800000".to_owned();
    order_line::change(&service.redis(User::Operator), &id, age).await;
    let waited = service.get(&format!("{path}?wait=final&timeout=30")).await;
    assert_eq!(waited.header("order-final"), "true");
    let told = service.get(&format!("{path}/timeline")).await.json();
    assert_eq!(told["degraded"], serde_json::json!(["record"]));
}

#[tokio::test]
async fn a_long_poll_outlives_an_outage_of_the_store() {
    let service = start().await;
    let id = place(&service).await;
    let path = format!("/orders/{id}?wait=final");
    let before = service.calls("get").await;
    let outage = async {
        let store = service.system.payments_redis();
        let looked = || async { service.calls("get").await > before };
        eventually("the poll to wait", looked).await;
        store.kill();
        store.restart().await.unwrap();
        service.system.wait_ready().await.unwrap();
        cancel(&service, &id).await;
    };
    let (answer, ()) = tokio::join!(service.get(&path), outage);
    assert_eq!(
        (answer.status, answer.header("order-final")),
        (200, "true"),
        "{answer:?}"
    );
    assert_eq!(answer.json()["status"], "cancelled");
}

#[tokio::test]
async fn more_waits_than_there_are_places_for_are_refused_and_orders_are_not() {
    // Three of eight connections may be long polls.
    let service = Service::start(&[("MAX_CONNECTIONS", "8")]).await;
    let id = place(&service).await;
    let path = format!("/orders/{id}?wait=final&timeout=30");
    let refused = AtomicUsize::new(0);
    let waits = futures_util::future::join_all((0..5).map(|_| async {
        let answer = service.get(&path).await;
        if answer.status == 503 {
            answer.problem(503, "overloaded");
            assert_ne!(answer.header("retry-after"), "");
            refused.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }));
    let act = async {
        eventually("two to be refused", async || {
            refused.load(Ordering::Relaxed) == 2
        })
        .await;
        assert_eq!(service.get(&format!("/orders/{id}")).await.status, 200);
        cancel(&service, &id).await;
    };
    let (answers, ()) = tokio::join!(waits, act);
    let ended = answers
        .iter()
        .filter(|answer| answer.header("order-final") == "true");
    assert_eq!(ended.count(), 3);
    // Long polls are accepted again.
    let other = place(&service).await;
    let path = format!("/orders/{other}?wait=final&timeout=1");
    assert_eq!(service.get(&path).await.header("order-final"), "false");
}

#[tokio::test]
async fn a_quote_says_what_an_order_would_cost_and_stores_nothing() {
    let service = start().await;
    let product = service.inventory.product("0.03", 42);
    let body = |quantity: &str| format!(r#"{{"product_id":"{product}","quantity":{quantity}}}"#);
    let quote = service.post("/orders/quote", body("3")).await.expect(200);
    let expected = format!(
        r#"{{"product_id":"{product}","quantity":3,"price":0.03,"subtotal":0.09,"fee":0.02,"total":0.11}}"#
    );
    assert_eq!(quote.body, expected);
    assert_eq!(service.count_orders().await, 0);
    let bad = service.post("/orders/quote", body("0")).await;
    assert_eq!(bad.invalid_fields(), ["#/quantity"]);
    let key = [("idempotency-key", "a b")];
    let answer = service
        .send(Method::POST, "/orders/quote", &key, &body("1"))
        .await;
    answer.problem(400, "invalid-parameter");
    let unknown = format!(r#"{{"product_id":"{}","quantity":3}}"#, OrderId::mint());
    service
        .post("/orders/quote", unknown)
        .await
        .problem(404, "product-not-found");
}

#[tokio::test]
async fn an_order_is_sent_again_only_when_it_has_changed() {
    let service = start().await;
    let id = place(&service).await;
    let path = format!("/orders/{id}");
    let conditional = async |tag: &str| service.get_with(&path, &[("if-none-match", tag)]).await;
    let first = service.get(&path).await;
    let tag = first.header("etag").to_owned();
    assert_eq!(tag, "\"1\"");
    let same = conditional(&tag).await;
    assert_eq!(
        (same.status, same.body.as_str(), same.header("etag")),
        (304, "", tag.as_str())
    );
    cancel(&service, &id).await;
    let changed = conditional(&tag).await;
    assert_eq!((changed.status, changed.header("etag")), (200, "\"2\""));
}
