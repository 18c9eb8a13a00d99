//! Keys are spread over partitions, as in a cluster.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use shared::contract::event::{Event, OrderCompleted};

use crate::harness::{Answer, Shop, count, pages};

const PARTITIONS: u16 = 4;

#[tokio::test]
async fn orders_of_every_partition_are_paid_refunded_and_cancelled() {
    let shop = Shop::open_partitioned(PARTITIONS).await;
    let products = join_all((0..20).map(|_| shop.create_product("thing", 3))).await;
    let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
    for &product in &products {
        wanted.push(shop.place_order(product, 2).await.0);
        wanted.push(shop.place_order(product, 2).await.0);
        unwanted.push(shop.place_order(product, 1).await.0);
        let cancelled = shop.cancel(unwanted[unwanted.len() - 1]).await;
        assert_eq!(cancelled.expect(200).text("status"), "cancelled");
    }
    shop.assert_quiet().await;

    let orders = shop.orders().await;
    assert_eq!(orders.len(), 60);
    assert_eq!(
        (count(&orders, "paid"), count(&orders, "refunded")),
        (20, 20)
    );
    assert_eq!(count(&orders, "cancelled"), 20);
    for product in products {
        assert_eq!(shop.stock(product).await, 1);
    }
    for partition in shop.payments.partitions.all() {
        let stream = partition.key(OrderCompleted::STREAM);
        assert!(shop.payments.length(&stream).await > 0, "{stream} is idle");
    }
}

#[tokio::test]
async fn a_list_merges_the_partitions_newest_first() {
    let shop = Shop::open_partitioned(PARTITIONS).await;
    let mut products = Vec::new();
    let mut orders = Vec::new();
    for index in 0..23 {
        products.push(shop.create_product(&format!("thing {index}"), 9).await);
        orders.push(shop.place_order(products[index], 1).await.0);
    }
    let get = async |path: &str| Answer::to(shop.to_inventory(Method::GET, path)).await;
    let listed = pages(get, "/products?limit=5").await;
    products.reverse();
    let expected: Vec<_> = products.iter().map(ToString::to_string).collect();
    assert_eq!(ids(&listed), expected);
    let get = async |path: &str| Answer::to(shop.to_payments(Method::GET, path)).await;
    let listed = pages(get, "/orders?limit=7").await;
    orders.reverse();
    let expected: Vec<_> = orders.iter().map(ToString::to_string).collect();
    assert_eq!(ids(&listed), expected);
    shop.assert_quiet().await;
}

#[tokio::test]
async fn stock_is_delivered_counted_and_accounted_for_in_every_partition() {
    let shop = Shop::open_partitioned(PARTITIONS).await;
    let products = join_all((0..8).map(|_| shop.create_product("thing", 3))).await;
    for product in products {
        let path = format!("/products/{product}");
        let (id, _) = shop.place_order(product, 2).await;
        shop.wait_all_final(&[id]).await;
        let restock = shop.to_inventory(Method::POST, &format!("{path}/restock"));
        let answer = Answer::to(restock.json(&json!({"quantity": 5})))
            .await
            .expect(200);
        let count = shop.to_inventory(Method::PUT, &format!("{path}/stock"));
        let count = count
            .header("if-match", answer.header("etag"))
            .json(&json!({"quantity": 4}));
        Answer::to(count).await.expect(200);
        let request = shop.to_inventory(Method::GET, &format!("{path}/movements"));
        let movements = Answer::to(request).await.expect(200).json();
        let movements = movements.as_array().unwrap().iter();
        let told: Vec<_> = movements
            .map(|m| (&m["kind"], &m["delta"], &m["balance"]))
            .collect();
        let expected = [
            ("stocktake", -2, 4),
            ("restock", 5, 6),
            ("sale", -2, 1),
            ("created", 3, 3),
        ];
        let expected = expected.map(|(kind, delta, balance)| json!([kind, delta, balance]));
        assert_eq!(json!(told), json!(expected));
    }
    shop.assert_quiet().await;
}

fn ids(items: &[Value]) -> Vec<&str> {
    items
        .iter()
        .map(|item| item["id"].as_str().unwrap())
        .collect()
}
