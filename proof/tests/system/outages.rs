//! A part fails, and the system goes on by itself.

use std::collections::HashSet;
use std::time::Duration;

use reqwest::Method;
use shared::contract::event::{Event, OrderCompleted, RefundOrder};
use shared::contract::id::OrderId;
use stack::wait::eventually;

use crate::harness::programs::freeze;
use crate::harness::{Answer, Shop, Traffic, count};

/// How long a client may wait for the answer "not now".
const QUICKLY: Duration = Duration::from_secs(1);

#[tokio::test]
async fn no_order_is_lost_or_doubled_when_the_payments_store_is_killed_under_load() {
    assert_orders_survive(async |shop, _| {
        shop.system.payments_redis().kill();
        shop.system.payments_redis().restart().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn no_order_is_lost_or_doubled_when_the_inventory_store_is_killed_under_load() {
    assert_orders_survive(async |shop, _| {
        shop.system.inventory_redis().kill();
        shop.system.inventory_redis().restart().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn no_order_is_lost_or_doubled_when_both_stores_are_killed_under_load_again_and_again() {
    assert_orders_survive(async |shop, traffic| {
        for _ in 0..3 {
            shop.system.payments_redis().kill();
            shop.system.inventory_redis().kill();
            shop.system.inventory_redis().restart().await.unwrap();
            shop.system.payments_redis().restart().await.unwrap();
            traffic.more(20).await;
        }
    })
    .await;
}

#[tokio::test]
async fn no_order_is_lost_or_doubled_when_a_store_freezes_under_load() {
    assert_orders_survive(async |shop, traffic| {
        let payments = shop.to_payments(Method::GET, "/orders");
        let inventory = shop.to_inventory(Method::GET, "/products");
        for (store, request) in [
            (shop.system.payments_redis(), payments),
            (shop.system.inventory_redis(), inventory),
        ] {
            freeze(store.process()).await;
            // Long enough for the client to give up its connections.
            for _ in 0..4 {
                let answer = Answer::to(request.try_clone().unwrap()).await;
                answer.assert_unavailable("store-unavailable");
            }
            // The commands that the store got before take effect now. Their callers were told that
            // the outcome is unknown.
            store.resume();
            traffic.more(50).await;
        }
    })
    .await;
}

#[tokio::test]
async fn lost_consumer_groups_are_made_again_and_nothing_is_lost_or_doubled() {
    assert_orders_survive(async |shop, traffic| {
        for _ in 0..3 {
            let completed = [OrderCompleted::STREAM, OrderCompleted::GROUP];
            let refund = [RefundOrder::STREAM, RefundOrder::GROUP];
            for (store, [stream, group]) in [(&shop.payments, completed), (&shop.inventory, refund)]
            {
                let destroyed = store.ask("XGROUP", &["DESTROY", stream, group]).await;
                assert_eq!(destroyed.int().unwrap(), 1);
            }
            traffic.more(50).await;
            // Wait for the group, because only a group that exists can be destroyed.
            shop.wait_groups().await;
        }
    })
    .await;
}

#[tokio::test]
async fn lost_functions_are_loaded_again_and_nothing_is_lost_or_doubled() {
    assert_orders_survive(async |shop, traffic| {
        for _ in 0..5 {
            shop.inventory.ask("FUNCTION", &["FLUSH"]).await;
            shop.payments.ask("FUNCTION", &["FLUSH"]).await;
            traffic.more(30).await;
        }
    })
    .await;
}

/// Clients place orders while `happening` runs. Afterwards each order is there once, is paid, and
/// has its stock.
pub(crate) async fn assert_orders_survive(happening: impl AsyncFnOnce(&Shop, &Traffic)) {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 1_000_000).await;
    let traffic = Traffic::start(&shop, product, 8);
    traffic.more(50).await;
    happening(&shop, &traffic).await;
    traffic.more(50).await;
    let accepted = traffic.stop().await;
    shop.system.wait_ready().await.unwrap();
    shop.assert_quiet().await;

    let orders = shop.orders().await;
    assert_eq!(orders.len(), accepted.len(), "one order for each key");
    assert_eq!(count(&orders, "paid"), accepted.len());
    let ids: HashSet<OrderId> = accepted.iter().map(|order| order.id).collect();
    let listed = orders.iter().map(|order| order["id"].as_str().unwrap());
    assert_eq!(
        listed.map(|id| id.parse().unwrap()).collect::<HashSet<_>>(),
        ids
    );
    let sold = accepted.len() as u64;
    assert_eq!(shop.payments.length(OrderCompleted::STREAM).await, sold);
    assert_eq!(shop.stock(product).await, 1_000_000 - sold);
    assert_eq!(
        shop.movements(product).await,
        1 + sold,
        "one movement for each sale"
    );
    for order in accepted.iter().step_by(10) {
        let request = shop.order_request(product, 1);
        let again = Answer::to(request.header("Idempotency-Key", &order.key)).await;
        assert_eq!(again.expect(201).text("id"), order.id.to_string());
    }
}

#[tokio::test]
async fn without_inventory_an_order_is_refused_quickly_and_does_not_exist() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 10).await;
    let inventory = shop.system.process("inventory serve");
    inventory.kill();
    // More often than the failures after which payments stops asking inventory.
    for _ in 0..8 {
        let answer = shop.try_order(product, 1).await;
        answer.assert_unavailable("inventory-unavailable");
        assert!(answer.took < QUICKLY, "{:?}", answer.took);
    }
    assert_eq!(shop.orders().await, [] as [serde_json::Value; 0]);
    assert_eq!(shop.readiness("payments serve").await, 200);
    assert_eq!(shop.cancel(OrderId::mint()).await.status, 404);

    inventory.restart().unwrap();
    eventually("orders to be accepted again", async || {
        shop.try_order(product, 1).await.status == 201
    })
    .await;
    shop.assert_quiet().await;
    assert_eq!(count(&shop.orders().await, "paid"), 1);
    assert_eq!(shop.stock(product).await, 9);
}

#[tokio::test]
async fn payments_does_not_wait_for_an_inventory_that_hangs() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 10).await;
    shop.place_order(product, 1).await;
    let inventory = shop.system.process("inventory serve");
    freeze(&inventory).await;
    let answers = (0..8).map(|_| shop.try_order(product, 1));
    for answer in futures_util::future::join_all(answers).await {
        assert_eq!(
            answer.json()["type"],
            "/problems/upstream-timeout",
            "{answer:?}"
        );
        assert!(answer.took < QUICKLY, "{:?}", answer.took);
    }
    // By now payments does not ask inventory any more.
    let answer = shop.try_order(product, 1).await;
    answer.assert_unavailable("inventory-unavailable");
    inventory.resume();
    eventually("orders to be accepted again", async || {
        shop.try_order(product, 1).await.status == 201
    })
    .await;
    shop.assert_quiet().await;
    assert_eq!(shop.orders().await.len(), 2);
}

#[tokio::test]
async fn without_its_store_a_service_is_not_ready_and_works_again_with_it() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 10).await;
    shop.place_order(product, 1).await;
    shop.assert_quiet().await;
    shop.system.payments_redis().kill();
    shop.system.inventory_redis().kill();
    let requests = [
        shop.to_payments(Method::GET, "/orders"),
        shop.to_payments(Method::GET, &format!("/orders/{}", OrderId::mint())),
        shop.to_payments(Method::POST, &format!("/orders/{}/cancel", OrderId::mint())),
        shop.to_inventory(Method::GET, &format!("/products/{product}")),
        shop.to_inventory(Method::DELETE, &format!("/products/{product}")),
    ];
    for request in requests {
        Answer::to(request)
            .await
            .assert_unavailable("store-unavailable");
    }
    for process in ["inventory serve", "payments serve", "payments consume"] {
        shop.wait_readiness(process, 503).await;
    }

    shop.system.payments_redis().restart().await.unwrap();
    shop.system.inventory_redis().restart().await.unwrap();
    shop.system.wait_ready().await.unwrap();
    shop.assert_quiet().await;
    assert_eq!(shop.stock(product).await, 9);
}
