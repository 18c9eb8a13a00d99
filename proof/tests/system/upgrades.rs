//! Stores of other builds: what an older one left is migrated before anybody looks, and what a newer
//! one migrated is left alone.

use shared::contract::id::OrderId;
use stack::role::Role;
use stack::wait::wait_for;

use crate::harness::programs::text;
use crate::harness::{Answer, LIMIT, Shop};

const ORDERS: usize = 12;

/// Makes payments' store one of layout 0: a member of the index for each order, all of score 0, and
/// an identity that is an id alone.
async fn make_old(shop: &Shop, orders: &[OrderId]) {
    let store = &shop.payments;
    store.ask("DEL", &["orders"]).await;
    for id in orders {
        store.ask("ZADD", &["orders", "0", &id.to_string()]).await;
    }
    let identity = store.ask("GET", &["identity"]).await.text().unwrap();
    store
        .ask("SET", &["identity", identity.split(' ').next().unwrap()])
        .await;
}

async fn listed(shop: &Shop) -> usize {
    let path = "/orders?limit=100&created_after=2000-01-01T00:00:00Z";
    let list = shop.to_payments(reqwest::Method::GET, path);
    Answer::to(list)
        .await
        .expect(200)
        .json()
        .as_array()
        .unwrap()
        .len()
}

/// What `reconcile --since 2h` ends with, and what it says.
async fn reconcile(shop: &Shop) -> (i32, String) {
    let args = ["reconcile", "--json", "--since", "2h"];
    let output = shop.run(Role::PaymentsServe, &args).await;
    (output.status.code().unwrap(), text(&output))
}

/// Some orders, paid.
async fn orders(shop: &Shop) -> Vec<OrderId> {
    let product = shop.create_product("thing", 100).await;
    let mut orders = Vec::new();
    for _ in 0..ORDERS {
        orders.push(shop.place_order(product, 1).await.0);
    }
    shop.assert_quiet().await;
    orders
}

#[tokio::test]
async fn a_store_of_an_older_build_is_migrated_and_never_compared_before() {
    let shop = Shop::open().await;
    let orders = orders(&shop).await;
    let processes = ["payments serve", "payments consume"];
    for name in processes {
        shop.system.process(name).kill();
    }
    make_old(&shop, &orders).await;

    let (code, said) = reconcile(&shop).await;
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("this store has an older layout than this build writes"),
        "{said}"
    );
    for name in processes {
        shop.system.process(name).restart().unwrap();
    }
    shop.system.wait_ready().await.unwrap();
    assert_eq!(listed(&shop).await, ORDERS);
    let (code, said) = reconcile(&shop).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(&format!("\"orders\":{ORDERS},")), "{said}");
}

#[tokio::test]
async fn what_an_older_build_writes_beside_a_newer_one_is_compared() {
    let shop = Shop::open().await;
    let orders = orders(&shop).await;
    // A build that knows no layouts has written on, and its functions are still there.
    shop.payments.ask("DEL", &["orders"]).await;
    for id in &orders {
        shop.payments
            .ask("ZADD", &["orders", "0", &id.to_string()])
            .await;
    }
    let library = "#!lua name=payments_v1\nredis.register_function('old_v1', function() end)";
    shop.payments
        .ask("FUNCTION", &["LOAD", "REPLACE", library])
        .await;
    assert_eq!(listed(&shop).await, 0);
    let (code, said) = reconcile(&shop).await;
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(&format!("\"orders\":{ORDERS},")), "{said}");
    assert_eq!(listed(&shop).await, ORDERS);
}

#[tokio::test]
async fn a_store_of_a_newer_build_is_not_written_to_and_its_users_end() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 100).await;
    let identity = shop
        .payments
        .ask("GET", &["identity"])
        .await
        .text()
        .unwrap();
    let words: Vec<&str> = identity.split(' ').collect();
    let newer = format!("{} payments 999 {}", words[0], words[3]);
    shop.payments.ask("SET", &["identity", &newer]).await;

    // A process that was at work stops writing at once, and says that it is not ready.
    let refused = shop.try_order(product, 1).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    shop.wait_readiness("payments serve", 503).await;
    assert_eq!(shop.readiness("inventory serve").await, 200);
    assert_eq!(
        shop.payments
            .ask("EXISTS", &["orders"])
            .await
            .int()
            .unwrap(),
        0
    );

    let (code, said) = reconcile(&shop).await;
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("this store has layout 999, and this build knows layouts up to"),
        "{said}"
    );
    // One that starts ends with the same sentence.
    shop.system.process("payments serve").kill();
    let ended = shop.run(Role::PaymentsServe, &["serve"]).await;
    let said = text(&ended);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(
        said.contains("start a newer build, or restore a backup"),
        "{said}"
    );
    assert_eq!(
        shop.payments
            .ask("GET", &["identity"])
            .await
            .text()
            .unwrap(),
        newer
    );
}

#[tokio::test]
async fn a_comparison_with_a_store_that_is_not_its_own_is_refused() {
    let shop = Shop::open().await;
    let identity = shop
        .payments
        .ask("GET", &["identity"])
        .await
        .text()
        .unwrap();
    for (other, expected) in [
        (
            identity.replace("payments", "inventory"),
            "this store belongs to inventory",
        ),
        (
            format!("{}16", identity.trim_end_matches('0')),
            "made with PARTITIONS=16, not without",
        ),
        (
            "hello world".to_owned(),
            "another program uses this database",
        ),
    ] {
        shop.payments.ask("SET", &["identity", &other]).await;
        let (code, said) = reconcile(&shop).await;
        assert_eq!(code, 1, "{said}");
        assert!(said.contains(expected), "{said}");
    }
    shop.payments.ask("DEL", &["identity"]).await;
    let (code, said) = reconcile(&shop).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("it has no identity"), "{said}");
}

#[tokio::test]
async fn that_a_store_keeps_no_file_is_said_once_however_often_it_is_tried() {
    let shop = Shop::start(Shop::builder().without("payments serve")).await;
    shop.payments
        .ask("CONFIG", &["SET", "appendonly", "no"])
        .await;
    // Its data is lost, so it is tried again and again.
    shop.payments.ask("DEL", &["identity"]).await;
    let (_process, lines) = shop.start_overheard(Role::PaymentsServe, &[]);
    let tried = || async {
        let stats = shop
            .payments
            .ask("INFO", &["commandstats"])
            .await
            .text()
            .unwrap();
        let count = |line: &str| {
            line.strip_prefix("cmdstat_function|load:calls=")?
                .split(',')
                .next()?
                .parse()
                .ok()
        };
        stats
            .lines()
            .find_map(count)
            .filter(|loads: &u64| *loads >= 5)
    };
    shop.payments.ask("CONFIG", &["RESETSTAT"]).await;
    wait_for("five attempts", LIMIT, tried).await.unwrap();
    let said = lines.lock().unwrap().join("\n");
    assert_eq!(
        said.matches("keeps no append-only file").count(),
        1,
        "{said}"
    );
}
