//! Movements tell how the stock came about.

use reqwest::Method;
use serde_json::{Value, json};
use shared::contract::event::RefundReason;
use shared::contract::id::{OrderId, ProductId};

use crate::changes::patch;
use crate::harness::{Answer, Service, order};
use inventory::domain::{ApplyOutcome, Decision};

/// A movement without its time.
fn told(movement: &Value) -> Value {
    let mut movement = movement.clone();
    let fields = movement.as_object_mut().unwrap();
    let id = fields.remove("id").unwrap();
    let at = fields.remove("at").unwrap();
    assert!(id.as_str().unwrap().contains('-') && at.as_str().unwrap().ends_with('Z'));
    movement
}

fn all_told(page: &Answer) -> Vec<Value> {
    page.items().iter().map(told).collect()
}

#[tokio::test]
async fn every_change_of_stock_is_told_the_newest_first_and_also_of_a_deleted_product() {
    let service = Service::start().await;
    let id: ProductId = service.create("Tea").await.parse().unwrap();
    let path = format!("/products/{id}");
    let movements = format!("{path}/movements");
    let (restock, stock) = (format!("{path}/restock"), format!("{path}/stock"));
    service
        .post(&restock, r#"{"quantity":9,"note":"delivery 7"}"#)
        .await;
    let sold = order(id, 4);
    let outcomes = service.apply(std::slice::from_ref(&sold)).await;
    assert_eq!(outcomes, [ApplyOutcome::Applied]);
    let count = [("if-match", "*")];
    for counted in [r#"{"quantity":6}"#, r#"{"quantity":5,"note":"one fell"}"#] {
        service.send(Method::PUT, &stock, &count, counted).await;
    }
    // Neither a new name nor a refused change is a movement.
    patch(&service, &path, r#"{"name":"Green tea"}"#).await;
    service.post(&restock, r#"{"quantity":1000000000}"#).await;
    service.delete(&path).await;

    let page = service.get(&movements).await;
    assert_eq!(
        (page.status, page.header("cache-control")),
        (200, "no-cache"),
        "{page:?}"
    );
    let expected = [
        json!({ "kind": "deleted", "delta": -5, "balance": 0 }),
        json!({ "kind": "stocktake", "delta": -1, "balance": 5, "note": "one fell" }),
        json!({ "kind": "stocktake", "delta": 0, "balance": 6 }),
        json!({ "kind": "sale", "delta": -4, "balance": 6, "order_id": sold.order_id }),
        json!({ "kind": "restock", "delta": 9, "balance": 10, "note": "delivery 7" }),
        json!({ "kind": "created", "delta": 1, "balance": 1 }),
    ];
    assert_eq!(all_told(&page), expected);

    let items = service.items(&format!("{movements}?limit=4")).await;
    let walked: Vec<Value> = items.iter().map(told).collect();
    assert_eq!(walked, expected, "page by page");
}

#[tokio::test]
async fn the_movement_of_an_order_is_found_by_its_id() {
    let service = Service::start().await;
    let (id, other) = (service.create("Tea").await, service.create("Coffee").await);
    let product: ProductId = id.parse().unwrap();
    let (sold, rejected) = (order(product, 1), order(product, 1));
    let orders = [sold.clone(), rejected.clone()];
    let outcomes = service.apply(&orders).await;
    assert_eq!(
        outcomes,
        [
            ApplyOutcome::Applied,
            ApplyOutcome::Rejected(RefundReason::InsufficientStock)
        ]
    );
    let again = service.apply(&orders[..1]).await;
    assert_eq!(again, [ApplyOutcome::Repeated(Decision::Applied)]);

    let found = service
        .get(&format!(
            "/products/{id}/movements?order_id={}",
            sold.order_id
        ))
        .await;
    let expected = json!({ "kind": "sale", "delta": -1, "balance": 0, "order_id": sold.order_id });
    assert_eq!(all_told(&found), [expected], "{found:?}");
    let all = service
        .get(&format!("/products/{id}/movements"))
        .await
        .json();
    assert_eq!(found.json()[0], all[0]);
    for (product, order_id) in [
        (&id, rejected.order_id),
        (&id, OrderId::mint()),
        (&id, "6b2f3a1e-0d4c-4f5b-9a77-0c1d2e3f4a5b".parse().unwrap()),
        (&other, sold.order_id),
    ] {
        let path = format!("/products/{product}/movements?order_id={order_id}");
        let none = service.get(&path).await;
        assert_eq!((none.status, none.body.as_str()), (200, "[]"), "{path}");
    }
}

#[tokio::test]
async fn a_product_that_never_was_has_no_movements() {
    let service = Service::start().await;
    let id = service.create("Tea").await;
    let nowhere = format!("/products/{}/movements", ProductId::mint());
    service.get(&nowhere).await.problem(404, "not-found");
    let order = OrderId::mint();
    service
        .get(&format!("{nowhere}?order_id={order}"))
        .await
        .problem(404, "not-found");
    let movements = format!("/products/{id}/movements");
    for (query, slug) in [
        ("order_id=7", "invalid-parameter"),
        ("limit=0", "invalid-parameter"),
        ("cursor=c1.x.y", "invalid-cursor"),
    ] {
        let answer = service.get(&format!("{movements}?{query}")).await;
        answer.problem(400, slug);
    }

    // A cursor of another product, and a cursor that is no place in a stream.
    let other = service.create("Coffee").await;
    service
        .post(&format!("/products/{other}/restock"), r#"{"quantity":1}"#)
        .await;
    let page = service
        .get(&format!("/products/{other}/movements?limit=1"))
        .await;
    let link = page.next_page().unwrap();
    service.get(&link).await.expect(200);
    service
        .get(&link.replace(&other, &id))
        .await
        .problem(400, "invalid-cursor");
}
