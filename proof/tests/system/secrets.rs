//! No output of a process shows a password.

use stack::credentials::User;
use stack::redis::Owner;
use stack::role::Role;
use stack::wait::eventually;

use crate::harness::programs::{run, text};
use crate::harness::{LIMIT, Shop};

#[tokio::test]
async fn no_password_ever_stands_in_the_output_of_a_process() {
    let mut builder = Shop::builder();
    for role in Role::ALL {
        builder = builder.without(role.name());
    }
    let shop = Shop::start(builder).await;
    let passwords = passwords(&shop);
    let env = [
        ("RUST_LOG", "trace"),
        ("COMPLETION_DELAY", "0"),
        ("PRODUCT_CACHE_TTL", "0"),
    ];
    let overheard = Role::ALL.map(|role| shop.start_overheard(role, &env));
    for role in Role::ALL {
        shop.system.wait_process_ready(role.name()).await.unwrap();
    }

    let product = shop.create_product("thing", 1).await;
    shop.place_order(product, 1).await;
    shop.place_order(product, 1).await;
    shop.assert_quiet().await;
    // During an outage a process logs more about its stores than at any other time.
    for store in [shop.system.inventory_redis(), shop.system.payments_redis()] {
        store.kill();
        assert_ne!(shop.try_order(product, 1).await.status, 201);
        store.restart().await.unwrap();
    }
    shop.inventory.ask("ACL", &["DELUSER", "payments"]).await;
    let (_, consumer) = &overheard[3];
    eventually("the refused login to be reported", async || {
        let lines = consumer.lock().unwrap();
        lines.iter().any(|line| line.contains("WRONGPASS"))
    })
    .await;
    for (process, lines) in overheard {
        process.stop(LIMIT).await.unwrap();
        process.drain_output().await;
        let lines = lines.lock().unwrap();
        assert!(lines.len() > 5, "{} is silent", process.name());
        assert_silent_about(&passwords, &lines.join("\n"));
    }
    for store in [shop.system.inventory_redis(), shop.system.payments_redis()] {
        assert_silent_about(&passwords, &store.process().last_lines(400).join("\n"));
    }
}

#[tokio::test]
async fn a_wrong_address_is_reported_without_its_password() {
    let secret = "Correct0Horse";
    for scheme in ["rediss", "redis-sentinel", "http", "redis:"] {
        let url = format!("{scheme}://inventory:{secret}@127.0.0.1:1");
        let env = [("INVENTORY_REDIS_URL", url.as_str())];
        for service in [Owner::Inventory, Owner::Payments] {
            let output = run(service, &["serve"], &env).await;
            assert_eq!(output.status.code(), Some(2));
            assert_silent_about(&[secret.to_owned()], &text(&output));
        }
    }
}

fn passwords(shop: &Shop) -> Vec<String> {
    let stores = [shop.system.inventory_redis(), shop.system.payments_redis()];
    let urls = stores
        .into_iter()
        .flat_map(|store| User::ALL.map(|user| store.url(user)));
    urls.map(|url| url.split([':', '@']).nth(2).unwrap().to_owned())
        .collect()
}

fn assert_silent_about(secrets: &[String], text: &str) {
    for secret in secrets {
        assert!(secret.len() > 10);
        let line = text.lines().find(|line| line.contains(secret));
        assert_eq!(line, None);
    }
}
