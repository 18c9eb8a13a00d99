//! What every function of the library promises: it changes nothing on a store without identity, and
//! it is loaded when it is called.

use std::collections::BTreeSet;
use std::path::Path;

use inventory::domain::{Adjustment, ApplyOutcome, Cause, Deletion, NewProduct, ProductPatch};
use shared::contract::entry_id::EntryId;
use shared::contract::event::OrderCompleted;
use shared::contract::id::{OrderId, ProductId};
use shared::contract::trace::RequestContext;
use shared::redis::Command;
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
    test.store
        .delete_product(deleted, &Condition::NONE)
        .await
        .unwrap();
    let wanted = [product, empty, deleted, ProductId::mint(), product];
    let orders = wanted.into_iter().map(|id| order(id, 1)).collect();
    Batch { product, orders }
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
    let test = TestStore::start(Partitions::NONE).await;
    test.product(1).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lua");
    let files = std::fs::read_dir(folder).unwrap().filter_map(|file| {
        let name = file.unwrap().file_name().into_string().unwrap();
        // The code that several functions share is in a folder beside them.
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
    let test = TestStore::start(Partitions::NONE).await;
    let Batch { product, orders } = batch(&test).await;
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
    let outcomes = test.store.apply_orders(&orders, KEEP).await.unwrap();
    assert_eq!(outcomes[0], ApplyOutcome::Applied);
}

#[tokio::test]
async fn functions_that_are_flushed_are_loaded_again() {
    let test = TestStore::start(Partitions::NONE).await;
    let Batch { product, orders } = batch(&test).await;
    let functions = function_names(&test).await;
    test.operate("FUNCTION", "FLUSH").await;
    let outcomes = test.store.apply_orders(&orders, KEEP).await.unwrap();
    assert_eq!(outcomes[0], ApplyOutcome::Applied);
    assert_eq!(function_names(&test).await, functions);
    test.operate("FUNCTION", "FLUSH").await;
    let deleted = test
        .store
        .delete_product(product, &Condition::NONE)
        .await
        .unwrap();
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
