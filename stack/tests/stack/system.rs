//! A system of a test, with stand-ins for the services.

use stack::client;
use stack::client::Answer;
use stack::system::System;

use crate::support::{LIMIT, is_alive, stand_in_binaries, stand_ins, wait_dead};

async fn body(url: &str) -> String {
    let client = client::client(LIMIT).unwrap();
    Answer::to(client.get(url)).await.body
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
