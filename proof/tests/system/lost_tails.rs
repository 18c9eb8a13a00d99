//! A store is restarted without its last writes, as weaker settings than the shipped ones and
//! failovers allow. Each event that one of the two stores still has is acted on, once.

use shared::contract::event::{Event, RefundOrder};
use stack::redis::RedisServer;
use stack::wait::{eventually, wait_until};

use crate::harness::files::{length, lose_tail};
use crate::harness::{LIMIT, Shop, completed, count};

/// A delay that leaves time to act while an order is pending.
const DELAY: (&str, &str) = ("COMPLETION_DELAY", "2s");

#[tokio::test]
async fn payments_forgot_the_acknowledgement_and_nothing_changes() {
    let shop = Shop::open().await;
    let (payments, inventory) = stores(&shop);
    let product = shop.create_product("thing", 10).await;
    inventory.pause();
    shop.emit(&[completed(product, 3)]).await;
    shop.wait_given().await;
    let before = length(payments);
    inventory.resume();
    shop.assert_quiet().await;
    lose_tail(payments, before).await;

    settle(&shop).await;
    assert_eq!(shop.stock(product).await, 7);
    assert_eq!(shop.movements(product).await, 1 + 1);
}

#[tokio::test]
async fn payments_forgot_that_an_order_is_paid_and_its_stock_is_taken_once() {
    let (name, delay) = DELAY;
    let shop = Shop::start(Shop::builder().env(name, delay)).await;
    let product = shop.create_product("thing", 10).await;
    let (id, _) = shop.place_order(product, 3).await;
    let before = length(stores(&shop).0);
    shop.wait_status(id, "paid").await;
    shop.assert_quiet().await;
    lose_tail(stores(&shop).0, before).await;

    settle(&shop).await;
    assert_eq!(shop.order(id).await["status"], "paid");
    assert_eq!(shop.stock(product).await, 7);
    assert_eq!(shop.movements(product).await, 1 + 1);
}

#[tokio::test]
async fn payments_forgot_that_an_order_is_refunded_and_refunds_it_again() {
    let (name, delay) = DELAY;
    let shop = Shop::start(Shop::builder().env(name, delay)).await;
    let product = shop.create_product("thing", 1).await;
    let (id, _) = shop.place_order(product, 2).await;
    let before = length(stores(&shop).0);
    shop.wait_status(id, "refunded").await;
    shop.assert_quiet().await;
    // A refund of an order that payments believes to be pending changes nothing. inventory answers
    // again after payments has paid the order again.
    lose_tail(stores(&shop).0, before).await;

    settle(&shop).await;
    assert_eq!(shop.order(id).await["status"], "refunded");
    assert_eq!(shop.stock(product).await, 1);
    assert_eq!(shop.inventory.length(RefundOrder::STREAM).await, 2);
}

#[tokio::test]
async fn inventory_forgot_orders_that_it_has_acknowledged_and_acts_on_them_again() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 1_000).await;
    let scarce = shop.create_product("scarce", 1).await;
    let before = length(stores(&shop).1);
    let mut events: Vec<_> = (0..250).map(|_| completed(product, 2)).collect();
    events.push(completed(scarce, 1));
    shop.emit(&events).await;
    shop.assert_quiet().await;
    lose_tail(stores(&shop).1, before).await;

    eventually("the stock to be whole again", async || {
        shop.stock(product).await == 500 && shop.stock(scarce).await == 0
    })
    .await;
    settle(&shop).await;
    assert_eq!(shop.movements(product).await, 1 + 250);
    assert_eq!(shop.movements(scarce).await, 1 + 1);
    assert_eq!(shop.inventory.length(RefundOrder::STREAM).await, 0);
}

#[tokio::test]
async fn both_stores_forgot_and_agree_about_the_orders_that_are_left() {
    let shop = Shop::open().await;
    let (payments, inventory) = stores(&shop);
    let product = shop.create_product("thing", 100).await;
    let inventory_before = length(inventory);
    for _ in 0..10 {
        shop.place_order(product, 1).await;
    }
    let payments_before = length(payments);
    for _ in 0..5 {
        shop.place_order(product, 1).await;
    }
    shop.assert_quiet().await;
    tokio::join!(
        lose_tail(inventory, inventory_before),
        lose_tail(payments, payments_before)
    );

    // The last five orders are lost with the tail. The other ten are whole.
    let whole = wait_until("ten to be sold", LIMIT, || async {
        shop.stock(product).await == 90
    });
    settle(&shop).await;
    whole.await.unwrap();
    let orders = shop.orders().await;
    assert_eq!((orders.len(), count(&orders, "paid")), (10, 10));
    assert_eq!(shop.movements(product).await, 1 + 10);
}

fn stores(shop: &Shop) -> (&RedisServer, &RedisServer) {
    (shop.system.payments_redis(), shop.system.inventory_redis())
}

async fn settle(shop: &Shop) {
    shop.system.wait_ready().await.unwrap();
    shop.assert_quiet().await;
}
