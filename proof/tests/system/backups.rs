//! A store is put back from a backup, and the other store is hours ahead.

use shared::contract::event::{Event, OrderCompleted, RefundOrder, RefundReason};
use shared::contract::id::{OrderId, ProductId};
use shared::contract::trace::{RequestId, TraceParent};
use stack::role::Role;
use stack::wait::eventually;

use crate::harness::files::{back_up, length, lose_tail, put_back};
use crate::harness::{Answer, Shop, Store, client, completed};

const HOUR_MS: u64 = 60 * 60 * 1_000;

#[tokio::test]
async fn inventory_from_a_backup_acts_again_on_all_that_the_stream_still_has() {
    let shop = open().await;
    let product = shop.create_product("thing", 100).await;
    sell(&shop, product, 4).await;
    let backup = back_up(shop.system.inventory_redis());
    for hours_ago in [3, 2, 1, 0] {
        sell(&shop, product, hours_ago).await;
    }
    put_back(shop.system.inventory_redis(), &backup).await;
    eventually("the stock to be whole", async || {
        shop.stock(product).await == 95
    })
    .await;
    shop.system.wait_ready().await.unwrap();
    shop.assert_quiet().await;
    assert_eq!(shop.movements(product).await, 1 + 5);
}

#[tokio::test]
async fn inventory_from_a_backup_that_is_too_old_halts_until_it_is_adopted() {
    let shop = open().await;
    let product = shop.create_product("thing", 100).await;
    sell(&shop, product, 4).await;
    let backup = back_up(shop.system.inventory_redis());
    let later = shop.create_product("later", 100).await;
    for hours_ago in [3, 2, 1] {
        sell(&shop, later, hours_ago).await;
    }
    shop.payments
        .ask("XTRIM", &[OrderCompleted::STREAM, "MAXLEN", "1"])
        .await;
    put_back(shop.system.inventory_redis(), &backup).await;

    let consumer = "inventory consume";
    wait_halted(&shop, consumer, "2 entries in between are gone").await;
    // The new store does not know products that were made after the backup. No order for them is
    // refunded.
    let (id, _) = shop.place_order(product, 1).await;
    shop.wait_status(id, "paid").await;
    assert_eq!(shop.readiness("inventory serve").await, 200);
    shop.system.process(consumer).restart().unwrap();
    wait_halted(&shop, consumer, "payments reconcile --apply").await;
    assert_eq!(shop.inventory.length(RefundOrder::STREAM).await, 0);
    assert_eq!(shop.stock(product).await, 99);

    shop.adopt(Role::InventoryServe).await;
    shop.assert_quiet().await;
    assert_eq!(shop.stock(product).await, 98);
    assert_eq!(shop.inventory.length(RefundOrder::STREAM).await, 0);
}

#[tokio::test]
async fn inventory_halts_when_the_stream_comes_from_a_backup() {
    let shop = open().await;
    let product = shop.create_product("thing", 100).await;
    sell(&shop, product, 4).await;
    let backup = back_up(shop.system.payments_redis());
    for hours_ago in [3, 2, 1] {
        sell(&shop, product, hours_ago).await;
    }
    put_back(shop.system.payments_redis(), &backup).await;

    wait_halted(
        &shop,
        "inventory consume",
        "is older than what was acted on",
    )
    .await;
    let (id, _) = shop.place_order(product, 1).await;
    shop.wait_status(id, "paid").await;
    // New entries in the stream do not bring back the entries that are missing.
    shop.system.process("inventory consume").restart().unwrap();
    wait_halted(
        &shop,
        "inventory consume",
        "is older than what was acted on",
    )
    .await;
    assert_eq!(shop.stock(product).await, 96);

    shop.adopt(Role::InventoryServe).await;
    shop.assert_quiet().await;
    assert_eq!(shop.stock(product).await, 95);
}

#[tokio::test]
async fn payments_from_a_backup_that_is_too_old_halts_until_it_is_adopted() {
    let shop = open().await;
    let product = shop.create_product("thing", 100).await;
    let mut orders = Vec::new();
    for _ in 0..4 {
        orders.push(shop.place_order(product, 1).await.0);
    }
    shop.assert_quiet().await;
    refund(&shop, orders[0], product, 4).await;
    let backup = back_up(shop.system.payments_redis());
    for (order, hours_ago) in orders[1..].iter().zip([3, 2, 1]) {
        refund(&shop, *order, product, hours_ago).await;
    }
    shop.inventory
        .ask("XTRIM", &[RefundOrder::STREAM, "MAXLEN", "1"])
        .await;
    put_back(shop.system.payments_redis(), &backup).await;

    wait_halted(&shop, "payments consume", "2 entries in between are gone").await;
    assert_eq!(shop.readiness("payments serve").await, 200);
    assert_eq!(shop.order(orders[0]).await["status"], "refunded");
    assert_eq!(shop.order(orders[3]).await["status"], "paid");
    shop.adopt(Role::PaymentsServe).await;
    refund(&shop, orders[3], product, 0).await;
    assert_eq!(shop.order(orders[3]).await["status"], "refunded");
}

