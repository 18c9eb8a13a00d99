//! What a client that follows the system live sees while all kinds of changes happen.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::Value;
use shared::contract::id::{OrderId, ProductId};
use shared::redis::Entry;
use stack::system::Builder;

use crate::harness::live::{Told, kinds_of, next, rest, take};
use crate::harness::{Answer, Shop};

const PAID: [&str; 2] = ["order.created", "order.paid"];
const REFUNDED: [&str; 3] = ["order.created", "order.paid", "order.refunded"];
const CANCELLED: [&str; 2] = ["order.created", "order.cancelled"];

/// Orders that end in all three ways, with the expected events of each.
struct Day {
    product: ProductId,
    orders: Vec<(OrderId, &'static [&'static str])>,
}

impl Day {
    /// In each round one order is paid, one is refunded and one is cancelled.
    async fn begin(shop: &Shop, rounds: usize) -> Self {
        let product = shop.create_product("thing", 1_000).await;
        let mut orders = Vec::new();
        for _ in 0..rounds {
            let (paid, refunded, cancelled) = tokio::join!(
                shop.place_order(product, 2),
                shop.place_order(product, 2_000),
                shop.place_order(product, 1),
            );
            assert_eq!(
                shop.cancel(cancelled.0).await.expect(200).text("status"),
                "cancelled"
            );
            orders.push((paid.0, &PAID[..]));
            orders.push((refunded.0, &REFUNDED[..]));
            orders.push((cancelled.0, &CANCELLED[..]));
        }
        Self { product, orders }
    }

    async fn end(&self, shop: &Shop) {
        let ids: Vec<OrderId> = self.orders.iter().map(|(id, _)| *id).collect();
        shop.wait_all_final(&ids).await;
    }

    /// The number of events about all these orders.
    fn changes(&self) -> usize {
        self.orders.iter().map(|(_, kinds)| kinds.len()).sum()
    }

    /// Asserts that every transition was told once, and in order.
    fn assert_told(&self, told: &[Told]) {
        for (id, kinds) in &self.orders {
            assert_eq!(kinds_of(told, &id.to_string()), *kinds, "{id}");
        }
        assert_eq!(told.len(), self.changes());
    }
}

fn marks(told: &[Told]) -> Vec<&str> {
    told.iter().map(|told| told.mark.as_str()).collect()
}

fn ids(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.id.as_str()).collect()
}

/// A delay that leaves the time to cancel an order.
fn slow_enough_to_cancel() -> Builder {
    Shop::builder().env("COMPLETION_DELAY", "1s")
}

#[tokio::test]
async fn a_client_that_follows_the_orders_sees_every_transition_once_and_in_order() {
    let shop = Shop::start(slow_enough_to_cancel()).await;
    let mut events = shop.follow_orders().await;
    let day = Day::begin(&shop, 10).await;
    let told = take(&mut events, day.changes()).await;
    day.assert_told(&told);
    for Told { kind, body, .. } in &told {
        let status = kind
            .strip_prefix("order.")
            .unwrap()
            .replace("created", "pending");
        assert_eq!(body["status"], status, "the order as it stood then");
    }
    day.end(&shop).await;
    shop.assert_quiet().await;
}

#[tokio::test]
async fn a_client_that_follows_the_products_sees_the_changes_by_orders_and_by_people() {
    let shop = Shop::open().await;
    let mut events = shop.follow_products().await;
    let product = shop.create_product("thing", 10).await;
    assert_eq!(next(&mut events).await.kind, "product.created");
    let left = async |events: &mut _| {
        let Told { kind, body, .. } = next(events).await;
        assert_eq!(kind, "product.stock_changed");
        body["quantity"].as_u64().unwrap()
    };
    for (quantity, rest) in [(1, 9), (2, 7), (3, 4)] {
        let (id, _) = shop.place_order(product, quantity).await;
        shop.wait_all_final(&[id]).await;
        assert_eq!(left(&mut events).await, rest);
    }
    let path = format!("/products/{product}/restock");
    let restock = shop
        .to_inventory(Method::POST, &path)
        .json(&serde_json::json!({"quantity": 5}));
    Answer::to(restock).await.expect(200);
    assert_eq!(left(&mut events).await, 9);
    let request = shop.to_inventory(Method::DELETE, &format!("/products/{product}"));
    Answer::to(request).await.expect(204);
    let deleted = next(&mut events).await;
    assert_eq!(
        (deleted.kind.as_str(), deleted.id()),
        ("product.deleted", &*product.to_string())
    );
    shop.assert_quiet().await;
}

