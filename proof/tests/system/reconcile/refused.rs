//! A repair that inventory refuses for good is reported as not repaired, and all other repairs are
//! made.

use proof::order_line;
use reqwest::Method;
use shared::contract::id::{OrderId, ProductId};
use stack::client::Answer;

use super::run::{paid, reconcile};
use crate::harness::Shop;

/// More than the failures in a row after which payments does not ask inventory for a while.
const REFUSED: usize = 6;
/// The most pieces of a product.
const MAX_STOCK: u32 = 1_000_000_000;

/// An order whose stock is taken, and which payments has as cancelled.
async fn cancelled(shop: &Shop, product: ProductId) -> OrderId {
    let id = paid(shop, product, 1).await;
    let cancel = |line: &mut Vec<String>| {
        line.truncate(order_line::LATER);
        line.push("cancelled 1".to_owned());
    };
    shop.change_order(id, cancel).await;
    id
}

#[tokio::test]
async fn a_repair_that_is_refused_for_good_ends_neither_the_run_nor_the_other_repairs() {
    let shop = Shop::open().await;
    let full = shop.create_product("full", 10).await;
    let other = shop.create_product("other", 10).await;
    for _ in 0..REFUSED {
        cancelled(&shop, full).await;
    }
    cancelled(&shop, other).await;
    shop.payments.ask("HDEL", &["account", "charged"]).await;
    // The product has the most pieces already, so no piece can come back.
    let more = u64::from(MAX_STOCK) - shop.stock(full).await;
    let path = format!("/products/{full}/restock");
    let restock = shop.to_inventory(Method::POST, &path);
    let restock = restock.json(&serde_json::json!({"quantity": more}));
    Answer::to(restock).await.expect(200);

    let run = reconcile(&shop, &["--apply"]).await;
    let mut expected = vec![("stock_taken", false); REFUSED];
    expected.push(("stock_taken", true));
    let mut kinds = run.kinds();
    kinds.sort_unstable();
    assert_eq!((run.code, kinds), (3, expected), "{run:?}");
    for line in run.report["differences"].as_array().unwrap() {
        let is_refused = line["product_id"] == full.to_string();
        let detail = line["detail"].as_str().unwrap();
        let says_so =
            detail.ends_with("; not repaired: inventory refused it: 422 Unprocessable Entity");
        assert_eq!(
            (line["repaired"] == false, says_so),
            (is_refused, is_refused),
            "{line}"
        );
    }
    assert_eq!(
        (shop.stock(full).await, shop.stock(other).await),
        (MAX_STOCK.into(), 10)
    );
}
