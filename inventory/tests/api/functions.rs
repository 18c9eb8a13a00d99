//! What every function of the library promises: all or nothing, and nothing at all on a store that
//! has lost its identity.

use std::collections::BTreeSet;
use std::path::Path;

use inventory::domain::{Deletion, NewProduct, Outcome};
use shared::event::{Event, OrderCompleted, RefundOrder};
use shared::id::{Partitions, ProductId};
use shared::redis::{Command, RedisError};

use crate::harness::{KEEP, TestStore, order};

/// A product with stock, one without, and an order for each, for one that is deleted and for one
/// that never was.
struct Batch {
    product: ProductId,
    orders: Vec<OrderCompleted>,
}

async fn batch(test: &TestStore) -> Batch {
    let (product, empty, deleted) =
        (test.product(10).await, test.product(0).await, test.product(1).await);
    test.store.delete_product(deleted, &None).await.unwrap();
    let wanted = [product, empty, deleted, ProductId::mint(), product];
    let orders = wanted.into_iter().map(|id| order(id, 1)).collect();
    Batch { product, orders }
}

/// The names of the functions in the store.
async fn function_names(test: &TestStore) -> BTreeSet<String> {
    let list = test.operator.run(Command::new("FUNCTION").arg("LIST")).await;
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
    let files = std::fs::read_dir(folder).unwrap().map(|file| {
        let name = file.unwrap().file_name().into_string().unwrap();
        format!("{}_v1", name.strip_suffix(".lua").unwrap())
    });
    let expected: BTreeSet<String> = files.collect();
    assert_eq!(function_names(&test).await, expected);
}

#[tokio::test]
async fn a_store_without_identity_refuses_every_function() {
    let test = TestStore::start(Partitions::NONE).await;
    let Batch { product, orders } = batch(&test).await;
    test.operate("DEL", "identity").await;
    let before = test.dump().await;
    for name in function_names(&test).await {
        let call = Command::new("FCALL").arg(name.as_str()).arg(1).key("identity");
        let error = test.operator.run(call).await.unwrap_err();
        assert!(error.to_string().contains("NOIDENTITY"), "{name}: {error}");
    }
    let new = NewProduct { name: "Tea".parse().unwrap(), price: "1".parse().unwrap(), quantity: 1 };
    let errors = [
        test.store.create_product(new, None).await.unwrap_err(),
        test.store.delete_product(product, &None).await.unwrap_err(),
        test.store.apply_orders(&orders, KEEP).await.unwrap_err(),
    ];
    for error in errors {
        // Waited for, not parked: somebody may bring the data back.
        assert!(matches!(error, RedisError::Unavailable(_)), "{error:?}");
    }
    assert!(!test.store.own.has_identity().await.unwrap());
    assert_eq!(test.dump().await, before);

    test.store.own.adopt().await.unwrap();
    let outcomes = test.store.apply_orders(&orders, KEEP).await.unwrap();
    assert_eq!(outcomes[0], Outcome::Applied);
}

#[tokio::test]
async fn functions_that_are_flushed_are_loaded_again() {
    let test = TestStore::start(Partitions::NONE).await;
    let Batch { product, orders } = batch(&test).await;
    let functions = function_names(&test).await;
    test.operate("FUNCTION", "FLUSH").await;
    let outcomes = test.store.apply_orders(&orders, KEEP).await.unwrap();
    assert_eq!(outcomes[0], Outcome::Applied);
    assert_eq!(function_names(&test).await, functions);
    test.operate("FUNCTION", "FLUSH").await;
    let deleted = test.store.delete_product(product, &None).await.unwrap();
    assert_eq!(deleted, Deletion::Deleted);
    test.operate("FUNCTION", "FLUSH").await;
    test.product(1).await;
}

#[tokio::test]
async fn a_key_of_a_wrong_type_leaves_a_whole_batch_unapplied() {
    let test = TestStore::start(Partitions::NONE).await;
    let Batch { product, orders } = batch(&test).await;
    let hour = orders[0].ordered_at.as_millis() / 3_600_000;
    let last = orders.last().unwrap().product_id;
    assert_eq!(last, product);
    for (key, wrong) in [
        (format!("product:{product}"), "SET"),
        (format!("product:{}", orders[3].product_id), "LPUSH"),
        (format!("movements:{product}"), "HSET"),
        (format!("movements:{}", orders[1].product_id), "SET"),
        (RefundOrder::STREAM.to_owned(), "SET"),
        (RefundOrder::STREAM.to_owned(), "HSET"),
        (format!("applied:{hour}"), "LPUSH"),
        (format!("applied:{hour}"), "SET"),
        ("applied".to_owned(), "SET"),
        ("applied".to_owned(), "LPUSH"),
    ] {
        let original = spoil(&test, &key, wrong).await;
        let before = test.dump().await;
        test.store.apply_orders(&orders, KEEP).await.unwrap_err();
        assert_eq!(test.dump().await, before, "{wrong} {key}");
        restore(&test, &key, original).await;
    }
    let outcomes = test.store.apply_orders(&orders, KEEP).await.unwrap();
    assert_eq!(outcomes[0], Outcome::Applied, "all is well again");
}

#[tokio::test]
async fn a_key_of_a_wrong_type_leaves_a_product_undeleted() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(3).await;
    for (key, wrong) in [
        (format!("product:{product}"), "SET"),
        ("products".to_owned(), "SET"),
        (format!("movements:{product}"), "HSET"),
        (format!("movements:{product}"), "SET"),
    ] {
        let original = spoil(&test, &key, wrong).await;
        let before = test.dump().await;
        test.store.delete_product(product, &None).await.unwrap_err();
        assert_eq!(test.dump().await, before, "{wrong} {key}");
        restore(&test, &key, original).await;
    }
    let deleted = test.store.delete_product(product, &None).await.unwrap();
    assert_eq!(deleted, Deletion::Deleted);
}

#[tokio::test]
async fn a_catalogue_of_a_wrong_type_leaves_no_product_behind() {
    let test = TestStore::start(Partitions::NONE).await;
    test.product(3).await;
    for wrong in ["SET", "HSET", "LPUSH"] {
        let original = spoil(&test, "products", wrong).await;
        let before = test.dump().await;
        let new =
            NewProduct { name: "Tea".parse().unwrap(), price: "1".parse().unwrap(), quantity: 1 };
        test.store.create_product(new, None).await.unwrap_err();
        assert_eq!(test.dump().await, before, "{wrong}");
        restore(&test, "products", original).await;
    }
}

/// Puts something of another type where `key` was, and answers what was there.
async fn spoil(test: &TestStore, key: &str, wrong: &'static str) -> Option<Vec<u8>> {
    let original = test.dump().await.remove(key);
    test.operate("DEL", key).await;
    let value = if wrong == "HSET" { "a b" } else { "b" };
    test.operate(wrong, &format!("{key} {value}")).await;
    original
}

async fn restore(test: &TestStore, key: &str, original: Option<Vec<u8>>) {
    test.operate("DEL", key).await;
    if let Some(value) = original {
        let command = Command::new("RESTORE").key(key).arg(0).arg(&value[..]);
        test.operator.run(command).await.unwrap();
    }
}
