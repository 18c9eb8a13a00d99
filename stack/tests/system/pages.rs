//! Reading a long list, page by page, while it grows.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream::iter};
use reqwest::Method;
use shared::id::{OrderId, ProductId};
use stack::system::Builder;

use crate::harness::{Shop, Traffic};

const ORDERS: usize = 10_000;
/// One of so many is cancelled.
const CANCELLED: usize = 20;
/// Requests that are sent at once.
const AT_ONCE: usize = 64;

#[tokio::test]
async fn ten_thousand_orders_are_each_seen_once_while_more_arrive() {
    each_is_seen_once(&Shop::start(builder()).await).await;
}

#[tokio::test]
async fn ten_thousand_orders_of_four_partitions_are_each_seen_once_while_more_arrive() {
    each_is_seen_once(&Shop::start_partitioned(builder(), 4).await).await;
}

/// Nothing is paid during the test, so that an order stays what it is.
fn builder() -> Builder {
    let builder = Shop::builder().env("COMPLETION_DELAY", "1h");
    builder.env("PRODUCT_CACHE_TTL", "1m").env("RUST_LOG", "warn")
}

async fn each_is_seen_once(shop: &Shop) {
    let product = shop.create_product("thing", 100_000).await;
    let other = shop.create_product("other", 100_000).await;
    let place = |index| async move {
        let product = if index % 2 == 0 { product } else { other };
        (product, shop.place_order(product, 1).await.0)
    };
    let orders: Vec<_> = iter(0..ORDERS).map(place).buffer_unordered(AT_ONCE).collect().await;
    let cancelled: BTreeSet<_> = orders.iter().step_by(CANCELLED).map(|(_, id)| *id).collect();
    let cancel = |&id| async move { shop.cancel(id).await.expect(200) };
    iter(&cancelled).map(cancel).buffer_unordered(AT_ONCE).collect::<Vec<_>>().await;

    let traffic = Traffic::start(shop, product, 2);
    let is = |wanted: &dyn Fn(ProductId, OrderId) -> bool| -> BTreeSet<OrderId> {
        orders.iter().filter(|(product, id)| wanted(*product, *id)).map(|(_, id)| *id).collect()
    };
    for (query, expected) in [
        (String::new(), is(&|_, _| true)),
        ("&status=cancelled".to_owned(), cancelled.clone()),
        ("&status=pending".to_owned(), is(&|_, id| !cancelled.contains(&id))),
        (format!("&product_id={other}"), is(&|product, _| product == other)),
    ] {
        traffic.more(1).await;
        let get = |path: &str| shop.to_payments(Method::GET, path);
        let listed = shop.pages(get, &format!("/orders?limit=100{query}")).await;
        let ids = listed.iter().map(|order| order["id"].as_str().unwrap().parse().unwrap());
        let ids: Vec<OrderId> = ids.collect();
        assert!(
            ids.is_sorted_by(|newer, older| newer > older),
            "newest first, none twice: {query}"
        );
        let seen: BTreeSet<OrderId> = ids.into_iter().collect();
        let missed: Vec<_> = expected.difference(&seen).collect();
        assert!(missed.is_empty(), "{query}: {missed:?}");
        // Those that came in the meantime may be there, and nothing else.
        let before: BTreeSet<OrderId> = is(&|_, id| seen.contains(&id));
        assert_eq!(before, expected, "{query}");
    }
    assert!(!traffic.stop().await.is_empty());
}
