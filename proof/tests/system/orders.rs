//! One order from `POST` to paid.

use std::time::Duration;

use reqwest::Method;
use shared::contract::event::{Event, OrderCompleted};
use shared::contract::id::ProductId;

use crate::harness::{Answer, LIMIT, Shop, millis};

const DELAY: Duration = Duration::from_millis(400);

/// A price as the client writes it, a quantity, and the expected price, fee and total of the
/// answer.
const AMOUNTS: [(&str, u32, [&str; 3]); 7] = [
    ("0.03", 1, ["0.03", "0.01", "0.04"]),
    ("0.02", 1, ["0.02", "0.00", "0.02"]),
    ("19.99", 3, ["19.99", "11.99", "71.96"]),
    ("19.99", 1, ["19.99", "4.00", "23.99"]),
    ("\"10\"", 2, ["10.00", "4.00", "24.00"]),
    ("\"7.5\"", 1, ["7.50", "1.50", "9.00"]),
    (
        "1234567.89",
        1000,
        ["1234567.89", "246913578.00", "1481481468.00"],
    ),
];

#[tokio::test]
async fn an_order_is_accepted_as_pending_and_paid_after_its_delay_with_amounts_exact_to_the_cent() {
    let delay = format!("{}ms", DELAY.as_millis());
    let shop = Shop::start(Shop::builder().env("COMPLETION_DELAY", &delay)).await;
    for (price, quantity, amounts) in AMOUNTS {
        let product = create(&shop, price, 5_000).await;
        let answer = shop.try_order(product, quantity).await.expect(201);
        assert_eq!(
            ["price", "fee", "total"].map(|name| answer.raw(name)),
            amounts
        );
        assert_eq!(answer.raw("status"), "\"pending\"");
        let id = answer.text("id").parse().unwrap();
        assert_eq!(answer.header("location"), format!("/orders/{id}"));

        let paid = shop.wait_status(id, "paid").await;
        let waited = millis(&paid, "paid_at") - millis(&paid, "created_at");
        assert!(waited >= 400, "paid after {waited} ms");
        shop.wait_drained().await;
        assert_eq!(shop.stock(product).await, u64::from(5_000 - quantity));
    }
    shop.assert_quiet().await;
    let paid = shop.payments.length(OrderCompleted::STREAM).await;
    assert_eq!(paid, AMOUNTS.len() as u64);
}

#[tokio::test]
async fn an_order_may_name_its_product_as_id() {
    let shop = Shop::open().await;
    let product = create(&shop, "1", 5).await;
    let body = serde_json::json!({"id": product, "quantity": 2});
    let request = shop.to_payments(Method::POST, "/orders").json(&body);
    let answer = Answer::to(request).await.expect(201);
    assert_eq!(answer.text("product_id"), product.to_string());
    shop.wait_status(answer.text("id").parse().unwrap(), "paid")
        .await;
    shop.assert_quiet().await;
    assert_eq!(shop.stock(product).await, 3);
}

#[tokio::test]
async fn a_delay_of_zero_pays_at_once() {
    let shop = Shop::start(Shop::builder().env("COMPLETION_DELAY", "0")).await;
    let product = create(&shop, "1", 5).await;
    let (id, order) = shop.place_order(product, 5).await;
    assert_eq!(order["completes_at"], order["created_at"]);
    shop.wait_status(id, "paid").await;
    shop.assert_quiet().await;
    assert_eq!(shop.stock(product).await, 0);
}

#[tokio::test]
async fn the_entry_of_a_paid_order_says_what_the_api_says() {
    let shop = Shop::open().await;
    let product = create(&shop, "19.99", 5).await;
    let answer = shop.try_order(product, 3).await.expect(201);
    let paid = shop
        .wait_status(answer.text("id").parse().unwrap(), "paid")
        .await;
    shop.assert_quiet().await;

    let entries = shop.payments.entries(OrderCompleted::STREAM).await;
    let fields = entries[0].fields.as_ref().unwrap();
    let event = OrderCompleted::decode(fields).unwrap();
    assert_eq!(event.order_id.to_string(), paid["id"]);
    assert_eq!((event.product_id, event.quantity), (product, 3));
    let amounts = [event.price, event.fee, event.total].map(|amount| amount.to_string());
    assert_eq!(
        amounts,
        ["price", "fee", "total"].map(|name| answer.raw(name))
    );
    assert_eq!(event.time.to_string(), paid["paid_at"]);

    // The function writes the same fields as the type in Rust.
    let found = fields.iter().map(|(name, value)| (&name[..], &value[..]));
    let stated = event.encode();
    let stated = stated
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    assert_eq!(found.collect::<Vec<_>>(), stated.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_repeated_request_with_the_same_key_is_the_same_order() {
    let shop = Shop::open().await;
    let product = create(&shop, "1", 5).await;
    let ask = |quantity| {
        let request = shop.order_request(product, quantity);
        Answer::to(request.header("Idempotency-Key", "a-key"))
    };
    let first = ask(2).await.expect(201);
    shop.wait_status(first.text("id").parse().unwrap(), "paid")
        .await;
    let again = ask(2).await.expect(201);
    assert_eq!(again.body, first.body, "the second answer is the first one");
    assert_eq!(again.header("idempotent-replayed"), "true");
    ask(3).await.expect(422);
    assert_eq!(shop.orders().await.len(), 1);
    shop.assert_quiet().await;
    assert_eq!(shop.stock(product).await, 3);
}

async fn create(shop: &Shop, price: &str, quantity: u32) -> ProductId {
    let body = format!(r#"{{"name":"thing","price":{price},"quantity":{quantity}}}"#);
    let request = shop.to_inventory(Method::POST, "/products").body(body);
    let request = request.header("content-type", "application/json");
    let answer = Answer::to(request.timeout(LIMIT)).await.expect(201);
    answer.text("id").parse().unwrap()
}
