//! Products whose names are the first words of push messages. A client of Redis could take such an
//! answer for a push message.

use std::convert::Infallible;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::Value;
use shared::contract::id::ProductId;

use crate::harness::{Answer, Shop, count, pages};

const NAMES: [&str; 6] = [
    "message",
    "pmessage",
    "subscribe",
    "unsubscribe",
    "ssubscribe",
    "punsubscribe",
];
const STRANGERS: usize = 12;

#[tokio::test]
async fn a_product_named_like_a_push_message_is_sold_and_disturbs_no_other_client() {
    let shop = Shop::start(Shop::builder().env("COMPLETION_DELAY", "1s")).await;
    let strangers = join_all((0..STRANGERS).map(|number| stranger(&shop, number)));
    let stories = join_all(NAMES.map(|name| story(&shop, name)));
    tokio::select! {
        _ = stories => {}
        _ = strangers => {}
    }
    shop.assert_quiet().await;
    assert_eq!(count(&shop.orders().await, "refunded"), 2 * NAMES.len());
}

/// Everything that can happen to a product and its orders.
async fn story(shop: &Shop, name: &str) {
    let product = shop.create_product(name, 5).await;
    assert_eq!(get_product(shop, product).await["name"], name);
    assert_eq!(listed_product(shop, product).await["name"], name);

    let (bought, _) = shop.place_order(product, 2).await;
    let (too_many, _) = shop.place_order(product, 4).await;
    let (withdrawn, _) = shop.place_order(product, 1).await;
    let cancelled = shop.cancel(withdrawn).await.expect(200);
    assert_eq!(cancelled.text("status"), "cancelled");
    let orders = shop.orders().await;
    let listed = |id: &str| orders.iter().any(|order| order["id"] == id);
    assert!(listed(&bought.to_string()) && listed(&withdrawn.to_string()));
    shop.wait_status(bought, "paid").await;
    let refunded = shop.wait_status(too_many, "refunded").await;
    assert_eq!(refunded["reason"], "insufficient_stock");
    assert_eq!(shop.stock(product).await, 3);

    let (homeless, _) = shop.place_order(product, 1).await;
    let path = format!("/products/{product}");
    Answer::to(shop.to_inventory(Method::DELETE, &path))
        .await
        .expect(204);
    Answer::to(shop.to_inventory(Method::GET, &path))
        .await
        .expect(404);
    let refunded = shop.wait_status(homeless, "refunded").await;
    assert_eq!(refunded["reason"], "product_not_found");
}

/// Another client of the same services. Each of its answers must be its own.
async fn stranger(shop: &Shop, number: usize) -> Infallible {
    let name = format!("stranger {number}");
    let product = shop.create_product(&name, 1_000).await;
    let (order, placed) = shop.place_order(product, 1).await;
    assert_eq!(placed["product_id"], product.to_string());
    loop {
        let found = get_product(shop, product).await;
        assert_eq!(found["id"], product.to_string());
        assert_eq!(found["name"], name);
        let found = shop.order(order).await;
        assert_eq!(found["id"], order.to_string());
        assert_eq!(found["product_id"], product.to_string());
        assert_eq!(listed_product(shop, product).await["name"], name);
        let cancelled = shop.cancel(order).await;
        match cancelled.status {
            200 => assert_eq!(cancelled.text("id"), order.to_string()),
            status => assert_eq!(status, 409, "{cancelled:?}"),
        }
    }
}

async fn get_product(shop: &Shop, id: ProductId) -> Value {
    let request = shop.to_inventory(Method::GET, &format!("/products/{id}"));
    Answer::to(request).await.expect(200).json()
}

async fn listed_product(shop: &Shop, id: ProductId) -> Value {
    let get = async |path: &str| Answer::to(shop.to_inventory(Method::GET, path)).await;
    let products = pages(get, "/products?limit=100").await;
    let mut found = products
        .into_iter()
        .filter(|product| product["id"] == id.to_string());
    found.next().unwrap()
}
