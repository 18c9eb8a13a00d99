//! What every function of the library promises: it changes nothing on a store without identity, and
//! it is loaded when it is called.

use payments::domain::{Cancellation, OrderStatus, Refund};
use proof::functions;
use shared::contract::id::OrderId;
use shared::store::claim::{Claim, Once};
use shared::store::condition::Condition;
use shared::store::partition::Partitions;

use crate::harness::{TestStore, only_partition, place, refund, try_place};

pub(crate) const ENTRY: &str = "1-0";

pub(crate) async fn start() -> TestStore {
    TestStore::start(Partitions::NONE).await
}

pub(crate) async fn complete(test: &TestStore) -> Vec<OrderId> {
    let completion = test.store.complete_due(only_partition()).await.unwrap();
    let ids = completion.paid.iter();
    ids.map(|id| id.parse().unwrap()).collect()
}

pub(crate) async fn status(test: &TestStore, id: OrderId) -> OrderStatus {
    test.store.find_order(id).await.unwrap().unwrap().status
}

#[tokio::test]
async fn every_lua_file_is_a_function_of_the_store() {
    let test = start().await;
    complete(&test).await;
    functions::assert_are_lua_files(&test, &test.store.own, env!("CARGO_MANIFEST_DIR")).await;
}

#[tokio::test]
async fn a_store_without_identity_refuses_every_function() {
    let test = start().await;
    let order = place(&test.store).await;
    let due = order.id;
    let later = place(&test.later).await.id;
    test.operate("DEL", "identity").await;
    let before = test.dump().await;
    functions::assert_refused_without_identity(&test).await;
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
    let cancel = async |key: &str| {
        let claim = Claim::new(key.parse().unwrap(), &"cancel");
        let store = &test.store;
        store
            .cancel_order(order, &Condition::NONE, Some(&claim))
            .await
            .unwrap()
    };
    let done = Once::Now(Cancellation::Cancelled);
    assert_eq!(cancel("a").await, done);
    let before = test.dump().await;
    assert_eq!(cancel("b").await, done);
    assert_eq!(test.dump().await, before);
}
