//! The clocks of stores jump by days and months, forth and back, across restarts. Stock is taken
//! once, a key stands for one order, and no order waits until the clock shows that time again.

use std::time::Duration;

use proof::shim;
use reqwest::Method;
use serde_json::{Value, json};
use shared::contract::event::OrderCompleted;
use shared::contract::id::{OrderId, ProductId};
use stack::redis::Owner;
use stack::role::Role;
use stack::wait::eventually;

use crate::harness::{LIMIT, Shop, Store, completed, insist};

mod waiting;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
const HOUR_MS: i64 = 60 * 60 * 1_000;
const INVENTORY: &str = "inventory consume";
const PAYMENTS: &str = "payments consume";
/// A sweep that does not trust the clock logs this.
const TOO_FAR_AHEAD: &str = "days ahead of the newest";

/// Sets the clock of one store this far from the clock of the other, and waits until it has
/// changed.
async fn set_clock(shop: &Shop, owner: Owner, off_ms: i64) {
    let (server, store, other) = match owner {
        Owner::Inventory => (
            shop.system.inventory_redis(),
            &shop.inventory,
            &shop.payments,
        ),
        Owner::Payments => (
            shop.system.payments_redis(),
            &shop.payments,
            &shop.inventory,
        ),
    };
    shim::offset_clock(server.dir(), off_ms).unwrap();
    eventually("the clock to be set", async || {
        (seconds(store).await - seconds(other).await - off_ms / 1_000).abs() < 60
    })
    .await;
}

async fn seconds(store: &Store) -> i64 {
    let [seconds, _] = store.ask("TIME", &[]).await.exactly::<2>("a time").unwrap();
    seconds.int().unwrap()
}

/// Restarts a process, and waits until it is ready.
async fn start_again(shop: &Shop, name: &str) {
    shop.system.process(name).restart().unwrap();
    shop.system.wait_process_ready(name).await.unwrap();
}

/// Waits until a process has logged this since its last start.
async fn wait_told(shop: &Shop, name: &str, told: &str) {
    let process = shop.system.process(name);
    eventually(told, async || {
        process
            .last_lines(1_000)
            .iter()
            .any(|line| line.contains(told))
    })
    .await;
}

/// Places an order, and repeats the request until the store is back.
async fn place(shop: &Shop, product: ProductId, quantity: u32) -> OrderId {
    let key = OrderId::mint().to_string();
    let answer = insist(&shop.order_request(product, quantity), &key)
        .await
        .expect(201);
    answer.text("id").parse().unwrap()
}

/// Orders of one piece each. All of them are paid, and take their stock.
async fn sell(shop: &Shop, product: ProductId, count: u64, left: &mut u64) {
    for _ in 0..count {
        place(shop, product, 1).await;
    }
    *left -= count;
    shop.wait_drained().await;
    assert_eq!(
        shop.stock(product).await,
        *left,
        "each order takes its stock once"
    );
}

/// The clock of inventory's store is wrong while its consumer starts. It is right again when the
/// consumer starts the next time and replays the recent past.
async fn jump_there_and_back(shop: &Shop, days: &[i64]) {
    let mut left = 1_000;
    let product = shop.create_product("Tea", 1_000).await;
    sell(shop, product, 20, &mut left).await;
    for &off in days {
        let server = shop.system.inventory_redis();
        set_clock(shop, Owner::Inventory, off * DAY_MS).await;
        start_again(shop, INVENTORY).await;
        if off > 0 {
            wait_told(shop, INVENTORY, TOO_FAR_AHEAD).await;
        }
        sell(shop, product, 5, &mut left).await;
        server.restart().await.unwrap();
        sell(shop, product, 5, &mut left).await;
        let short = place(shop, product, 2_000).await;
        shop.wait_status(short, "refunded").await;

        set_clock(shop, Owner::Inventory, 0).await;
        start_again(shop, INVENTORY).await;
        // In a new incarnation of its store the consumer replays the recent past before it acts on
        // a new entry.
        server.restart().await.unwrap();
        wait_told(shop, INVENTORY, "acting on recent events again").await;
        sell(shop, product, 5, &mut left).await;
    }
    shop.assert_quiet().await;
}

#[tokio::test]
async fn a_clock_that_was_months_ahead_or_behind_takes_no_stock_twice() {
    let shop = Shop::start(Shop::shimmed()).await;
    jump_there_and_back(&shop, &[31, 90, -31, 400, -400]).await;
}

#[tokio::test]
async fn a_clock_that_was_months_ahead_or_behind_takes_no_stock_twice_in_any_partition() {
    let shop = Shop::start_partitioned(Shop::shimmed(), 4).await;
    jump_there_and_back(&shop, &[31, -90]).await;
}

