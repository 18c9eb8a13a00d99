//! What operators of the programs rely on.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;
use shared::contract::event::{Event, OrderCompleted};
use stack::redis::Owner;
use stack::role::{Role, SETTINGS};

use crate::harness::programs::{run, text};
use crate::harness::{Shop, Traffic, count};

const SERVICES: [Owner; 2] = [Owner::Inventory, Owner::Payments];
/// Shorter than what `docker stop` and Kubernetes allow.
const STOP_LIMIT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn every_process_stops_in_order_on_sigterm_and_leaves_no_work_undone() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 1_000_000).await;
    let traffic = Traffic::start(&shop, product, 8);
    for role in Role::ALL {
        traffic.more(50).await;
        let process = shop.system.process(role.name());
        let exit = process.stop(STOP_LIMIT).await.unwrap();
        assert_eq!(exit.code(), Some(0), "{}", role.name());
        process.restart().unwrap();
        shop.system.wait_process_ready(role.name()).await.unwrap();
    }
    traffic.more(50).await;
    let accepted = traffic.stop().await.len();
    shop.assert_quiet().await;
    let orders = shop.orders().await;
    assert_eq!((orders.len(), count(&orders, "paid")), (accepted, accepted));
    let emitted = shop.payments.length(OrderCompleted::STREAM).await;
    assert_eq!(emitted, accepted as u64);
    assert_eq!(shop.stock(product).await, 1_000_000 - emitted);
    assert_eq!(shop.movements(product).await, 1 + emitted);
}

#[tokio::test]
async fn a_system_starts_from_nothing_without_a_word_of_warning() {
    // Five runs, because it is a race which process finds the empty store first.
    for _ in 0..5 {
        let shop = Shop::open().await;
        let product = shop.create_product("thing", 1).await;
        let (id, _) = shop.place_order(product, 1).await;
        shop.wait_status(id, "paid").await;
        shop.assert_quiet().await;
        for role in Role::ALL {
            let mut lines = shop.system.process(role.name()).last_lines(usize::MAX);
            lines.retain(|line| line.contains(" WARN ") || line.contains(" ERROR "));
            assert_eq!(lines, [""; 0], "{}", role.name());
        }
    }
}

#[tokio::test]
async fn idle_processes_stop_on_sigterm_as_well() {
    let shop = Shop::open().await;
    for role in Role::ALL {
        let process = shop.system.process(role.name());
        let exit = process.stop(STOP_LIMIT).await.unwrap();
        assert_eq!(exit.code(), Some(0), "{}", role.name());
    }
}

#[tokio::test]
async fn a_consumer_that_stops_acknowledges_what_it_has_done() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 1_000).await;
    shop.emit(&vec![crate::harness::completed(product, 1); 1_000])
        .await;
    let consumer = shop.system.process("inventory consume");
    let exit = consumer.stop(STOP_LIMIT).await.unwrap();
    assert_eq!(exit.code(), Some(0));
    assert_eq!(shop.unacknowledged().await, 0);
}

#[tokio::test]
async fn a_wrong_configuration_ends_with_status_2_and_every_mistake() {
    let common = [
        ("INVENTORY_REDIS_URL", "http://127.0.0.1"),
        ("HTTP_ADDR", "here"),
        ("PARTITIONS", "0"),
        ("RECLAIM_IDLE", "1ms"),
        ("STREAM_RETENTION", "soon"),
        ("FOREIGN_GROUP_LIMIT", "9m"),
        ("LOG_FORMAT", "xml"),
    ];
    let of_inventory = [("DEDUPE_RETENTION", "1h")];
    let of_payments = [
        ("FEE_RATE", "2"),
        ("COMPLETION_DELAY", "-1s"),
        ("EARLY_STOCK_CHECK", "maybe"),
        ("INVENTORY_URL_FILE", "/does/not/exist"),
    ];
    for (service, own) in SERVICES.into_iter().zip([&of_inventory[..], &of_payments]) {
        let env = [&common, own].concat();
        for verb in [
            "serve",
            "consume",
            "healthcheck",
            "openapi",
            "asyncapi",
            "adopt-store",
            "dead-letters",
        ] {
            let output = run(service, &[verb], &env).await;
            assert_eq!(output.status.code(), Some(2), "{verb}");
            let stderr = String::from_utf8(output.stderr).unwrap();
            for (name, _) in &env {
                let name = name.trim_end_matches("_FILE");
                assert!(stderr.contains(&format!("{name}: ")), "{stderr}");
            }
            let mistakes = stderr.lines().count() - 1;
            assert_eq!(mistakes, env.len(), "{stderr}");
        }
    }
}

#[tokio::test]
async fn help_lists_every_variable_and_no_other() {
    let mut listed = HashSet::new();
    for service in SERVICES {
        let output = run(service, &["--help"], &[]).await;
        assert!(output.status.success());
        let help = text(&output);
        let (_, environment) = help.split_once("Environment").unwrap();
        let names = environment.lines().skip(1).map(str::split_whitespace);
        listed.extend(names.filter_map(|mut line| line.next().map(str::to_owned)));
    }
    assert_eq!(listed, SETTINGS.map(str::to_owned).into());
}

#[tokio::test]
async fn the_openapi_document_names_every_path() {
    let paths = [
        &[
            ("/products", "post"),
            ("/products", "get"),
            ("/products/{id}", "get"),
            ("/products/{id}", "delete"),
        ][..],
        &[
            ("/orders", "post"),
            ("/orders", "get"),
            ("/orders/{id}", "get"),
            ("/orders/{id}/cancel", "post"),
        ],
    ];
    for (service, paths) in SERVICES.into_iter().zip(paths) {
        let output = run(service, &["openapi"], &[]).await;
        assert!(output.status.success(), "{}", text(&output));
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(document["openapi"].as_str().unwrap().starts_with("3."));
        for (path, method) in paths {
            assert!(
                document["paths"][path][method].is_object(),
                "{method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn healthcheck_answers_0_for_a_process_that_is_ready_and_1_for_any_other() {
    let shop = Shop::open().await;
    let check = async |role: Role| {
        let process = role.name().split(' ').nth(1).unwrap();
        let output = shop.run(role, &["healthcheck", process]).await;
        output.status.code()
    };
    for role in Role::ALL {
        assert_eq!(check(role).await, Some(0), "{}", role.name());
        shop.system.process(role.name()).kill();
        assert_eq!(check(role).await, Some(1), "{}", role.name());
    }
}
