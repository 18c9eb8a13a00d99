//! Several clients want the same thing at the same time.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use shared::contract::event::{Event, OrderCompleted};
use shared::contract::id::{OrderId, ProductId};
use tokio::time::{Instant, sleep_until};

use crate::harness::{Shop, count};

#[tokio::test]
async fn of_fifty_buyers_of_the_last_unit_one_is_paid_and_all_others_are_refunded() {
    let shop = Shop::open().await;
    let product = shop.create_product("the last one", 1).await;
    join_all((0..50).map(|_| shop.place_order(product, 1))).await;
    shop.assert_quiet().await;

    let orders = shop.orders().await;
    assert_eq!(
        (count(&orders, "paid"), count(&orders, "refunded")),
        (1, 49)
    );
    let refunded = orders.iter().filter(|order| order["status"] == "refunded");
    for order in refunded {
        assert_eq!(order["reason"], "insufficient_stock");
    }
    assert_eq!(shop.stock(product).await, 0);
}

#[tokio::test]
async fn an_order_whose_product_is_deleted_in_flight_is_refunded() {
    let shop = Shop::start(Shop::builder().env("COMPLETION_DELAY", "1s")).await;
    let product = shop.create_product("gone soon", 10).await;
    let (id, _) = shop.place_order(product, 1).await;
    let path = format!("/products/{product}");
    let delete = shop.to_inventory(reqwest::Method::DELETE, &path);
    assert_eq!(delete.send().await.unwrap().status(), 204);

    let refunded = shop.wait_status(id, "refunded").await;
    assert_eq!(refunded["reason"], "product_not_found");
    shop.try_order(product, 1).await.expect(404);
    shop.assert_quiet().await;
    assert_eq!(shop.orders().await.len(), 1);
}

#[tokio::test]
async fn exactly_one_of_cancel_and_completion_wins_over_a_thousand_races() {
    const RUNNERS: usize = 20;
    const RACES: usize = 50;
    let shop = Shop::start(Shop::builder().env("COMPLETION_DELAY", "50ms")).await;
    let product = shop.create_product("thing", 10_000).await;
    let runners = stream::iter(0..RUNNERS).map(|_| race(&shop, product, RACES));
    let runs: Vec<_> = runners.buffer_unordered(RUNNERS).collect().await;
    shop.assert_quiet().await;

    let (cancelled, paid): (Vec<_>, Vec<_>) = runs
        .into_iter()
        .flatten()
        .partition(|(_, status)| *status == 200);
    assert!(!cancelled.is_empty(), "no cancellation won");
    assert!(!paid.is_empty(), "no completion won");
    for (id, _) in &cancelled {
        let order = shop.order(*id).await;
        assert_eq!(order["status"], "cancelled");
        assert!(order["paid_at"].is_null(), "{order}");
    }
    for (id, status) in &paid {
        assert_eq!(*status, 409);
        assert_eq!(shop.order(*id).await["status"], "paid");
    }
    let emitted = shop.payments.column(OrderCompleted::STREAM, "order_id");
    let emitted = emitted.await;
    assert_eq!(emitted.len(), paid.len(), "one entry for each paid order");
    let emitted: HashSet<OrderId> = emitted.iter().map(|id| id.parse().unwrap()).collect();
    assert_eq!(emitted, paid.iter().map(|(id, _)| *id).collect());
    assert_eq!(shop.stock(product).await, 10_000 - paid.len() as u64);
    assert_eq!(cancelled.len() + paid.len(), RUNNERS * RACES);
}

/// Races each order against its cancellation, and answers the status of each cancellation.
async fn race(shop: &Shop, product: ProductId, races: usize) -> Vec<(OrderId, u16)> {
    const STEP: Duration = Duration::from_millis(3);
    let mut outcomes = Vec::with_capacity(races);
    // After a cancellation in time the next one comes later, and after a late one earlier. So the
    // two keep racing.
    let mut wait = Duration::from_millis(50);
    for _ in 0..races {
        let (id, _) = shop.place_order(product, 1).await;
        sleep_until(Instant::now() + wait).await;
        let status = shop.cancel(id).await.status;
        wait = match status {
            200 => wait + STEP,
            _ => wait.saturating_sub(STEP),
        };
        outcomes.push((id, status));
    }
    outcomes
}
