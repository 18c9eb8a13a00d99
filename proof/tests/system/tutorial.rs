//! Clients of the tutorial behind this system: the services accept what they send, and answer what
//! they read.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use shared::contract::id::OrderId;

use crate::harness::{Answer, Shop};

/// The origin of the tutorial's pages.
const PAGES: &str = "http://localhost:3000";

/// The fields that a page reads.
fn pick(body: &Value, fields: &[&str]) -> Value {
    fields.iter().map(|field| body[field].clone()).collect()
}

async fn create(shop: &Shop, product: Value) -> Value {
    let request = shop.to_inventory(Method::POST, "/products").json(&product);
    Answer::to(request).await.expect(201).json()
}

async fn order(shop: &Shop, order: Value) -> Value {
    let request = shop.to_payments(Method::POST, "/orders").json(&order);
    Answer::to(request).await.expect(201).json()
}

#[tokio::test]
async fn products_are_made_from_numbers_or_from_the_texts_of_a_form() {
    let shop = Shop::open().await;
    for (price, quantity) in [
        (json!(19.9), json!(10)),
        (json!("19.9"), json!("10")),
        (json!("19.90"), json!(10)),
        (json!(19.9), json!("10")),
    ] {
        let product = json!({"name": "Mouse", "price": price, "quantity": quantity});
        let created = create(&shop, product).await;
        let path = format!("/products/{}", created["id"].as_str().unwrap());
        let request = shop.to_inventory(Method::GET, &path);
        let read = Answer::to(request).await.expect(200).json();
        assert_eq!(read, created);
        assert_eq!(
            pick(&read, &["name", "price", "quantity"]),
            json!(["Mouse", 19.9, 10])
        );
    }
}

#[tokio::test]
async fn the_list_of_products_is_an_array_with_the_fields_of_a_table() {
    let shop = Shop::open().await;
    let get = || shop.to_inventory(Method::GET, "/products");
    assert_eq!(Answer::to(get()).await.expect(200).json(), json!([]));
    for (name, price, quantity) in [("Mouse", 20, 5), ("Keyboard", 35, 3)] {
        create(
            &shop,
            json!({"name": name, "price": price, "quantity": quantity}),
        )
        .await;
    }
    let listed = Answer::to(get()).await.expect(200).json();
    let listed = listed.as_array().unwrap();
    let rows = listed
        .iter()
        .map(|row| pick(row, &["name", "price", "quantity"]));
    let rows: Vec<Value> = rows.collect();
    assert_eq!(
        rows,
        [json!(["Keyboard", 35.0, 3]), json!(["Mouse", 20.0, 5])]
    );
    // Each row has a button that deletes its product.
    for row in listed {
        let path = format!("/products/{}", row["id"].as_str().unwrap());
        let answer = Answer::to(shop.to_inventory(Method::DELETE, &path)).await;
        assert!((200..300).contains(&answer.status), "{answer:?}");
    }
    assert_eq!(Answer::to(get()).await.expect(200).json(), json!([]));
}

#[tokio::test]
async fn orders_name_their_product_as_the_page_or_as_the_service_does() {
    let shop = Shop::open().await;
    let product = create(
        &shop,
        json!({"name": "Mouse", "price": 20, "quantity": "100"}),
    )
    .await;
    let id = &product["id"];
    for body in [
        json!({"id": id, "quantity": 1}),
        json!({"id": id, "quantity": "1"}),
        json!({"product_id": id, "quantity": 1}),
        json!({"product_id": id, "quantity": "1"}),
    ] {
        let placed = order(&shop, body).await;
        assert_eq!(
            (&placed["product_id"], &placed["status"]),
            (id, &json!("pending"))
        );
        let order: OrderId = placed["id"].as_str().unwrap().parse().unwrap();
        let read = shop.order(order).await;
        assert_eq!(
            pick(&read, &["price", "fee", "total"]),
            json!([20.0, 4.0, 24.0])
        );
        assert_eq!(shop.wait_status(order, "paid").await["quantity"], 1);
    }
    shop.assert_quiet().await;
    assert_eq!(shop.stock(id.as_str().unwrap().parse().unwrap()).await, 96);
}

#[tokio::test]
async fn pages_of_an_allowed_origin_may_call_both_services() {
    let shop = Shop::start(Shop::builder().env("CORS_ORIGINS", PAGES)).await;
    let product = create(&shop, json!({"name": "Mouse", "price": 20, "quantity": 10})).await;
    let id = product["id"].as_str().unwrap();
    let as_page = |request: RequestBuilder| Answer::to(request.header("origin", PAGES));
    let to_inventory = |method, path: &str| shop.to_inventory(method, path);
    let to_payments = |method, path: &str| shop.to_payments(method, path);
    let (product, order) = (format!("/products/{id}"), json!({"id": id, "quantity": 1}));
    for (method, ask) in [
        ("POST", to_inventory(Method::OPTIONS, "/products")),
        ("DELETE", to_inventory(Method::OPTIONS, &product)),
        ("POST", to_payments(Method::OPTIONS, "/orders")),
    ] {
        let ask = ask.header("access-control-request-method", method);
        let ask = ask.header("access-control-request-headers", "content-type");
        let told = as_page(ask).await;
        assert!((200..300).contains(&told.status), "{told:?}");
        assert_eq!(told.header("access-control-allow-origin"), PAGES);
        assert!(
            told.header("access-control-allow-methods").contains(method),
            "{told:?}"
        );
        let headers = told.header("access-control-allow-headers");
        assert!(
            headers == "*" || headers.contains("content-type"),
            "{told:?}"
        );
    }
    for (status, request) in [
        (200, to_inventory(Method::GET, "/products")),
        (200, to_inventory(Method::GET, &product)),
        (201, to_payments(Method::POST, "/orders").json(&order)),
        (200, to_payments(Method::GET, "/orders")),
        (422, to_payments(Method::POST, "/orders").json(&json!({}))),
        (204, to_inventory(Method::DELETE, &product)),
        (404, to_inventory(Method::GET, &product)),
    ] {
        let answer = as_page(request).await.expect(status);
        assert_eq!(
            answer.header("access-control-allow-origin"),
            PAGES,
            "{answer:?}"
        );
    }
}
