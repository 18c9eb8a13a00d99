//! A store may answer every read and refuse every change.

use stack::credentials::User;
use stack::ports;
use stack::wait::eventually;

use crate::harness::{Answer, Shop};

/// Processes that write to payments' store. inventory acknowledges there.
const WRITERS: [&str; 3] = ["payments serve", "payments consume", "inventory consume"];

#[tokio::test]
async fn a_process_that_writes_to_a_store_that_refuses_is_not_ready_and_says_why() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 10).await;
    let nowhere = ports::free().unwrap().number().to_string();
    let config = |name, value| ["SET", name, value];
    let refusals = [
        (
            "REPLICAOF",
            ["127.0.0.1", &nowhere].to_vec(),
            ["NO", "ONE"].to_vec(),
            "READONLY",
        ),
        (
            "CONFIG",
            config("maxmemory", "1").to_vec(),
            config("maxmemory", "0").to_vec(),
            "OOM",
        ),
        (
            "CONFIG",
            config("min-replicas-to-write", "1").to_vec(),
            config("min-replicas-to-write", "0").to_vec(),
            "NOREPLICAS",
        ),
    ];
    for (orders, (command, refuse, allow, code)) in (1..).zip(refusals) {
        shop.payments.ask(command, &refuse).await;
        for process in WRITERS {
            let told = wait_not_ready(&shop, process).await;
            assert!(told.contains(&format!("({code})")), "{process}: {told}");
            assert!(
                told.contains("(PAYMENTS_REDIS_URL) refuses: "),
                "{process}: {told}"
            );
        }
        assert_eq!(shop.readiness("inventory serve").await, 200);
        let refused = shop.try_order(product, 1).await;
        refused.assert_unavailable("store-refused");
        let detail = refused.text("detail");
        assert!(
            detail.contains(code) && detail.ends_with("; nothing was changed"),
            "{detail}"
        );

        shop.payments.ask(command, &allow).await;
        shop.system.wait_ready().await.unwrap();
        Answer::patiently(shop.order_request(product, 1))
            .await
            .expect(201);
        assert_eq!(shop.orders().await.len(), orders, "a refused order exists");
    }
    shop.assert_quiet().await;
}

#[tokio::test]
async fn a_process_that_cannot_reach_a_store_says_which_and_why_and_shows_no_password() {
    let shop = Shop::open().await;
    shop.system.inventory_redis().kill();
    shop.system.payments_redis().kill();
    for process in [
        "inventory serve",
        "inventory consume",
        "payments serve",
        "payments consume",
    ] {
        eventually("the reason", async || {
            shop.readyz(process)
                .await
                .body
                .contains("connection refused")
        })
        .await;
        let told = shop.readyz(process).await;
        let service = process.split(' ').next().unwrap();
        let own = format!("the store of {service} at 127.0.0.1:");
        assert!(told.body.contains(&own), "{told:?}");
        let logged = eventually("the reason in the log", async || {
            let logged = shop
                .system
                .process(process)
                .last_lines(usize::MAX)
                .join("\n");
            logged.contains(&own).then_some(logged)
        })
        .await;
        for server in [shop.system.inventory_redis(), shop.system.payments_redis()] {
            for user in User::ALL {
                let url = server.url(user);
                let password = url.split([':', '@']).nth(2).unwrap();
                assert!(
                    !told.body.contains(password) && !logged.contains(password),
                    "{process}"
                );
            }
        }
    }
}

async fn wait_not_ready(shop: &Shop, process: &str) -> String {
    eventually("not ready", async || shop.readiness(process).await == 503).await;
    shop.readyz(process).await.text("detail")
}
