//! How many commands to the stores an order costs. The test counts round trips, and measures no
//! time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use shared::contract::event::{Event, OrderCompleted};
use shared::live::FEED_BLOCK;
use stack::wait::eventually;

use crate::harness::{Shop, Store, completed};

/// Commands that functions call inside the server. They cost no round trip.
const INSIDE_FUNCTIONS: [&str; 8] = [
    "exists", "hmget", "hset", "msetnx", "time", "type", "xadd", "zadd",
];

/// How often each command was called since the store was started.
async fn calls(store: &Store) -> HashMap<String, u64> {
    let info = store.ask("INFO", &["commandstats"]).await.text().unwrap();
    let lines = info
        .lines()
        .filter_map(|line| line.strip_prefix("cmdstat_"));
    let count = |text: &str| text.split(['=', ',']).nth(1)?.parse().ok();
    lines
        .filter_map(|line| line.split_once(':'))
        .filter_map(|(name, rest)| Some((name.to_owned(), count(rest)?)))
        .collect()
}

fn since(before: &HashMap<String, u64>, after: &HashMap<String, u64>, name: &str) -> u64 {
    let of = |calls: &HashMap<String, u64>| calls.get(name).copied().unwrap_or(0);
    of(after) - of(before)
}

fn round_trips(before: &HashMap<String, u64>, after: &HashMap<String, u64>) -> u64 {
    let outside = after
        .keys()
        .filter(|name| !INSIDE_FUNCTIONS.contains(&name.as_str()) && *name != "info");
    // Each function reads the identity of the store, by a `GET` inside the server.
    outside.map(|name| since(before, after, name)).sum::<u64>() - since(before, after, "fcall")
}

#[tokio::test]
async fn an_order_takes_at_most_three_round_trips_to_the_stores() {
    const ORDERS: u64 = 20;
    let quiet = Shop::builder()
        .without("inventory consume")
        .without("payments consume");
    let shop = Shop::start(quiet.env("PRODUCT_CACHE_TTL", "0")).await;
    let product = shop.create_product("thing", 10).await;
    shop.place_order(product, 1).await;
    let before = (calls(&shop.inventory).await, calls(&shop.payments).await);
    for _ in 0..ORDERS {
        shop.place_order(product, 1).await;
    }
    let after = (calls(&shop.inventory).await, calls(&shop.payments).await);
    let trips = round_trips(&before.0, &after.0) + round_trips(&before.1, &after.1);
    assert!(trips >= ORDERS, "nothing was counted");
    assert!(
        trips <= 3 * ORDERS,
        "{trips} round trips for {ORDERS} orders: {before:?} {after:?}"
    );
}

#[tokio::test]
async fn a_batch_of_events_takes_one_function_call_and_one_acknowledgement() {
    const EVENTS: usize = 1_000;
    let shop = Shop::start(Shop::builder().without("inventory consume")).await;
    let product = shop.create_product("thing", 1_000).await;
    let events: Vec<OrderCompleted> = (0..EVENTS).map(|_| completed(product, 1)).collect();
    shop.emit(&events).await;
    let before = (calls(&shop.inventory).await, calls(&shop.payments).await);
    shop.system
        .start_replica("inventory consume", 1)
        .await
        .unwrap();
    shop.wait_drained().await;
    let after = (calls(&shop.inventory).await, calls(&shop.payments).await);
    assert_eq!(shop.stock(product).await, 0);
    let batches = u64::try_from(EVENTS.div_ceil(shared::stream::group::BATCH)).unwrap();
    // A call of its own moves the checkpoint now and then, far less often than batches end.
    let calls = since(&before.0, &after.0, "fcall");
    assert!(
        (batches..2 * batches).contains(&calls),
        "{calls} of {}",
        OrderCompleted::STREAM
    );
    // The first read behind a pause is a small one.
    let acknowledgements = since(&before.1, &after.1, "xack");
    assert!(
        (batches..=batches + 1).contains(&acknowledgements),
        "{acknowledgements}"
    );
}

#[tokio::test]
async fn a_payer_without_delay_asks_once_or_twice_a_second_while_no_order_is_pending() {
    const ORDERS: u32 = 10;
    // The first looks may still be about the last order.
    const LOOKS: u64 = 6;
    let builder = Shop::builder()
        .without("inventory consume")
        .env("COMPLETION_DELAY", "0");
    let shop = Shop::start(builder).await;
    let product = shop.create_product("thing", ORDERS).await;
    let began = Instant::now();
    for _ in 0..ORDERS {
        let (id, _) = shop.place_order(product, 1).await;
        shop.wait_status(id, "paid").await;
    }
    // Without news on the stream `changes`, each order would wait for half of `FEED_BLOCK` on
    // average.
    assert!(began.elapsed() + Duration::from_secs(1) < ORDERS * FEED_BLOCK / 2);

    let (began, before) = (Instant::now(), calls(&shop.payments).await);
    let looks = || async { since(&before, &calls(&shop.payments).await, "fcall") };
    eventually("looks", async || looks().await >= LOOKS).await;
    let seconds = u32::try_from(LOOKS / 2).unwrap();
    assert!(
        began.elapsed() >= seconds * FEED_BLOCK,
        "{:?}",
        began.elapsed()
    );
}
