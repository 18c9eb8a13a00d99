//! Reading a long list page by page while it grows.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use futures_util::stream::iter;
use reqwest::Method;
use shared::contract::id::{OrderId, ProductId};
use stack::system::Builder;

use crate::harness::{Answer, Shop, Traffic};

const ORDERS: usize = 10_000;
/// Every 20th order is cancelled.
const CANCELLED: usize = 20;
/// The most requests at the same time.
const AT_ONCE: usize = 64;

#[tokio::test]
async fn ten_thousand_orders_are_each_seen_once_while_more_arrive() {
    each_is_seen_once(&Shop::start(builder()).await).await;
}

#[tokio::test]
async fn ten_thousand_orders_of_four_partitions_are_each_seen_once_while_more_arrive() {
    each_is_seen_once(&Shop::start_partitioned(builder(), 4).await).await;
}

/// The delay is longer than the test, so no order changes its status by itself.
fn builder() -> Builder {
    let builder = Shop::builder().env("COMPLETION_DELAY", "1h");
    builder
        .env("PRODUCT_CACHE_TTL", "1m")
        .env("RUST_LOG", "warn")
}

async fn each_is_seen_once(shop: &Shop) {
    let product = shop.create_product("thing", 100_000).await;
    let other = shop.create_product("other", 100_000).await;
    let (of_product, of_other) = tokio::join!(place(shop, product), place(shop, other));
    let all: BTreeSet<OrderId> = of_product.union(&of_other).copied().collect();
    let cancelled: BTreeSet<OrderId> = all.iter().copied().step_by(CANCELLED).collect();
    let cancel = |id| {
        let path = format!("/orders/{id}/cancel");
        Answer::patiently(shop.to_payments(Method::POST, &path))
    };
    let answers: Vec<_> = iter(&cancelled)
        .map(cancel)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    let pending = all.difference(&cancelled).copied().collect();

    let traffic = Traffic::start(shop, product, 2);
    for (query, expected) in [
        (String::new(), &all),
        ("&status=cancelled".to_owned(), &cancelled),
        ("&status=pending".to_owned(), &pending),
        (format!("&product_id={other}"), &of_other),
    ] {
        traffic.more(1).await;
        let seen = walk(shop, format!("/orders?limit=100{query}")).await;
        assert!(
            seen.is_sorted_by(|newer, older| newer > older),
            "newest first, each once: {query}"
        );
        // Orders that were placed meanwhile may be on the pages, too.
        let ids = seen.into_iter().map(|(_, id)| id);
        let seen: BTreeSet<OrderId> = ids.filter(|id| all.contains(id)).collect();
        assert_eq!(seen.symmetric_difference(expected).next(), None, "{query}");
    }
    assert!(!traffic.stop().await.is_empty());
}

/// Places half of the orders.
async fn place(shop: &Shop, product: ProductId) -> BTreeSet<OrderId> {
    let traffic = Traffic::start(shop, product, AT_ONCE / 2);
    traffic.more(ORDERS / 2).await;
    traffic
        .stop()
        .await
        .into_iter()
        .map(|accepted| accepted.id)
        .collect()
}

/// The orders on all pages from `first` on: the time each was placed, and its id.
async fn walk(shop: &Shop, first: String) -> Vec<(String, OrderId)> {
    let mut seen = Vec::new();
    let mut next = Some(first);
    while let Some(path) = next {
        let page = Answer::patiently(shop.to_payments(Method::GET, &path))
            .await
            .expect(200);
        for order in page.json().as_array().unwrap() {
            let text = |name: &str| order[name].as_str().unwrap();
            seen.push((text("created_at").to_owned(), text("id").parse().unwrap()));
        }
        next = page.next_page();
    }
    seen
}
