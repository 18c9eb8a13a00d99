//! What every function of the library promises: it changes nothing on a store without identity, and
//! it is loaded when it is called.

use std::collections::BTreeSet;
use std::path::Path;

use payments::domain::{Cancellation, Order, OrderStatus, PlaceOrder, Quote, Refund};
use payments::store::OrderStore;
use shared::contract::event::{RefundOrder, RefundReason};
use shared::contract::id::{OrderId, ProductId};
use shared::contract::time::Timestamp;
use shared::contract::trace::{RequestContext, RequestId, TraceParent};
use shared::redis::{Command, RedisError};
use shared::store::claim::{Claim, Once};
use shared::store::condition::Condition;
use shared::store::partition::Partitions;

use crate::harness::{TestStore, only_partition};

pub(crate) const ENTRY: &str = "1-0";

pub(crate) async fn start() -> TestStore {
    TestStore::start(Partitions::NONE).await
}

pub(crate) async fn try_place(
    store: &OrderStore,
    key: Option<&str>,
) -> Result<Once<Order>, RedisError> {
    let wanted = PlaceOrder {
        product_id: ProductId::mint(),
        quantity: 3,
    };
    let quote = Quote::of("19.90".parse().unwrap(), 3, "0.20".parse().unwrap()).unwrap();
    let claim = key.map(|key| Claim::new(key.parse().unwrap(), &"POST /orders"));
    store
        .place_order(wanted, quote, &RequestContext::mint(), claim.as_ref())
        .await
}

pub(crate) async fn place(store: &OrderStore) -> Order {
    match try_place(store, None).await.unwrap() {
        Once::Now(order) => order,
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn complete(test: &TestStore) -> Vec<OrderId> {
    let completion = test.store.complete_due(only_partition()).await.unwrap();
    let ids = completion.paid.iter();
    ids.map(|id| id.parse().unwrap()).collect()
}

pub(crate) async fn status(test: &TestStore, id: OrderId) -> OrderStatus {
    test.store.find_order(id).await.unwrap().unwrap().status
}

pub(crate) fn refund(order: &Order) -> RefundOrder {
    RefundOrder {
        order_id: order.id,
        product_id: order.wanted.product_id,
        quantity: order.wanted.quantity,
        reason: RefundReason::InsufficientStock,
        time: Timestamp::from_millis(0),
        traceparent: TraceParent::mint(),
        request_id: RequestId::mint(),
    }
}

/// The names of the functions in the store.
async fn function_names(test: &TestStore) -> BTreeSet<String> {
    let list = test
        .operator
        .run(Command::new("FUNCTION").arg("LIST"))
        .await;
    let mut names = BTreeSet::new();
    for library in list.unwrap().list().unwrap() {
        for function in library.field("functions").unwrap().list().unwrap() {
            names.insert(function.field("name").unwrap().text().unwrap());
        }
    }
    names
}

#[tokio::test]
async fn every_lua_file_is_a_function_of_the_store() {
    let test = start().await;
    complete(&test).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lua");
    let files = std::fs::read_dir(folder).unwrap().filter_map(|file| {
        // The code that several functions share is in a folder beside them.
        let name = file.unwrap().file_name().into_string().unwrap();
        Some(name.strip_suffix(".lua")?.to_owned())
    });
    // Every library also has these functions.
    let common = ["move_checkpoint", "set_identity"].map(str::to_owned);
    let library = test.store.own.library();
    let expected: BTreeSet<String> = files
        .chain(common)
        .map(|name| format!("{name}_{library}"))
        .collect();
    assert_eq!(function_names(&test).await, expected);
}

#[tokio::test]
async fn a_store_without_identity_refuses_every_function() {
    let test = start().await;
    let order = place(&test.store).await;
    let due = order.id;
    let later = place(&test.later).await.id;
    test.operate("DEL", "identity").await;
    let before = test.dump().await;
    for name in function_names(&test).await {
        let call = Command::new("FCALL")
            .arg(name.as_str())
            .arg(1)
            .key("identity");
        let error = test.operator.run(call).await.unwrap_err();
        assert!(error.to_string().contains("NOIDENTITY"), "{name}: {error}");
    }
    for error in [
        try_place(&test.later, Some("k")).await.unwrap_err(),
        test.store.complete_due(only_partition()).await.unwrap_err(),
        test.store
            .cancel_order(later, &Condition::NONE, None)
            .await
            .unwrap_err(),
        test.store
            .refund_orders(&[refund(&order)], &[ENTRY])
            .await
            .unwrap_err(),
        test.store.emit_again(due).await.unwrap_err(),
        test.store.read_account(only_partition()).await.unwrap_err(),
    ] {
        // The error says "not now", so the consumer waits: an operator may bring the data back.
        assert!(error.did_nothing(), "{error:?}");
    }
    assert_eq!(test.dump().await, before);
    test.store.own.adopt().await.unwrap();
    assert_eq!(complete(&test).await, [due]);
}

#[tokio::test]
async fn functions_that_are_flushed_are_loaded_again() {
    let test = start().await;
    let order = place(&test.store).await;
    test.operate("FUNCTION", "FLUSH").await;
    assert_eq!(complete(&test).await, [order.id]);
    test.operate("FUNCTION", "FLUSH").await;
    let refunded = test
        .store
        .refund_orders(&[refund(&order)], &[ENTRY])
        .await
        .unwrap();
    assert_eq!(refunded, [Refund::Refunded]);
    test.operate("FUNCTION", "FLUSH").await;
    let order = place(&test.later).await.id;
    test.operate("FUNCTION", "FLUSH").await;
    assert_eq!(
        test.store
            .cancel_order(order, &Condition::NONE, None)
            .await
            .unwrap(),
        Once::Now(Cancellation::Cancelled)
    );
}

#[tokio::test]
async fn a_key_without_an_effect_is_not_written_down() {
    let test = start().await;
    let order = place(&test.later).await.id;
    let claim = |key: &str| Claim::new(key.parse().unwrap(), &"cancel");
    let done = Once::Now(Cancellation::Cancelled);
    assert_eq!(
        test.store
            .cancel_order(order, &Condition::NONE, Some(&claim("a")))
            .await
            .unwrap(),
        done
    );
    let before = test.dump().await;
    assert_eq!(
        test.store
            .cancel_order(order, &Condition::NONE, Some(&claim("b")))
            .await
            .unwrap(),
        done
    );
    assert_eq!(test.dump().await, before);
}