#[tokio::test]
async fn a_key_stands_for_one_order_after_the_clock_of_payments_was_months_ahead() {
    let shop = Shop::start(Shop::shimmed()).await;
    let product = shop.create_product("Tea", 100).await;
    let request = shop.order_request(product, 1);
    let first = insist(&request, "only-once").await.expect(201);
    shop.wait_drained().await;
    for days in [31, 90] {
        set_clock(&shop, Owner::Payments, days * DAY_MS).await;
        start_again(&shop, PAYMENTS).await;
        wait_told(&shop, PAYMENTS, TOO_FAR_AHEAD).await;
        let refused = shop.try_order(product, 1).await;
        assert_eq!(refused.status, 503, "its id is of another day: {refused:?}");
        set_clock(&shop, Owner::Payments, 0).await;
        start_again(&shop, PAYMENTS).await;
        let again = insist(&request, "only-once").await.expect(201);
        assert_eq!(again.text("id"), first.text("id"));
    }
    shop.wait_drained().await;
    assert_eq!(shop.stock(product).await, 99);
    shop.assert_quiet().await;
}

#[tokio::test]
async fn an_order_that_was_placed_while_the_clock_was_ahead_does_not_wait_for_it() {
    let shop = Shop::start(Shop::shimmed()).await;
    let product = shop.create_product("Tea", 100).await;
    shop.system.process(PAYMENTS).stop(LIMIT).await.unwrap();
    set_clock(&shop, Owner::Payments, 20 * HOUR_MS).await;
    let (paid, _) = shop.place_order(product, 1).await;
    let (cancelled, _) = shop.place_order(product, 1).await;
    set_clock(&shop, Owner::Payments, 0).await;
    start_again(&shop, PAYMENTS).await;
    let _ = shop.cancel(cancelled).await;
    shop.wait_status(paid, "paid").await;
    shop.assert_quiet().await;
}

#[tokio::test]
async fn three_seconds_of_a_clock_a_month_ahead_leave_nothing_to_repair() {
    let shop = Shop::start(Shop::shimmed()).await;
    let (product, mut left) = (shop.create_product("Tea", 1_000).await, 1_000);
    sell(&shop, product, 20, &mut left).await;
    let server = shop.system.inventory_redis();
    shop.system.process(INVENTORY).stop(LIMIT).await.unwrap();
    set_clock(&shop, Owner::Inventory, 31 * DAY_MS).await;
    start_again(&shop, INVENTORY).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    shop.system.process(INVENTORY).stop(LIMIT).await.unwrap();
    set_clock(&shop, Owner::Inventory, 0).await;
    server.restart().await.unwrap();
    start_again(&shop, INVENTORY).await;
    wait_told(&shop, INVENTORY, "acting on recent events again").await;
    shop.assert_quiet().await;
    assert_eq!(shop.stock(product).await, left, "20 orders took 20 pieces");
    let args = ["reconcile", "--json", "--grace", "0", "--orphan-grace", "0"];
    let output = shop.run(Role::PaymentsServe, &args).await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["differences"], json!([]));
}

#[tokio::test]
async fn a_restock_that_is_repeated_while_the_clock_is_days_away_adds_nothing() {
    let shop = Shop::start(Shop::shimmed()).await;
    let product = shop.create_product("Tea", 1).await;
    let path = format!("/products/{product}/restock");
    let restock = async |key: &str| {
        let request = shop
            .to_inventory(Method::POST, &path)
            .json(&json!({"quantity": 5}));
        insist(&request, key).await.expect(200);
        shop.stock(product).await
    };
    assert_eq!(restock("before").await, 6);
    let mut stock = 6;
    for days in [31, -31, 400, 0] {
        set_clock(&shop, Owner::Inventory, days * DAY_MS).await;
        assert_eq!(restock("before").await, stock, "{days} days away");
        stock += 5;
        assert_eq!(restock(&format!("at{days}")).await, stock);
        assert_eq!(restock(&format!("at{days}")).await, stock);
    }
    for days in [31, -31, 400] {
        assert_eq!(
            restock(&format!("at{days}")).await,
            stock,
            "of {days} days away"
        );
    }
}

/// An event of an order that looks as if it had been placed this number of days from now.
fn from_ahead(product: ProductId, days: i64) -> OrderCompleted {
    let mut event = completed(product, 1);
    let ms = event
        .ordered_at
        .as_millis()
        .checked_add_signed(days * DAY_MS)
        .unwrap();
    let id = event.order_id.to_string();
    event.order_id = format!("{:08x}-{:04x}{}", ms >> 16, ms & 0xffff, &id[13..])
        .parse()
        .unwrap();
    event.ordered_at = event.order_id.minted_at().unwrap();
    event
}

#[tokio::test]
async fn an_event_from_far_ahead_is_parked_and_makes_no_other_old() {
    let shop = Shop::open().await;
    let (product, mut left) = (shop.create_product("Tea", 100).await, 100);
    shop.emit(&[from_ahead(product, 31), from_ahead(product, 3_000)])
        .await;
    sell(&shop, product, 5, &mut left).await;
    assert_eq!(shop.inventory.reasons().await, ["too_new", "too_new"]);
}
