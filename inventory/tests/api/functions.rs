//! What every function of the library promises: it changes nothing on a store without identity, and
//! it is loaded when it is called.

use inventory::domain::{Adjustment, ApplyOutcome, Cause, Deletion, NewProduct, ProductPatch};
use proof::functions;
use shared::contract::entry_id::EntryId;
use shared::contract::event::OrderCompleted;
use shared::contract::id::{OrderId, ProductId};
use shared::contract::trace::RequestContext;
use shared::store::condition::Condition;
use shared::store::partition::Partitions;

use crate::harness::{KEEP, TestStore, order};

/// A batch of orders: for a product with stock, one without stock, a deleted one, and one that
/// never existed.
struct Batch {
    product: ProductId,
    orders: Vec<OrderCompleted>,
}

async fn batch(test: &TestStore) -> Batch {
    let (product, empty, deleted) = (
        test.product(10).await,
        test.product(0).await,
        test.product(1).await,
    );
    test.remove(deleted).await;
    let wanted = [product, empty, deleted, ProductId::mint(), product];
    let orders = wanted.into_iter().map(|id| order(id, 1)).collect();
    Batch { product, orders }
}

#[tokio::test]
async fn every_lua_file_is_a_function_of_the_store() {
    let test = TestStore::start(Partitions::NONE).await;
    test.product(1).await;
    functions::assert_are_lua_files(&test, &test.store.own, env!("CARGO_MANIFEST_DIR")).await;
}

#[tokio::test]
async fn a_store_without_identity_refuses_every_function() {
    let test = TestStore::start(Partitions::NONE).await;
    let Batch { product, orders } = batch(&test).await;
    test.operate("DEL", "identity").await;
    let before = test.dump().await;
    functions::assert_refused_without_identity(&test).await;
    let new = NewProduct {
        name: "Tea".parse().unwrap(),
        price: "1".parse().unwrap(),
        quantity: 1,
    };
    let adjustment = restock(1);
    let context = RequestContext::mint();
    let errors = [
        test.store.create_product(new, None).await.unwrap_err(),
        test.store
            .update_product(product, renamed(), &Condition::NONE)
            .await
            .unwrap_err(),
        test.store
            .adjust_stock(product, &adjustment, &Condition::NONE, None)
            .await
            .unwrap_err(),
        test.store
            .find_movement(ProductId::mint(), OrderId::mint())
            .await
            .unwrap_err(),
        test.store
            .delete_product(product, &Condition::NONE)
            .await
            .unwrap_err(),
        test.store.apply_orders(&orders, KEEP).await.unwrap_err(),
        test.store
            .release_order(OrderId::mint(), product, &context)
            .await
            .unwrap_err(),
        test.store
            .release_surplus(OrderId::mint(), product, EntryId::first_of(1))
            .await
            .unwrap_err(),
    ];
    for error in errors {
        // The error says "not now", so the consumer waits: an operator may bring the data back.
        assert!(error.did_nothing(), "{error:?}");
    }
    assert!(!test.store.own.has_identity().await.unwrap());
    assert_eq!(test.dump().await, before);

    test.store.own.adopt().await.unwrap();
    let outcomes = test.apply(&orders).await;
    assert_eq!(outcomes[0], ApplyOutcome::Applied);
}

#[tokio::test]
async fn functions_that_are_flushed_are_loaded_again() {
    let test = TestStore::start(Partitions::NONE).await;
    let Batch { product, orders } = batch(&test).await;
    let functions = functions::names(&test).await;
    test.operate("FUNCTION", "FLUSH").await;
    let outcomes = test.apply(&orders).await;
    assert_eq!(outcomes[0], ApplyOutcome::Applied);
    assert_eq!(functions::names(&test).await, functions);
    test.operate("FUNCTION", "FLUSH").await;
    let deleted = test.remove(product).await;
    assert_eq!(deleted, Deletion::Deleted);
    test.operate("FUNCTION", "FLUSH").await;
    test.product(1).await;
}

fn renamed() -> ProductPatch {
    ProductPatch {
        name: Some("Coffee".parse().unwrap()),
        price: None,
    }
}

fn restock(quantity: u32) -> Adjustment {
    Adjustment {
        cause: Cause::Restock,
        quantity,
        note: None,
    }
}
