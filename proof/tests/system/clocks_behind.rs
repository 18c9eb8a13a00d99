//! Orders that are pending while the clock of their store is behind.

use std::time::Duration;

use proof::shim;
use stack::redis::RedisServer;
use stack::wait::eventually;

use crate::harness::Shop;

const HOUR_MS: i64 = 60 * 60 * 1_000;
const MONTH_MS: i64 = 31 * 24 * HOUR_MS;
/// Time for two looks at orders whose due time may have to be set anew.
const LOOKED: Duration = Duration::from_secs(24);

async fn seconds(store: &crate::harness::Store) -> i64 {
    let [seconds, _] = store.ask("TIME", &[]).await.exactly::<2>("a time").unwrap();
    seconds.int().unwrap()
}

/// Sets the clock of payments' store, and waits until it has changed.
async fn set_clock(shop: &Shop, off_ms: i64) {
    let server: &RedisServer = shop.system.payments_redis();
    shim::offset_clock(server.dir(), off_ms).unwrap();
    eventually("the clock to be set", async || {
        let off = seconds(&shop.payments).await - seconds(&shop.inventory).await;
        (off - off_ms / 1_000).abs() < 60
    })
    .await;
}

/// No order is paid before its delay, although it looks as if it had been placed a month ahead.
#[tokio::test]
async fn an_order_is_not_paid_early_because_the_clock_was_behind_while_it_waited() {
    let shop = Shop::start(Shop::shimmed().env("COMPLETION_DELAY", "1h")).await;
    let product = shop.create_product("Tea", 10).await;
    let (order, placed) = shop.place_order(product, 1).await;
    let due = shop
        .payments
        .ask("ZRANGE", &["due", "0", "-1", "WITHSCORES"])
        .await;
    set_clock(&shop, -MONTH_MS).await;
    // Nothing may happen, so the test has no condition to wait for.
    tokio::time::sleep(LOOKED).await;
    set_clock(&shop, 0).await;
    assert_eq!(
        shop.payments
            .ask("ZRANGE", &["due", "0", "-1", "WITHSCORES"])
            .await,
        due
    );
    let now = shop.order(order).await;
    assert_eq!(now["status"], "pending");
    assert_eq!(now["completes_at"], placed["completes_at"]);
}
