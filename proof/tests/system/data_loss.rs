//! A store has lost some of its data, or all of it.

use proof::order_line;
use reqwest::Method;
use shared::contract::event::{Event, RefundOrder};
use shared::contract::id::OrderId;
use stack::role::Role;
use stack::wait::eventually;

use crate::harness::{Answer, Shop};

#[tokio::test]
async fn a_flushed_inventory_refunds_nobody_and_works_again_once_the_loss_is_accepted() {
    let shop = Shop::start(Shop::builder().env("COMPLETION_DELAY", "1s")).await;
    let product = shop.create_product("thing", 10).await;
    let (id, _) = shop.place_order(product, 1).await;
    shop.inventory.ask("FLUSHALL", &[]).await;
    let processes = ["inventory serve", "inventory consume"];
    for process in processes {
        shop.wait_readiness(process, 503).await;
    }
    // inventory does not know whether the product existed, so 404 would be wrong.
    let lost = shop.to_inventory(Method::GET, &format!("/products/{product}"));
    let lost = Answer::to(lost).await;
    lost.assert_unavailable("store-refused");
    let refused = shop.try_order(product, 1).await;
    refused.assert_unavailable("inventory-unavailable");
    shop.wait_status(id, "paid").await;
    shop.wait_given().await;
    assert_eq!(shop.inventory.length(RefundOrder::STREAM).await, 0);

    // After a restart the process still knows that the data is missing.
    for process in processes {
        let process = shop.system.process(process);
        let alarms = || {
            let lines = process.last_lines(usize::MAX);
            let alarms = lines.iter().filter(|line| line.contains("lost its data"));
            alarms.count()
        };
        let before = alarms();
        process.restart().unwrap();
        eventually("the loss to be noticed", async || alarms() > before).await;
        shop.wait_readiness(process.name(), 503).await;
    }
    assert_eq!(shop.order(id).await["status"], "paid");
    assert_eq!(shop.inventory.length(RefundOrder::STREAM).await, 0);

    shop.adopt(Role::InventoryServe).await;
    let product = shop.create_product("another", 5).await;
    let (other, _) = shop.place_order(product, 2).await;
    shop.wait_status(other, "paid").await;
    // Who accepts the loss also accepts that this product is gone.
    shop.wait_status(id, "refunded").await;
    shop.assert_quiet().await;
    assert_eq!(shop.stock(product).await, 3);
}

#[tokio::test]
async fn an_order_that_was_served_before_an_accepted_loss_stays_paid() {
    let (shop, served) = flushed_after_an_order().await;
    shop.system.process("inventory consume").restart().unwrap();
    shop.adopt(Role::InventoryServe).await;
    assert_stays_paid(&shop, served).await;
}

/// It has begun to act on the recent past again, which it takes for forgotten.
#[tokio::test]
async fn a_consumer_that_runs_on_refunds_nobody_who_was_served_before_an_accepted_loss() {
    for waits in [true, false] {
        let (shop, served) = flushed_after_an_order().await;
        if waits {
            shop.wait_readiness("inventory consume", 503).await;
        }
        shop.adopt(Role::InventoryServe).await;
        assert_stays_paid(&shop, served).await;
    }
}

/// A system whose inventory has served one order, and has lost its store then.
async fn flushed_after_an_order() -> (Shop, OrderId) {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 10).await;
    let (served, _) = shop.place_order(product, 1).await;
    shop.wait_status(served, "paid").await;
    shop.assert_quiet().await;
    shop.inventory.ask("FLUSHALL", &[]).await;
    (shop, served)
}

/// A consumer replays the recent past of its stream before it acts on a new entry. The other order
/// is new, so the replay is over when that order is refunded.
async fn assert_stays_paid(shop: &Shop, served: OrderId) {
    let another = shop.create_product("another", 1).await;
    let (after, _) = shop.place_order(another, 2).await;
    shop.wait_status(after, "refunded").await;
    shop.assert_quiet().await;
    assert_eq!(shop.order(served).await["status"], "paid");
}

#[tokio::test]
async fn a_flushed_payments_store_is_noticed_and_works_again_once_the_loss_is_accepted() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 10).await;
    let (id, _) = shop.place_order(product, 11).await;
    shop.wait_status(id, "refunded").await;
    shop.assert_quiet().await;
    shop.payments.ask("FLUSHALL", &[]).await;
    let processes = ["payments serve", "payments consume"];
    for process in processes {
        shop.wait_readiness(process, 503).await;
    }
    let answer = shop.try_order(product, 1).await;
    answer.assert_unavailable("store-refused");

    shop.adopt(Role::PaymentsServe).await;
    let (id, _) = shop.place_order(product, 1).await;
    shop.wait_status(id, "paid").await;
    shop.wait_drained().await;
    assert_eq!(shop.stock(product).await, 9);
}

#[tokio::test]
async fn payments_refunds_again_what_its_store_forgot_after_the_acknowledgement() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 1).await;
    let (id, _) = shop.place_order(product, 2).await;
    shop.wait_status(id, "refunded").await;
    shop.assert_quiet().await;

    shop.change_order(id, |line| line.truncate(order_line::AFTER_PAYMENT))
        .await;
    assert_eq!(shop.order(id).await["status"], "paid");
    shop.system.payments_redis().kill();
    shop.system.payments_redis().restart().await.unwrap();

    shop.system.wait_ready().await.unwrap();
    let refunded = shop.wait_status(id, "refunded").await;
    assert_eq!(refunded["reason"], "insufficient_stock");
    shop.assert_quiet().await;
}
