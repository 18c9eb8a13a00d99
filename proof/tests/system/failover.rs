//! The primary of a store is lost, and a replica takes its place.
//!
//! With `REPLICA_ACKS` for each replica, nothing is lost that a client was told. Without it, an
//! accepted order is lost if the replica had not received it. The two stores agree afterwards in
//! both cases.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::Value;
use shared::contract::id::OrderId;
use stack::redis;
use stack::wait::eventually;

use crate::harness::Answer;

use theatre::{STOCK, Theatre, leave_behind, replace_primary};

mod theatre;

fn ids(orders: &[Value]) -> HashSet<OrderId> {
    orders
        .iter()
        .map(|order| order["id"].as_str().unwrap().parse().unwrap())
        .collect()
}

/// Both replicas need to have an order, because Sentinel may promote either of them. On a busy
/// machine it may do so while the primary still lives and takes orders with the other replica.
#[tokio::test]
async fn with_replica_acks_no_order_is_lost_or_doubled_when_primaries_are_killed() {
    let theatre = Theatre::open(2, "2").await;
    let traffic = theatre.traffic();
    traffic.more(50).await;
    let before = incarnation(&theatre).await;
    for store in [redis::Owner::Payments, redis::Owner::Inventory] {
        theatre.lose_primary(store, &traffic).await;
    }
    let accepted = traffic.stop().await;
    let orders = theatre.wait_drained().await;

    let found = ids(&orders);
    let lost: Vec<_> = accepted
        .iter()
        .filter(|order| !found.contains(&order.id))
        .collect();
    assert!(lost.is_empty(), "{lost:?}: {:#?}", theatre.history());
    assert_eq!(orders.len(), accepted.len(), "one order for each key");
    theatre.assert_paid(&orders);
    theatre.assert_sold_once(&orders).await;
    // The consumer has noticed that its store began a new incarnation, and acted on the recent past. That
    // of payments has no past: nothing was ever refunded.
    eventually("the failovers to be noticed", async || {
        incarnation(&theatre).await != before
    })
    .await;
}

/// The incarnation of inventory's store for which the consumer has finished its replay.
async fn incarnation(theatre: &Theatre) -> String {
    let store = &theatre.inventory;
    eventually("the incarnation", async || {
        store.ask("GET", &["incarnation"]).await.text().ok()
    })
    .await
}

#[tokio::test]
async fn without_replicas_no_order_is_accepted_that_a_replica_has_to_confirm() {
    let theatre = Theatre::open(1, "1").await;
    Answer::patiently(theatre.order_request()).await.expect(201);
    let servers = theatre.system.store(redis::Owner::Payments).replicated();
    let primary = servers.primary().await.unwrap();
    let replica = 1 - primary;
    servers.node(replica).pause();
    let request = || {
        theatre
            .order_request()
            .header("Idempotency-Key", "the-same")
    };
    for _ in 0..3 {
        let answer = Answer::to(request()).await;
        answer.assert_unavailable("store-unavailable");
        assert!(answer.took < Duration::from_secs(2), "{:?}", answer.took);
    }
    servers.node(replica).resume();
    let first = Answer::patiently(request()).await.expect(201);
    let again = Answer::patiently(request()).await.expect(201);
    assert_eq!(first.text("id"), again.text("id"));
    let orders = theatre.wait_drained().await;
    assert_eq!(orders.len(), 2, "one order for each key");
    assert_eq!(theatre.stock().await, STOCK - 2);
}

/// The worst case: the replicas have fallen behind when the primary dies.
#[tokio::test]
async fn without_replica_acks_a_lost_primary_takes_orders_with_it_and_stock_is_taken_once() {
    let theatre = Theatre::open(2, "0").await;
    let traffic = theatre.traffic();
    traffic.more(50).await;
    let servers = theatre.system.store(redis::Owner::Payments).replicated();
    let (old, replicas) = leave_behind(servers).await;
    traffic.more(50).await;
    replace_primary(servers, old, replicas).await;
    traffic.more(50).await;
    let accepted = traffic.stop().await;
    let orders = theatre.wait_drained().await;

    let found = ids(&orders);
    let lost = accepted
        .iter()
        .filter(|order| !found.contains(&order.id))
        .count();
    eprintln!("{lost} of {} accepted orders are lost", accepted.len());
    assert!(lost > 0, "nobody waited for the replicas");
    theatre.assert_paid(&orders);
    // inventory served some of the lost ones, and every order that is left, once.
    let sold = theatre.movements().await - 1;
    assert_eq!(theatre.stock().await, STOCK - sold);
    let served = sold - orders.len() as u64;
    assert!(
        served <= lost as u64,
        "{served} without an order, {lost} lost"
    );
}

#[tokio::test]
async fn with_replica_acks_a_primary_that_was_ahead_takes_no_order_with_it() {
    let theatre = Theatre::open(2, "2").await;
    let traffic = theatre.traffic();
    traffic.more(50).await;
    let servers = theatre.system.store(redis::Owner::Payments).replicated();
    let (old, replicas) = leave_behind(servers).await;
    let answer = Answer::to(theatre.order_request()).await;
    answer.assert_unavailable("store-unavailable");
    replace_primary(servers, old, replicas).await;
    servers.return_as_replica(old).await.unwrap();
    traffic.more(50).await;
    let accepted = traffic.stop().await;
    let orders = theatre.wait_drained().await;

    let found = ids(&orders);
    assert!(accepted.iter().all(|order| found.contains(&order.id)));
    theatre.assert_paid(&orders);
    theatre.assert_sold_once(&orders).await;
}
