//! The same event is delivered again and again.

use std::slice;

use shared::contract::event::{Event, OrderCompleted, RefundOrder};

use crate::harness::{Shop, completed};

#[tokio::test]
async fn the_same_event_delivered_ten_times_takes_the_stock_once() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 100).await;
    let event = completed(product, 3);
    // Five copies meet in one batch, and five come after the first is settled.
    shop.emit(&vec![event.clone(); 5]).await;
    shop.assert_quiet().await;
    assert_eq!(shop.stock(product).await, 97);
    for _ in 0..5 {
        shop.emit(slice::from_ref(&event)).await;
        shop.assert_quiet().await;
    }
    assert_eq!(shop.payments.length(OrderCompleted::STREAM).await, 10);
    assert_eq!(shop.stock(product).await, 97);
    assert_eq!(shop.inventory.length(RefundOrder::STREAM).await, 0);
    assert_eq!(
        shop.movements(product).await,
        2,
        "its creation and one sale"
    );
}

#[tokio::test]
async fn a_rejected_order_delivered_again_is_answered_again_and_refunded_once() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 2).await;
    let (id, _) = shop.place_order(product, 3).await;
    let refunded = shop.wait_status(id, "refunded").await;
    shop.assert_quiet().await;
    assert_eq!(refunded["reason"], "insufficient_stock");
    assert_eq!(shop.inventory.length(RefundOrder::STREAM).await, 1);

    let entry = shop
        .payments
        .entries(OrderCompleted::STREAM)
        .await
        .remove(0);
    let fields = entry.fields.unwrap();
    for copies in 2..=4 {
        let stream = OrderCompleted::STREAM.to_owned();
        shop.payments.add(stream, fields.clone()).await;
        shop.assert_quiet().await;
        assert_eq!(shop.inventory.length(RefundOrder::STREAM).await, copies);
    }
    assert_eq!(shop.order(id).await, refunded, "the order did not change");
    assert_eq!(shop.stock(product).await, 2);
}

#[tokio::test]
async fn an_order_keeps_its_answer_when_the_stock_has_changed_since() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 5).await;
    let (too_many, one) = (completed(product, 6), completed(product, 5));
    shop.emit(slice::from_ref(&one)).await;
    shop.wait_drained().await;
    assert_eq!(shop.stock(product).await, 0);
    // The order has taken its stock, and keeps it although the product is sold out.
    shop.emit(&[one]).await;
    shop.assert_quiet().await;
    assert_eq!(shop.inventory.length(RefundOrder::STREAM).await, 0);

    // The order was rejected, and stays rejected although there is stock now. payments does not
    // know the order, so it parks the refund.
    shop.emit(slice::from_ref(&too_many)).await;
    shop.wait_drained().await;
    shop.set_stock(product, 6).await;
    shop.emit(&[too_many]).await;
    shop.wait_drained().await;
    assert_eq!(shop.stock(product).await, 6);
    let reasons = shop.inventory.column(RefundOrder::STREAM, "reason").await;
    assert_eq!(reasons, ["insufficient_stock"; 2]);
    let letters = shop.payments.dead_letters().await;
    let reasons: Vec<_> = letters.iter().map(|letter| &letter.reason).collect();
    assert_eq!(reasons, ["order_not_found"; 2]);
}
