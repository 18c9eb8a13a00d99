//! A store of layout 0 becomes one of today.

use inventory::domain::{Filter, ProductPatch, Sort};
use inventory::store::ProductStore;
use shared::base::shutdown::Shutdown;
use shared::contract::id::ProductId;
use shared::redis::Command;
use shared::store::condition::Condition;
use shared::store::open::Witness;
use shared::store::partition::Partitions;
use stack::credentials::User;

use crate::harness::{PRODUCT_NAME, TestStore};

/// More than a migration reads at once.
const PRODUCTS: u32 = 130;

/// Sorts a product by another text, as a build did that made other texts of names.
async fn sort_by(test: &TestStore, id: ProductId, other: &str) {
    let key = format!("product:{id}");
    let line = test
        .operator
        .run(Command::new("GET").key(key.as_str()))
        .await
        .unwrap();
    let line = line.text().unwrap();
    let (values, before) = line.split_once('\t').unwrap();
    let member = format!("{before}\0{id}");
    test.operator
        .run(Command::new("ZREM").key("names").arg(member))
        .await
        .unwrap();
    let member = format!("{other}\0{id}");
    test.operator
        .run(Command::new("ZADD").key("names").arg("0").arg(member))
        .await
        .unwrap();
    let line = format!("{values}\t{other}");
    test.operator
        .run(Command::new("SET").key(key).arg(line))
        .await
        .unwrap();
}

/// Makes the identity one of layout 0, and opens the store as a process of this build does.
async fn migrate(test: &TestStore) {
    test.operate("SET", "identity an-id").await;
    let store = ProductStore::new(test.client(User::Inventory).unwrap(), Partitions::NONE);
    let redis = test.operator.clone();
    let witness = Witness {
        redis,
        stream: "order_completed",
        group: "inventory-group",
    };
    store.own.open(&witness, &Shutdown::new()).await.unwrap();
}

async fn named(test: &TestStore, prefix: &str) -> usize {
    let filter = Filter {
        prefix: Some(prefix.parse().unwrap()),
        ..Filter::default()
    };
    let page = test
        .store
        .list_products(&filter, Sort::Name, None, 200)
        .await
        .unwrap();
    page.items.len()
}

#[tokio::test]
async fn products_are_found_by_the_text_that_this_build_makes_of_their_names() {
    let test = TestStore::start(Partitions::NONE).await;
    let mut products = Vec::new();
    for _ in 0..PRODUCTS {
        products.push(test.product(1).await);
    }
    let before = test.dump().await;
    for (number, &id) in products
        .iter()
        .enumerate()
        .filter(|(number, _)| number % 2 == 0)
    {
        sort_by(&test, id, &format!("an older text {number}")).await;
    }
    assert_eq!(named(&test, PRODUCT_NAME).await, products.len() / 2);

    migrate(&test).await;
    assert_eq!(named(&test, PRODUCT_NAME).await, products.len());
    let mut after = test.dump().await;
    after.insert("identity".to_owned(), before["identity"].clone());
    assert_eq!(
        after, before,
        "no version and no time of a product is another one"
    );
    // What is changed or deleted later leaves nothing behind.
    let patch = ProductPatch {
        name: Some("Coffee".parse().unwrap()),
        price: None,
    };
    test.store
        .update_product(products[0], patch, &Condition::NONE)
        .await
        .unwrap();
    test.store
        .delete_product(products[2], &Condition::NONE)
        .await
        .unwrap();
    assert_eq!(named(&test, PRODUCT_NAME).await, products.len() - 2);
    let members = test
        .operator
        .run(Command::new("ZCARD").key("names"))
        .await
        .unwrap();
    assert_eq!(members.int().unwrap(), i64::from(PRODUCTS) - 1);
}

#[tokio::test]
async fn a_product_that_is_damaged_or_gone_keeps_no_store_closed() {
    let test = TestStore::start(Partitions::NONE).await;
    let (damaged, other, gone, whole) = (
        test.product(1).await,
        test.product(1).await,
        test.product(1).await,
        test.product(1).await,
    );
    test.operate("SET", &format!("product:{damaged} x")).await;
    test.operate("DEL", &format!("product:{other}")).await;
    test.operate("RPUSH", &format!("product:{other} x")).await;
    test.operate("DEL", &format!("product:{gone}")).await;
    test.operate("ZADD", "products 0 what-is-no-id").await;
    sort_by(&test, whole, "an older text").await;
    migrate(&test).await;
    let line = test
        .operator
        .run(Command::new("GET").key(format!("product:{whole}")))
        .await;
    assert!(line.unwrap().text().unwrap().ends_with("\ttea"));
}
