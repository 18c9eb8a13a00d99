//! A system for a test, with stand-ins for the services.

use std::collections::HashSet;

use stack::redis::Owner;
use stack::system::System;
use stack::wait::wait_until;

use crate::support::{LIMIT, is_alive, stand_in_binaries, stand_ins, wait_dead};

async fn body(url: &str) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(url).send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn a_system_starts_is_changed_and_leaves_nothing() {
    let dir = stand_ins();
    let system = System::builder()
        .binaries(stand_in_binaries(dir.path()))
        .env("COMPLETION_DELAY", "0")
        .partitions(4)
        .without("inventory consume")
        .start()
        .await
        .unwrap();
    let told = body(&system.payments_url()).await;
    assert!(
        told.contains(&format!("INVENTORY_URL={}", system.inventory_url())),
        "{told}"
    );
    assert!(told.contains("COMPLETION_DELAY=0;PARTITIONS=4"), "{told}");

    let consumer = system.process("inventory consume");
    assert!(!consumer.is_running());
    consumer.restart().unwrap();
    system.wait_ready().await.unwrap();

    let replica = system.start_replica("inventory consume", 2).await.unwrap();
    assert_eq!(replica.name(), "inventory consume 2");
    assert_ne!(
        system.url("inventory consume 2"),
        system.url("inventory consume")
    );
    assert!(
        body(&system.url("inventory consume 2"))
            .await
            .contains("CONSUMER_NAME=inventory-replica-2")
    );

    let payments = system.process("payments serve");
    payments.kill();
    payments.restart().unwrap();
    system.wait_ready().await.unwrap();

    let data = system.inventory_redis().dir().to_path_buf();
    let pids = [
        consumer.pid(),
        replica.pid(),
        payments.pid(),
        system.inventory_redis().pid(),
        system.payments_redis().pid(),
    ];
    assert!(pids.iter().all(|pid| is_alive(*pid)));
    drop((consumer, replica, payments));
    drop(system);
    wait_dead(&pids).await;
    assert!(!data.exists());
}

#[tokio::test]
async fn a_service_that_cannot_start_shows_its_last_lines() {
    let dir = stand_ins();
    std::fs::write(dir.path().join("crash-payments-consume"), "").unwrap();
    let builder = System::builder().binaries(stand_in_binaries(dir.path()));
    let error = builder.start().await.err().unwrap().to_string();
    assert!(
        error.contains("`payments consume` ended with exit status: 3"),
        "{error}"
    );
    assert!(error.contains("the reason of the crash"), "{error}");
}

#[tokio::test]
async fn two_systems_run_side_by_side() {
    let dir = stand_ins();
    let start = || {
        System::builder()
            .binaries(stand_in_binaries(dir.path()))
            .start()
    };
    let (one, two) = tokio::join!(start(), start());
    assert_ne!(one.unwrap().payments_url(), two.unwrap().payments_url());
}

#[tokio::test]
async fn every_process_has_links_of_its_own() {
    let dir = stand_ins();
    let builder = System::builder()
        .binaries(stand_in_binaries(dir.path()))
        .proxied(1);
    let system = builder.start().await.unwrap();
    let told = body(&system.payments_url()).await;
    let port = system.inventory_http_proxy("payments serve").port();
    assert!(
        told.contains(&format!("INVENTORY_URL=http://127.0.0.1:{port}")),
        "{told}"
    );

    system.start_replica("inventory consume", 2).await.unwrap();
    let proxies = system.proxies();
    assert_eq!(proxies.len(), 2 + 2 + 3 + 3 + 2);
    let ports: HashSet<u16> = proxies.iter().map(|(_, proxy)| proxy.port()).collect();
    assert_eq!(ports.len(), proxies.len());
    let (name, last) = proxies.last().unwrap();
    assert_eq!(name, "inventory consume 2 -> payments store");
    let same = system.proxy("inventory consume 2", Owner::Payments);
    assert_eq!(same.port(), last.port());
}

#[tokio::test]
async fn a_supervised_process_comes_back_however_it_ends_until_the_system_does() {
    let dir = stand_ins();
    let builder = System::builder()
        .binaries(stand_in_binaries(dir.path()))
        .supervised();
    let system = builder.without("inventory serve").start().await.unwrap();
    let process = system.process("payments serve");
    let first = process.pid();
    process.kill();
    let back = || async { system.restarts() == 1 && process.is_running() };
    wait_until("the first restart", LIMIT, back).await.unwrap();
    assert_ne!(process.pid(), first);
    system.wait_ready().await.unwrap();
    process.stop(LIMIT).await.unwrap();
    wait_until("the second restart", LIMIT, || async {
        system.restarts() == 2
    })
    .await
    .unwrap();
    assert!(
        !system.process("inventory serve").is_running(),
        "it was never started"
    );

    let last = process.pid();
    drop(system);
    wait_dead(&[last]).await;
    assert_eq!(process.pid(), last);
}
