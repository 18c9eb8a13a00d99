//! What every function of the library promises: all or nothing, and nothing at all on a store that
//! has lost its identity.

use std::collections::BTreeSet;
use std::path::Path;

use inventory::domain::{Adjustment, Cause, Change, Deletion, NewProduct, Outcome, ProductPatch};
use shared::event::{Event, OrderCompleted, RefundOrder};
use shared::id::{OrderId, Partitions, ProductId};
use shared::idempotency::{Claim, Once};
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
    let adjustment = restock(1);
    let errors = [
        test.store.create_product(new, None).await.unwrap_err(),
        test.store.update_product(product, renamed(), &None).await.unwrap_err(),
        test.store.adjust_stock(product, &adjustment, &None, None).await.unwrap_err(),
        test.store.find_movement(ProductId::mint(), OrderId::mint()).await.unwrap_err(),
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
        ("names".to_owned(), "HSET"),
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
async fn a_key_of_a_wrong_type_leaves_a_product_unchanged() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(3).await;
    let key = format!("product:{product}");
    for (name, wrong) in [(key.as_str(), "SET"), (&key, "LPUSH"), ("names", "SET")] {
        let original = spoil(&test, name, wrong).await;
        let before = test.dump().await;
        test.store.update_product(product, renamed(), &None).await.unwrap_err();
        assert_eq!(test.dump().await, before, "{wrong} {name}");
        restore(&test, name, original).await;
    }
    for field in ["name", "sort_name", "version", "created_at"] {
        let original = test.dump().await.remove(&key);
        test.operate("HDEL", &format!("{key} {field}")).await;
        let before = test.dump().await;
        test.store.update_product(product, renamed(), &None).await.unwrap_err();
        assert_eq!(test.dump().await, before, "without {field}");
        restore(&test, &key, original).await;
    }
    let changed = test.store.update_product(product, renamed(), &None).await.unwrap();
    assert!(matches!(changed, Change::Done(found) if found.version == 2));
}

#[tokio::test]
async fn a_key_of_a_wrong_type_leaves_stock_as_it_is() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(3).await;
    let (key, movements) = (format!("product:{product}"), format!("movements:{product}"));
    let adjust = async |claim: Option<&Claim>| {
        test.store.adjust_stock(product, &restock(2), &None, claim).await
    };
    for (name, wrong) in
        [(key.as_str(), "SET"), (&key, "LPUSH"), (&movements, "SET"), (&movements, "HSET")]
    {
        let original = spoil(&test, name, wrong).await;
        let before = test.dump().await;
        adjust(None).await.unwrap_err();
        assert_eq!(test.dump().await, before, "{wrong} {name}");
        restore(&test, name, original).await;
    }
    for (field, value) in [("quantity", "x"), ("quantity", "-1"), ("version", "1.5")] {
        let original = test.dump().await.remove(&key);
        test.operate("HSET", &format!("{key} {field} {value}")).await;
        let before = test.dump().await;
        adjust(None).await.unwrap_err();
        assert_eq!(test.dump().await, before, "{field} {value}");
        restore(&test, &key, original).await;
    }
    let claim = claim();
    let claims = claims_of_today(&test).await;
    spoil(&test, &claims, "SET").await;
    let before = test.dump().await;
    adjust(Some(&claim)).await.unwrap_err();
    assert_eq!(test.dump().await, before, "claims of a wrong type");
    test.operate("DEL", &claims).await;
    let adjusted = adjust(Some(&claim)).await.unwrap();
    assert!(matches!(adjusted, Once::Now(Change::Done(found)) if found.quantity == 5));
    let again = adjust(Some(&claim)).await.unwrap();
    assert!(matches!(again, Once::Before(Change::Done(found)) if found.quantity == 5));
}

#[tokio::test]
async fn a_catalogue_of_a_wrong_type_leaves_no_product_behind() {
    let test = TestStore::start(Partitions::NONE).await;
    test.product(3).await;
    let claims = claims_of_today(&test).await;
    for key in ["products", "names", &claims] {
        for wrong in ["SET", "LPUSH"] {
            let original = spoil(&test, key, wrong).await;
            let before = test.dump().await;
            let new = NewProduct {
                name: "Tea".parse().unwrap(),
                price: "1".parse().unwrap(),
                quantity: 1,
            };
            test.store.create_product(new, Some(&claim())).await.unwrap_err();
            assert_eq!(test.dump().await, before, "{wrong} {key}");
            restore(&test, key, original).await;
        }
    }
}

#[tokio::test]
async fn a_stream_of_changes_of_a_wrong_type_keeps_nobody_from_a_change() {
    let test = TestStore::start(Partitions::NONE).await;
    test.operate("SET", "changes b").await;
    let product = test.product(3).await;
    let changed = test.store.update_product(product, renamed(), &None).await.unwrap();
    assert!(matches!(changed, Change::Done(_)));
    let adjusted = test.store.adjust_stock(product, &restock(1), &None, None).await.unwrap();
    assert!(matches!(adjusted, Once::Now(Change::Done(_))));
    let deleted = test.store.delete_product(product, &None).await.unwrap();
    assert_eq!(deleted, Deletion::Deleted);
}

fn renamed() -> ProductPatch {
    ProductPatch { name: Some("Coffee".parse().unwrap()), price: None }
}

fn restock(quantity: u32) -> Adjustment {
    Adjustment { cause: Cause::Restock, quantity, note: None }
}

fn claim() -> Claim {
    Claim::new("k".parse().unwrap(), &"what")
}

/// The key of the claims of this day, on the clock of the store.
async fn claims_of_today(test: &TestStore) -> String {
    let partition = test.store.own.partitions().all().next().unwrap();
    let now = test.store.own.now(partition).await.unwrap().as_millis();
    format!("idempotency:{}", now / (24 * 60 * 60 * 1_000))
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
