//! Both stores on one Redis server. Two databases work. With one database for both, a service ends
//! at once and says what to do.

use shared::redis::Redis;
use shared::store::partition::Partitions;
use stack::client;
use stack::credentials::User;
use stack::process::Process;
use stack::redis::Owner;
use stack::role::Role;
use stack::system::Builder;
use stack::wait::eventually;

use crate::harness::programs::{Lines, run, text};
use crate::harness::{Shop, Store};

/// A system whose servers run, and none of its services.
fn servers() -> Builder {
    let names = Role::ALL.map(Role::name);
    names.into_iter().fold(Shop::builder(), Builder::without)
}

/// The URL of a database of inventory's server, with a user who has all rights.
fn database(shop: &Shop, number: u32) -> String {
    format!(
        "{}/{number}",
        shop.system.inventory_redis().url(User::Operator)
    )
}

fn start(shop: &Shop, role: Role, inventory: &str, payments: &str) -> (Process, Lines) {
    let env = [
        ("INVENTORY_REDIS_URL", inventory),
        ("PAYMENTS_REDIS_URL", payments),
        ("COMPLETION_DELAY", "100ms"),
        ("PRODUCT_CACHE_TTL", "0"),
    ];
    shop.start_overheard(role, &env)
}

/// The output of a verb of payments, which has to end by itself.
async fn ending(verb: &str, inventory: &str, payments: &str) -> String {
    let env = [
        ("INVENTORY_REDIS_URL", inventory),
        ("PAYMENTS_REDIS_URL", payments),
        ("HTTP_ADDR", "127.0.0.1:0"),
        ("CONSUMER_HTTP_ADDR", "127.0.0.1:0"),
    ];
    let output = run(Owner::Payments, &[verb], &env).await;
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    text(&output)
}

async fn wait_ready(shop: &Shop, role: Role) {
    let ready = || async {
        let url = format!("{}/readyz", shop.system.url(role.name()));
        client::get(url)
            .await
            .is_ok_and(|answer| answer.status() == 200)
    };
    eventually(role.name(), ready).await;
}

#[tokio::test]
async fn two_databases_of_one_server_are_two_stores() {
    let mut shop = Shop::start(servers()).await;
    let (inventory, payments) = (database(&shop, 0), database(&shop, 1));
    let _running = Role::ALL.map(|role| start(&shop, role, &inventory, &payments));
    for role in Role::ALL {
        wait_ready(&shop, role).await;
    }
    shop.payments = Store::of(Redis::worker(&payments.parse().unwrap()), Partitions::NONE);
    let product = shop.create_product("scarce", 3).await;
    let (sold, _) = shop.place_order(product, 2).await;
    shop.wait_status(sold, "paid").await;
    shop.wait_drained().await;
    let (refused, _) = shop.place_order(product, 2).await;
    assert_eq!(
        shop.wait_status(refused, "refunded").await["reason"],
        "insufficient_stock"
    );
    assert_eq!(shop.stock(product).await, 1);
    shop.assert_quiet().await;

    let libraries = shop
        .payments
        .ask("FUNCTION", &["LIST"])
        .await
        .list()
        .unwrap();
    assert_eq!(libraries.len(), 2, "one library of each service");
}

#[tokio::test]
async fn with_one_database_for_both_services_the_second_one_ends() {
    let shop = Shop::start(servers()).await;
    let inventory = database(&shop, 0);
    let first = start(&shop, Role::InventoryServe, &inventory, &database(&shop, 1));
    wait_ready(&shop, Role::InventoryServe).await;

    // Another name of the same server, so that the URLs differ.
    let payments = inventory.replace("127.0.0.1", "localhost");
    let said = ending("serve", &inventory, &payments).await;
    let expected = "this store belongs to inventory, not to payments: give each service a store of \
                    its own (the settings that end in _REDIS_URL)";
    assert!(said.contains(expected), "{said}");
    assert_eq!(shop.readiness("inventory serve").await, 200);
    drop(first);

    let swapped = ending("consume", &database(&shop, 1), &inventory).await;
    assert!(
        swapped.contains("this store belongs to inventory"),
        "{swapped}"
    );
}
