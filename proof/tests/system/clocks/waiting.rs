//! Orders that wait while the clock of a store is wrong, and orders that must not wait.

use shared::contract::event::{Event, OrderCompleted, RefundOrder};
use shared::contract::id::OrderId;
use stack::redis::Owner;
use stack::role::Role;
use stack::wait::eventually;

use super::{DAY_MS, INVENTORY, PAYMENTS, from_ahead, sell, set_clock, start_again, wait_told};
use crate::harness::{LIMIT, Shop, Store, completed};

/// Delivers all new entries of a stream to a consumer that never comes back.
async fn give_to_ghost<E: Event>(store: &Store) -> usize {
    let read = [
        "GROUP",
        E::GROUP,
        "ghost",
        "COUNT",
        "1000",
        "STREAMS",
        E::STREAM,
        ">",
    ];
    store
        .ask("XREADGROUP", &read)
        .await
        .read_entries()
        .unwrap()
        .len()
}

#[tokio::test]
async fn entries_of_a_dead_consumer_are_taken_over_although_the_clock_was_set_back() {
    const ORDERS: usize = 30;
    let shop = Shop::start(Shop::shimmed()).await;
    let product = shop.create_product("Tea", 100).await;
    shop.system.process(INVENTORY).stop(LIMIT).await.unwrap();
    for _ in 0..ORDERS {
        let (id, _) = shop.place_order(product, 1).await;
        shop.wait_status(id, "paid").await;
    }
    assert_eq!(
        give_to_ghost::<OrderCompleted>(&shop.payments).await,
        ORDERS
    );
    set_clock(&shop, Owner::Payments, -31 * DAY_MS).await;
    start_again(&shop, INVENTORY).await;
    wait_told(&shop, INVENTORY, "as if it was set back").await;
    shop.assert_quiet().await;
    assert_eq!(shop.stock(product).await, 70);
    assert_eq!(
        shop.movements(product).await,
        31,
        "each order took its stock once"
    );
}

#[tokio::test]
async fn so_are_refunds() {
    let shop = Shop::start(Shop::shimmed()).await;
    let product = shop.create_product("Tea", 1).await;
    shop.system.process(INVENTORY).stop(LIMIT).await.unwrap();
    let (id, _) = shop.place_order(product, 5).await;
    shop.wait_status(id, "paid").await;
    shop.system.process(PAYMENTS).stop(LIMIT).await.unwrap();
    start_again(&shop, INVENTORY).await;
    eventually("the order to be rejected", async || {
        shop.inventory.length(RefundOrder::STREAM).await == 1
    })
    .await;
    assert_eq!(give_to_ghost::<RefundOrder>(&shop.inventory).await, 1);
    set_clock(&shop, Owner::Inventory, -31 * DAY_MS).await;
    start_again(&shop, PAYMENTS).await;
    shop.wait_status(id, "refunded").await;
    shop.assert_quiet().await;
}

#[tokio::test]
async fn one_event_from_far_ahead_stops_no_other_where_orders_from_ahead_are_on_record() {
    let shop = Shop::start(Shop::shimmed()).await;
    let (product, mut left) = (shop.create_product("Tea", 100).await, 100);
    set_clock(&shop, Owner::Inventory, 31 * DAY_MS).await;
    shop.emit(&[from_ahead(product, 31)]).await;
    shop.wait_drained().await;
    left -= 1;
    assert_eq!(shop.stock(product).await, left, "the order is on record");
    set_clock(&shop, Owner::Inventory, 0).await;
    shop.emit(&[
        completed(product, 1),
        from_ahead(product, 3_000),
        completed(product, 1),
    ])
    .await;
    left -= 2;
    sell(&shop, product, 5, &mut left).await;
    assert_eq!(shop.inventory.reasons().await, ["too_new"]);
}

#[tokio::test]
async fn orders_wait_while_the_clock_is_behind_its_records_and_go_on_by_themselves() {
    const BEHIND: &str = "more than a day behind the orders that it has recorded";
    let shop = Shop::start(Shop::shimmed()).await;
    let product = shop.create_product("Tea", 100).await;
    shop.emit(&[from_ahead(product, -3)]).await;
    shop.wait_drained().await;
    assert_eq!(shop.stock(product).await, 99);
    set_clock(&shop, Owner::Inventory, -31 * DAY_MS).await;
    for _ in 0..5 {
        shop.place_order(product, 1).await;
    }
    wait_told(&shop, INVENTORY, BEHIND).await;
    eventually("readyz to say why", async || {
        let readyz = shop.readyz(INVENTORY).await;
        readyz.status == 503 && readyz.body.contains(BEHIND)
    })
    .await;
    assert_eq!(shop.stock(product).await, 99);
    set_clock(&shop, Owner::Inventory, 0).await;
    shop.assert_quiet().await;
    assert_eq!(shop.stock(product).await, 94);
    shop.system.wait_process_ready(INVENTORY).await.unwrap();
}

/// inventory has no record, so it cannot know that its own clock is wrong.
#[tokio::test]
async fn orders_that_were_parked_by_a_clock_behind_are_acted_on_once_it_is_right() {
    let shop = Shop::start(Shop::shimmed()).await;
    let product = shop.create_product("Tea", 100).await;
    set_clock(&shop, Owner::Inventory, -31 * DAY_MS).await;
    let mut orders: Vec<OrderId> = Vec::new();
    for _ in 0..5 {
        orders.push(shop.place_order(product, 1).await.0);
    }
    shop.wait_drained().await;
    assert_eq!(shop.inventory.dead_letters().await.len(), orders.len());
    assert_eq!(shop.stock(product).await, 100);
    set_clock(&shop, Owner::Inventory, 0).await;
    let args = ["reconcile", "--json", "--apply", "--grace", "0"];
    shop.run(Role::PaymentsServe, &args).await;
    shop.wait_drained().await;
    assert_eq!(shop.stock(product).await, 95);
    assert_eq!(shop.movements(product).await, 6);
}
