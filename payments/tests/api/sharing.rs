//! How often payments asks inventory, and what it passes on about the client.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use shared::contract::event::{Event, OrderCompleted};
use shared::redis::Command;
use stack::wait::{eventually, wait_until};

use crate::fake_inventory::{Behaviour, product};
use crate::harness::Service;

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
        answer.created_id();
    }
    assert_eq!(service.inventory.questions(id).len(), 1);
    assert_eq!(service.count_orders().await, 30);

    // The price is the remembered one, as long as it may be.
    service.inventory.offer(id, "2", 1);
    let answer = service.order(id, 1).await;
    assert!(answer.body.contains("\"price\":1.00,"), "{}", answer.body);
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
        answer.created_id();
    }
    assert_eq!(service.inventory.questions(id).len(), 10);
    service.inventory.offer(id, "2", 1);
    let answer = service.order(id, 1).await;
    assert!(answer.body.contains("\"price\":2.00,"), "{}", answer.body);
}

#[tokio::test]
async fn a_price_is_forgotten_when_its_time_is_over() {
    let service = Service::start(&[("PRODUCT_CACHE_TTL", "1s")]).await;
    let id = service.inventory.product("1", 1);
    service.order(id, 1).await.created_id();
    service.inventory.offer(id, "2", 1);
    wait_until("the new price", Duration::from_secs(5), || async {
        service.order(id, 1).await.body.contains("\"price\":2.00,")
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
    service.inventory.offer(id, "1", 1);
    service.order(id, 1).await.created_id();
}

#[tokio::test]
async fn request_id_and_trace_go_along_to_inventory_and_into_the_event() {
    let service = Service::start(&[]).await;
    let id = service.inventory.product("1", 1);
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [("x-request-id", "tea-7"), ("traceparent", trace)];
    let body = format!(r#"{{"id":"{id}","quantity":1}}"#);
    let placed = service.send(Method::POST, "/orders", &headers, &body).await;
    let order_id = placed.created_id();
    let question = service.inventory.questions(id).remove(0);
    assert!(
        question.contains("\r\nx-request-id: tea-7\r\n"),
        "{question}"
    );
    assert!(
        question.contains(&format!("\r\ntraceparent: {trace}\r\n")),
        "{question}"
    );

    eventually("its payment", async || service.complete().await == 1).await;
    let range = Command::new("XRANGE").key(OrderCompleted::STREAM);
    let entries = service.operate(range.arg("-").arg("+")).await.entries();
    let entry = entries.unwrap().remove(0);
    let event = OrderCompleted::decode(&entry.fields.unwrap()).unwrap();
    assert_eq!(event.order_id.to_string(), order_id);
    assert_eq!(event.traceparent.as_str(), trace);
}
