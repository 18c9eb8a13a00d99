//! Stores of other builds: no process compares them, writes to them, or goes on with them.

use stack::role::Role;
use stack::wait::eventually;

use crate::harness::programs::text;
use crate::harness::{Shop, Store};

/// The status and the output of `reconcile --since 2h`.
async fn reconcile(shop: &Shop) -> (i32, String) {
    let args = ["reconcile", "--json", "--since", "2h"];
    let output = shop.run(Role::PaymentsServe, &args).await;
    (output.status.code().unwrap(), text(&output))
}

/// Gives a store the identity of a build with this layout. Answers the identity from before.
async fn set_layout(store: &Store, service: &str, layout: u32) -> String {
    let identity = store.ask("GET", &["identity"]).await.text().unwrap();
    let words: Vec<&str> = identity.split(' ').collect();
    let other = format!("{} {service} {layout} {}", words[0], words[3]);
    store.ask("SET", &["identity", &other]).await;
    identity
}

#[tokio::test]
async fn a_store_of_an_older_build_is_not_read_and_its_processes_end() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 100).await;
    let (id, _) = shop.place_order(product, 1).await;
    shop.assert_quiet().await;
    for role in Role::ALL {
        shop.system.process(role.name()).kill();
    }
    let stores = [(&shop.payments, "payments"), (&shop.inventory, "inventory")];
    let mut before = Vec::new();
    for (store, service) in stores {
        before.push(set_layout(store, service, 1).await);
    }
    let refused = "this store has layout 1, and this build knows layouts from 2 on: start the build \
                   that wrote it, or give each service an empty store";
    let (code, said) = reconcile(&shop).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains(refused), "{said}");
    for role in Role::ALL {
        let (_, verb) = role.name().split_once(' ').unwrap();
        let ended = shop.run(role, &[verb]).await;
        let said = text(&ended);
        assert_eq!(ended.status.code(), Some(1), "{said}");
        assert!(said.contains(refused), "{said}");
    }

    for ((store, _), identity) in stores.into_iter().zip(before) {
        store.ask("SET", &["identity", &identity]).await;
    }
    for role in Role::ALL {
        shop.system.process(role.name()).restart().unwrap();
    }
    shop.system.wait_ready().await.unwrap();
    assert_eq!(shop.order(id).await["status"], "paid");
    assert_eq!(shop.stock(product).await, 99, "the stock was taken once");
    assert_eq!(reconcile(&shop).await.0, 0);
}

#[tokio::test]
async fn a_process_does_not_write_to_a_store_of_a_newer_build_and_ends() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 100).await;
    set_layout(&shop.payments, "payments", 999).await;
    let newer = shop.payments.ask("GET", &["identity"]).await;

    // A running process stops writing at once, and is not ready.
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
    // A process that starts ends with the same sentence.
    shop.system.process("payments serve").kill();
    let ended = shop.run(Role::PaymentsServe, &["serve"]).await;
    let said = text(&ended);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(
        said.contains("start a newer build, or restore a backup"),
        "{said}"
    );
    assert_eq!(shop.payments.ask("GET", &["identity"]).await, newer);
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
async fn a_store_without_a_file_is_reported_once_for_all_tries() {
    let shop = Shop::start(Shop::builder().without("payments serve")).await;
    shop.payments
        .ask("CONFIG", &["SET", "appendonly", "no"])
        .await;
    // The store has lost its data, so the process tries again and again.
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
    eventually("five attempts", tried).await;
    let said = lines.lock().unwrap().join("\n");
    assert_eq!(
        said.matches("keeps no append-only file").count(),
        1,
        "{said}"
    );
}
