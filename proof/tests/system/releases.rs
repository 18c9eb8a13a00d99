//! Stock that a client gives back through the API, and orders that took their stock twice. The
//! stores agree after each call.

use std::collections::HashSet;

use serde_json::json;
use shared::contract::event::{Event, OrderCompleted, RefundOrder};
use shared::contract::id::{OrderId, ProductId};
use stack::client::{Answer, client};
use stack::role::Role;

use crate::harness::programs::text;
use crate::harness::{LIMIT, Shop};
use crate::reconcile::run::{paid, reconcile};

/// How many orders take their stock twice: one more than a run repairs by default.
const MANY: usize = 101;

/// Asks inventory over HTTP to give stock back. Answers the status.
async fn give_back(shop: &Shop, order: OrderId, product: ProductId) -> u16 {
    let url = format!("{}/admin/releases", shop.system.inventory_url());
    let body = json!({ "order_id": order, "product_id": product }).to_string();
    let request = client(LIMIT).unwrap().post(url);
    let request = request
        .header("content-type", "application/json")
        .body(body);
    Answer::to(request).await.status
}

#[tokio::test]
async fn a_paid_order_whose_stock_is_given_back_is_refunded_in_any_partition() {
    for shop in [Shop::open().await, Shop::open_partitioned(4).await] {
        let product = shop.create_product("thing", 5).await;
        let order = paid(&shop, product, 3).await;
        for _ in 0..2 {
            assert_eq!(give_back(&shop, order, product).await, 200);
            shop.wait_status(order, "refunded").await;
            shop.assert_quiet().await;
            assert_eq!(shop.stock(product).await, 5);
        }
        assert_eq!(shop.order(order).await["reason"], "released");
        // All five pieces can be sold once more.
        paid(&shop, product, 5).await;
        reconcile(&shop, &[]).await.assert_found(0, &[]);
    }
}

#[tokio::test]
async fn orders_that_took_their_stock_twice_give_it_back_once_and_stay_paid() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 100).await;
    let mut orders = Vec::new();
    for _ in 0..3 {
        orders.push(paid(&shop, product, 2).await);
    }
    take_again(&shop).await;
    assert_eq!(shop.stock(product).await, 88);

    reconcile(&shop, &[])
        .await
        .assert_found(3, &[("sold_twice", false); 3]);
    reconcile(&shop, &["--apply"])
        .await
        .assert_found(0, &[("sold_twice", true); 3]);
    assert_eq!(shop.stock(product).await, 94);
    reconcile(&shop, &["--apply"]).await.assert_found(0, &[]);
    assert_eq!(shop.stock(product).await, 94);
    for order in &orders {
        assert_eq!(shop.order(*order).await["status"], "paid");
    }
    assert_eq!(
        shop.inventory.length(RefundOrder::STREAM).await,
        0,
        "no order is refunded"
    );

    // The same again, with orders that have given stock back once before.
    take_again(&shop).await;
    assert_eq!(shop.stock(product).await, 88);
    reconcile(&shop, &["--apply"])
        .await
        .assert_found(0, &[("sold_twice", true); 3]);
    assert_eq!(shop.stock(product).await, 94);
}

#[tokio::test]
async fn more_than_a_hundred_differences_are_repaired_only_on_request() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 1_000).await;
    let mut orders = Vec::new();
    for _ in 0..MANY {
        orders.push(shop.place_order(product, 1).await.0);
    }
    for order in &orders {
        shop.wait_status(*order, "paid").await;
    }
    shop.assert_quiet().await;
    take_again(&shop).await;
    assert_eq!(shop.stock(product).await, 798);

    let output = shop
        .run(Role::PaymentsServe, &["reconcile", "--apply"])
        .await;
    assert_eq!(output.status.code(), Some(3));
    assert!(
        text(&output).contains("say --max-repairs 101"),
        "{}",
        text(&output)
    );
    assert_eq!(
        shop.stock(product).await,
        798,
        "the run was not told to repair that many"
    );
    let run = reconcile(&shop, &["--apply", "--max-repairs", "2"]).await;
    assert_eq!(
        (run.code, &run.report["held_back"]),
        (3, &json!(MANY - 2)),
        "{run:?}"
    );
    assert_eq!(shop.stock(product).await, 800);
    reconcile(&shop, &["--apply", "--max-repairs", "500"])
        .await
        .assert_found(0, &[("sold_twice", true); MANY - 2]);
    assert_eq!(shop.stock(product).await, 899);
}

/// Removes inventory's records of all orders, and has it read their events again.
async fn take_again(shop: &Shop) {
    let hours = shop
        .inventory
        .ask("ZRANGE", &["record_hours", "0", "-1"])
        .await
        .texts()
        .unwrap();
    for hour in hours {
        shop.inventory
            .ask("DEL", &[&format!("records:{hour}")])
            .await;
    }
    let mut seen = HashSet::new();
    for entry in shop.payments.entries(OrderCompleted::STREAM).await {
        let fields = entry.fields.unwrap();
        if seen.insert(OrderCompleted::decode(&fields).unwrap().order_id) {
            shop.payments
                .add(OrderCompleted::STREAM.to_owned(), fields)
                .await;
        }
    }
    shop.wait_drained().await;
}
