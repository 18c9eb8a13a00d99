//! How often payments asks inventory, and what it passes on about the client.

use std::time::Duration;

use futures_util::future::join_all;
use shared::contract::event::{Event, OrderCompleted};
use shared::redis::{Command, Redis};
use stack::credentials::User;
use stack::wait::wait_until;

use crate::fake_inventory::{Behaviour, product};
use crate::harness::{Answer, LIMIT, Service};

#[tokio::test]
async fn simultaneous_orders_for_one_product_share_one_question() {
    let service = Service::start(&[("PRODUCT_CACHE_TTL", "1h")]).await;
    let id = service.inventory.product("1", 1);
    service
        .inventory
        .set(id, Behaviour::Held(product(id, "1", 1)));
    let (answers, ()) = tokio::join!(join_all((0..30).map(|_| service.order(id, 1))), async {
        service.inventory.wait_asked(id, 1).await;
        // By the time of this answer, the orders before it have arrived.
        service.get("/readyz").await;
        service.inventory.release();
    });
    for answer in answers {
        answer.order_id();
    }
    assert_eq!(service.inventory.questions(id).len(), 1);
    assert_eq!(service.count_orders().await, 30);

    // The price is remembered for `PRODUCT_CACHE_TTL`.
    service
        .inventory
        .set(id, Behaviour::Answer(product(id, "2", 1)));
    let answer = service.order(id, 1).await;
    assert!(answer.text.contains("\"price\":1.00,"), "{}", answer.text);
    assert_eq!(service.inventory.questions(id).len(), 1);
}

#[tokio::test]
async fn without_a_memory_for_prices_each_order_asks() {
    let service = Service::start(&[("PRODUCT_CACHE_TTL", "0")]).await;
    let id = service.inventory.product("1", 1);
    service
        .inventory
        .set(id, Behaviour::Held(product(id, "1", 1)));
    let (answers, ()) = tokio::join!(join_all((0..10).map(|_| service.order(id, 1))), async {
        service.inventory.wait_asked(id, 10).await;
        service.inventory.release();
    });
    for answer in answers {
        answer.order_id();
    }
    assert_eq!(service.inventory.questions(id).len(), 10);
    service
        .inventory
        .set(id, Behaviour::Answer(product(id, "2", 1)));
    let answer = service.order(id, 1).await;
    assert!(answer.text.contains("\"price\":2.00,"), "{}", answer.text);
}

#[tokio::test]
async fn a_price_is_forgotten_when_its_time_is_over() {
    let service = Service::start(&[("PRODUCT_CACHE_TTL", "1s")]).await;
    let id = service.inventory.product("1", 1);
    service.order(id, 1).await.order_id();
    service
        .inventory
        .set(id, Behaviour::Answer(product(id, "2", 1)));
    wait_until("the new price", Duration::from_secs(5), || async {
        service.order(id, 1).await.text.contains("\"price\":2.00,")
    })
    .await
    .unwrap();
    assert_eq!(service.inventory.questions(id).len(), 2);
}

#[tokio::test]
async fn a_failure_is_not_remembered() {
    let service = Service::start(&[("PRODUCT_CACHE_TTL", "1h")]).await;
    let id = service.inventory.product("1", 1);
    service.inventory.set(id, Behaviour::HangUp);
    service
        .order(id, 1)
        .await
        .problem(503, "inventory-unavailable");
    service
        .inventory
        .set(id, Behaviour::Answer(product(id, "1", 1)));
    service.order(id, 1).await.order_id();
}

#[tokio::test]
async fn request_id_and_trace_go_along_to_inventory_and_into_the_event() {
    let service = Service::start(&[]).await;
    let id = service.inventory.product("1", 1);
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let request = service.json("/orders", format!(r#"{{"id":"{id}","quantity":1}}"#));
    let request = request
        .header("x-request-id", "tea-7")
        .header("traceparent", trace);
    let placed = Answer::to(request).await;
    let order_id = placed.order_id();
    let question = service.inventory.questions(id).remove(0);
    assert!(
        question.contains("\r\nx-request-id: tea-7\r\n"),
        "{question}"
    );
    assert!(
        question.contains(&format!("\r\ntraceparent: {trace}\r\n")),
        "{question}"
    );

    wait_until("its payment", LIMIT, || async {
        service.complete().await == 1
    })
    .await
    .unwrap();
    let url = service.system.payments_redis().url(User::Operator);
    let range = Command::new("XRANGE")
        .key(OrderCompleted::STREAM)
        .arg("-")
        .arg("+");
    let entries = Redis::worker(&url.parse().unwrap()).run(range).await;
    let entry = entries.unwrap().entries().unwrap().remove(0);
    let event = OrderCompleted::decode(&entry.fields.unwrap()).unwrap();
    assert_eq!(event.order_id.to_string(), order_id);
    assert_eq!(event.traceparent.as_str(), trace);
}
