//! Several processes of one role.

use shared::contract::event::{Event, OrderCompleted, RefundOrder};
use stack::ports;
use stack::process::Process;
use stack::role::Role;
use stack::wait::eventually;

use crate::harness::programs::freeze;
use crate::harness::{Shop, completed, count};

#[tokio::test]
async fn two_replicas_of_each_consumer_share_the_work_exactly() {
    const ORDERS: usize = 300;
    let shop = Shop::open().await;
    for role in ["inventory consume", "payments consume"] {
        shop.system.start_replica(role, 2).await.unwrap();
    }
    // Every third order asks for more than the whole stock.
    let product = shop.create_product("thing", 100_000).await;
    let scarce = shop.create_product("scarce", 1).await;
    let orders = (0..ORDERS).map(|index| match index % 3 {
        0 => shop.place_order(scarce, 2),
        _ => shop.place_order(product, 1),
    });
    futures_util::future::join_all(orders).await;
    shop.assert_quiet().await;

    let orders = shop.orders().await;
    let (paid, refunded) = (count(&orders, "paid"), count(&orders, "refunded"));
    assert_eq!((paid, refunded), (ORDERS / 3 * 2, ORDERS / 3));
    let emitted = shop.payments.length(OrderCompleted::STREAM).await;
    assert_eq!(emitted, ORDERS as u64, "each order is paid once");
    let refunds = shop.inventory.length(RefundOrder::STREAM).await;
    assert_eq!(refunds, refunded as u64, "each order is rejected once");
    assert_eq!(shop.stock(product).await, 100_000 - paid as u64);
    assert_eq!(shop.movements(product).await, 1 + paid as u64);
    for (store, stream, group) in [
        (
            &shop.payments,
            OrderCompleted::STREAM,
            OrderCompleted::GROUP,
        ),
        (&shop.inventory, RefundOrder::STREAM, RefundOrder::GROUP),
    ] {
        assert_eq!(store.group(stream, group).await.unwrap().consumers, 2);
    }
}

#[tokio::test]
async fn consumers_without_a_name_do_not_share_one() {
    let shop = Shop::open().await;
    let port = ports::free().unwrap();
    let address = format!("127.0.0.1:{}", port.number());
    let env = [("CONSUMER_HTTP_ADDR", address.as_str())];
    let (_second, _) = shop.start_overheard(Role::InventoryConsume, &env);
    let (stream, group) = (OrderCompleted::STREAM, OrderCompleted::GROUP);
    eventually("both to read", async || {
        shop.payments
            .group(stream, group)
            .await
            .is_some_and(|group| group.consumers == 2)
    })
    .await;
    let product = shop.create_product("thing", 100).await;
    futures_util::future::join_all((0..50).map(|_| shop.place_order(product, 1))).await;
    shop.assert_quiet().await;
    assert_eq!(shop.stock(product).await, 50);
}

#[tokio::test]
async fn entries_of_a_frozen_consumer_are_taken_over_and_nothing_doubles_when_it_thaws() {
    const EVENTS: u64 = 10_000;
    let shop = Shop::start(Shop::builder().without("inventory consume")).await;
    let product = shop.create_product("thing", 100_000).await;
    let events: Vec<_> = (0..EVENTS).map(|_| completed(product, 1)).collect();
    shop.emit(&events).await;
    let frozen = shop.system.process("inventory consume");
    frozen.restart().unwrap();
    freeze_with_work_in_hand(&shop, &frozen).await;

    let role = "inventory consume";
    shop.system.start_replica(role, 2).await.unwrap();
    shop.assert_quiet().await;
    assert!(frozen.is_running());
    assert_eq!(shop.stock(product).await, 100_000 - EVENTS);

    frozen.resume();
    shop.system.wait_ready().await.unwrap();
    // A consumer that thaws settles its batch again before it reads a new entry.
    shop.emit(&[completed(product, 1)]).await;
    shop.assert_quiet().await;
    assert_eq!(shop.stock(product).await, 100_000 - EVENTS - 1);
    assert_eq!(shop.movements(product).await, 1 + EVENTS + 1);
}

/// A freeze may fall between two batches. Then the next one is tried.
async fn freeze_with_work_in_hand(shop: &Shop, process: &Process) {
    let group = || async {
        let group = shop
            .payments
            .group(OrderCompleted::STREAM, OrderCompleted::GROUP);
        group.await.is_some_and(|group| group.pending > 0)
    };
    eventually("a freeze with work in hand", async || {
        if !group().await {
            return false;
        }
        freeze(process).await;
        let has_work = group().await;
        if !has_work {
            process.resume();
        }
        has_work
    })
    .await;
}
