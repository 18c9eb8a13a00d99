//! The timeline: the life of an order, step by step.

use reqwest::Method;
use serde_json::Value;
use shared::contract::id::OrderId;
use shared::redis::Command;
use stack::wait::eventually;

use crate::fake_inventory::failure;
use crate::harness::Service;
use crate::live::{refund, start};
use crate::waits::deliver;

#[tokio::test]
async fn the_life_of_an_order_is_told_step_by_step() {
    let service = start().await;
    let product = service.inventory.product("19.90", 42);
    let body = format!(r#"{{"product_id":"{product}","quantity":2}}"#);
    let named = [("x-request-id", "req-7")];
    let id = service
        .send(Method::POST, "/orders", &named, &body)
        .await
        .created_id();
    let path = format!("/orders/{id}/timeline");
    let told = service.get(&path).await.json();
    assert_eq!(
        (&told["request_id"], &told["status"]),
        (&"req-7".into(), &"pending".into())
    );
    assert_eq!(kinds(&told), ["order.created"]);

    assert_eq!(service.complete().await, 1);
    service.inventory.set_taken(product, &id, false);
    wait_delivery(&service, &path, "unknown").await;
    deliver(&service, false).await;
    let paid = wait_delivery(&service, &path, "pending").await;
    assert_eq!(paid["event"]["deliveries"], 1);
    assert_eq!(paid["event"]["id"], format!("{id}:completed"));
    let entry = paid["event"]["entry_id"].as_str().unwrap();
    let find = Command::new("XRANGE").arg("order_completed");
    let found = service
        .operate(find.args([entry, entry]))
        .await
        .entries()
        .unwrap();
    assert_eq!(found.len(), 1, "the entry that is named is there");

    service.inventory.set_taken(product, &id, true);
    let told = service.get(&path).await.json();
    assert_eq!(kinds(&told), ["order.created", "order.paid", "stock.taken"]);
    assert_eq!(told["steps"][2]["movement"]["delta"], -2);
    assert_eq!(told["degraded"], serde_json::json!([]));

    refund(&service, &id).await;
    service.inventory.set_movement(product, &id, failure());
    let told = service.get(&path).await.json();
    assert_eq!(
        kinds(&told),
        ["order.created", "order.paid", "order.refunded"]
    );
    assert_eq!(told["degraded"], serde_json::json!(["inventory"]));
    assert_eq!(told["steps"][2]["reason"], "insufficient_stock");
    assert_eq!(told["steps"][2]["event"]["entry_id"], "7-7");
    service
        .get(&format!("/orders/{}/timeline", OrderId::mint()))
        .await
        .problem(404, "not-found");
}

fn kinds(timeline: &Value) -> Vec<&str> {
    let steps = timeline["steps"].as_array().unwrap();
    steps
        .iter()
        .map(|step| step["type"].as_str().unwrap())
        .collect()
}

/// Waits until the event of the payment has this state of delivery, and answers that step.
async fn wait_delivery(service: &Service, path: &str, delivery: &str) -> Value {
    let step = || async { service.get(path).await.json()["steps"][1].clone() };
    eventually(delivery, async || {
        let step = step().await;
        (step["event"]["delivery"] == delivery).then_some(step)
    })
    .await
}