#[tokio::test]
async fn a_client_misses_no_event_when_the_process_of_its_stream_is_killed_and_restarted() {
    let shop = Shop::start(slow_enough_to_cancel()).await;
    let mut orders = shop.follow_orders().await;
    let mut products = shop.follow_products().await;
    let day = Day::begin(&shop, 10).await;
    // The test kills the processes in the middle. No process tells what happens next.
    let mut of_orders = take(&mut orders, 31).await;
    let mut of_products = take(&mut products, 1).await;
    for role in ["payments serve", "inventory serve"] {
        shop.system.process(role).kill();
    }
    of_orders.extend(rest(orders).await);
    of_products.extend(rest(products).await);
    shop.wait_drained().await;
    for role in ["payments serve", "inventory serve"] {
        shop.system.process(role).restart().unwrap();
    }
    shop.system.wait_ready().await.unwrap();

    let last = of_orders[of_orders.len() - 1].mark.clone();
    let mut orders = shop
        .follow("payments serve", "/orders/stream", Some(&last))
        .await;
    of_orders.extend(take(&mut orders, day.changes() - of_orders.len()).await);
    day.assert_told(&of_orders);
    let last = of_products[of_products.len() - 1].mark.clone();
    let mut products = shop
        .follow("inventory serve", "/products/stream", Some(&last))
        .await;
    // The stream goes on live, without a gap.
    let (id, _) = shop.place_order(day.product, 1).await;
    let created = next(&mut orders).await;
    assert_eq!(
        (created.kind.as_str(), created.id()),
        (PAID[0], id.to_string().as_str())
    );
    shop.wait_all_final(&[id]).await;
    assert_eq!(next(&mut orders).await.kind, PAID[1]);
    while of_products[of_products.len() - 1].body["quantity"] != 979 {
        of_products.push(next(&mut products).await);
    }
    assert_eq!(
        marks(&of_products),
        ids(&shop.inventory.entries("changes").await)
    );
    shop.assert_quiet().await;
}

#[tokio::test]
async fn every_process_tells_the_same_events() {
    let shop = Shop::start(slow_enough_to_cancel()).await;
    shop.system
        .start_replica("payments serve", 2)
        .await
        .unwrap();
    let names = ["payments serve", "payments serve 2"];
    let mut streams = join_all(names.map(|name| shop.follow(name, "/orders/stream", None))).await;
    let day = Day::begin(&shop, 5).await;
    let mut told = Vec::new();
    for events in &mut streams {
        told.push(take(events, day.changes()).await);
    }
    day.assert_told(&told[0]);
    assert_eq!(told[0], told[1]);

    // An event id of one process is valid at the other.
    let middle = &told[0][10].mark;
    let mut events = shop.follow(names[1], "/orders/stream", Some(middle)).await;
    assert_eq!(take(&mut events, day.changes() - 11).await, told[0][11..]);
    day.end(&shop).await;
    shop.assert_quiet().await;
}

#[tokio::test]
async fn one_stream_tells_of_all_partitions() {
    let shop = Shop::start_partitioned(slow_enough_to_cancel(), 4).await;
    let mut orders = shop.follow_orders().await;
    let mut products = shop.follow_products().await;
    let day = Day::begin(&shop, 10).await;
    let told = take(&mut orders, day.changes()).await;
    day.assert_told(&told);
    day.end(&shop).await;
    let mut quantity = Value::Null;
    while quantity != 980 {
        let told = next(&mut products).await;
        assert_eq!(told.id(), day.product.to_string());
        quantity = told.body["quantity"].clone();
    }

    // A client that continues after an event may get some changes twice, and misses none.
    let middle = &told[told.len() / 2];
    let mut events = shop
        .follow("payments serve", "/orders/stream", Some(&middle.mark))
        .await;
    let mut missed: BTreeSet<&str> = told[told.len() / 2 + 1..]
        .iter()
        .map(|told| told.mark.as_str())
        .collect();
    while !missed.is_empty() {
        let again = next(&mut events).await;
        assert_ne!(again.kind, "reset");
        missed.remove(again.mark.as_str());
    }
    shop.assert_quiet().await;
}