#[tokio::test]
async fn a_consumer_goes_on_with_a_stream_that_lost_only_its_tail() {
    let shop = open().await;
    let product = shop.create_product("thing", 100).await;
    sell(&shop, product, 2).await;
    sell(&shop, product, 1).await;
    // It does not matter that nothing had happened for an hour before.
    let before = length(shop.system.payments_redis());
    sell(&shop, product, 0).await;
    lose_tail(shop.system.payments_redis(), before).await;
    let consumer = shop.system.process("inventory consume");
    eventually("the loss to be noticed", async || {
        let lines = consumer.last_lines(usize::MAX);
        lines
            .iter()
            .any(|line| line.contains("has lost its last entries"))
    })
    .await;
    shop.system.wait_ready().await.unwrap();
    let (id, _) = shop.place_order(product, 1).await;
    shop.wait_status(id, "paid").await;
    shop.assert_quiet().await;
    assert_eq!(shop.stock(product).await, 96);
}

#[tokio::test]
async fn a_lost_group_and_a_trimmed_stream_are_not_taken_for_a_loss() {
    let shop = open().await;
    let product = shop.create_product("thing", 100).await;
    for hours_ago in [4, 3, 2, 1] {
        sell(&shop, product, hours_ago).await;
    }
    // A group that was destroyed starts again at the beginning, far behind the checkpoint.
    let group = [OrderCompleted::STREAM, OrderCompleted::GROUP];
    shop.payments
        .ask("XGROUP", &["DESTROY", group[0], group[1]])
        .await;
    assert_fit(&shop).await;
    // Nothing happens for a long time, and the stream is trimmed to no entry.
    shop.payments
        .ask("XTRIM", &[OrderCompleted::STREAM, "MAXLEN", "0"])
        .await;
    assert_fit(&shop).await;
    let (id, _) = shop.place_order(product, 1).await;
    shop.wait_status(id, "paid").await;
    assert_fit(&shop).await;
    // The stream is deleted, and then made again.
    shop.payments.ask("DEL", &[OrderCompleted::STREAM]).await;
    assert_fit(&shop).await;
    let (id, _) = shop.place_order(product, 1).await;
    shop.wait_status(id, "paid").await;
    assert_fit(&shop).await;
    assert_eq!(shop.stock(product).await, 94);
}

/// Restarts everything, and asserts that no consumer halts.
async fn assert_fit(shop: &Shop) {
    shop.wait_groups().await;
    shop.assert_quiet().await;
    for store in [shop.system.payments_redis(), shop.system.inventory_redis()] {
        store.kill();
        store.restart().await.unwrap();
    }
    for consumer in ["inventory consume", "payments consume"] {
        shop.system.process(consumer).restart().unwrap();
    }
    shop.system.wait_ready().await.unwrap();
    shop.assert_quiet().await;
    for consumer in ["inventory consume", "payments consume"] {
        let lines = shop.system.process(consumer).last_lines(usize::MAX);
        assert!(
            !lines.iter().any(|line| line.contains("halted")),
            "{lines:?}"
        );
    }
}

/// A system that trims no stream by itself.
async fn open() -> Shop {
    Shop::start(Shop::builder().env("STREAM_RETENTION", "30d")).await
}

/// Sells one piece `hours_ago` hours in the past, and waits until inventory has recorded the entry.
async fn sell(shop: &Shop, product: ProductId, hours_ago: u32) {
    let fields = completed(product, 1).encode();
    let id = emit(&shop.payments, OrderCompleted::STREAM, &fields, hours_ago).await;
    wait_checkpoint(&shop.inventory, OrderCompleted::STREAM, &id).await;
}

/// Refunds an order `hours_ago` hours in the past, and waits until payments has recorded the entry.
async fn refund(shop: &Shop, order_id: OrderId, product_id: ProductId, hours_ago: u32) {
    let refund = RefundOrder {
        order_id,
        product_id,
        quantity: 1,
        reason: RefundReason::InsufficientStock,
        time: order_id.minted_at().unwrap(),
        traceparent: TraceParent::mint(),
        request_id: RequestId::mint(),
    };
    let id = emit(
        &shop.inventory,
        RefundOrder::STREAM,
        &refund.encode(),
        hours_ago,
    )
    .await;
    wait_checkpoint(&shop.payments, RefundOrder::STREAM, &id).await;
}

/// Adds an entry with an id of that time.
async fn emit(
    store: &Store,
    stream: &str,
    fields: &[(&'static str, String)],
    hours_ago: u32,
) -> String {
    let now = store.ask("TIME", &[]).await.texts().unwrap();
    let then_ms = now[0].parse::<u64>().unwrap() * 1_000 - u64::from(hours_ago) * HOUR_MS;
    let id = format!("{then_ms}-0");
    let words = fields
        .iter()
        .flat_map(|(name, value)| [*name, value.as_str()]);
    let words: Vec<&str> = [stream, id.as_str()].into_iter().chain(words).collect();
    store.ask("XADD", &words).await;
    id
}

/// Waits until the checkpoint of a store stands at this entry.
async fn wait_checkpoint(store: &Store, stream: &str, id: &str) {
    eventually("the checkpoint to be there", async || {
        let checkpoint = store.ask("HGET", &["checkpoint", stream]).await;
        checkpoint
            .text()
            .is_ok_and(|checkpoint| checkpoint.starts_with(id))
    })
    .await;
}

/// Waits until a process reports that it has halted, for this reason.
async fn wait_halted(shop: &Shop, process: &str, reason: &str) {
    let url = format!("{}/readyz", shop.system.url(process));
    eventually("it to say why it acts on nothing", async || {
        let answer = Answer::attempt(client().get(&url)).await;
        answer.is_ok_and(|answer| answer.status == 503 && answer.body.contains(reason))
    })
    .await;
}
