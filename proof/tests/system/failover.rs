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
use stack::sentinel::Replicated;
use stack::wait::{wait_for, wait_until};

use crate::harness::{Answer, LIMIT, count};

use theatre::{STOCK, Theatre};

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
    assert_eq!(
        count(&orders, "paid"),
        orders.len(),
        "{:#?}",
        theatre.history()
    );
    assert_eq!(theatre.stock().await, STOCK - orders.len() as u64);
    assert_eq!(
        theatre.movements().await,
        1 + orders.len() as u64,
        "one movement for each sale"
    );
    // The consumer of inventory has noticed that its store began a new incarnation, and has
    // replayed the recent past. The consumer of payments has nothing to replay, because no order
    // was refunded.
    let noticed = wait_until("the failovers to be noticed", LIMIT, || async {
        incarnation(&theatre).await != before
    });
    noticed.await.unwrap();
}

/// The incarnation of inventory's store for which the consumer has finished its replay.
async fn incarnation(theatre: &Theatre) -> String {
    let store = &theatre.inventory;
    wait_for("the incarnation", LIMIT, || async {
        store.ask("GET", &["incarnation"]).await.text().ok()
    })
    .await
    .unwrap()
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

/// Freezes the replicas and ends their connections: what the primary writes from now on reaches no
/// replica. Answers the primary and the replicas.
async fn leave_behind(servers: &Replicated) -> (usize, Vec<usize>) {
    let primary = servers.primary().await.unwrap();
    let replicas: Vec<_> = (0..3).filter(|number| *number != primary).collect();
    for replica in &replicas {
        servers.node(*replica).pause();
    }
    let end = servers
        .operator_of(primary)
        .ask::<u64>(&["CLIENT", "KILL", "TYPE", "replica"]);
    end.await.unwrap();
    (primary, replicas)
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
    servers.node(old).kill();
    for replica in replicas {
        servers.node(replica).resume();
    }
    servers.wait_failover(old).await.unwrap();
    traffic.more(50).await;
    let accepted = traffic.stop().await;
    let orders = theatre.wait_drained().await;

    let found = ids(&orders);
    let lost = accepted
        .iter()
        .filter(|order| !found.contains(&order.id))
        .count();
    eprintln!("{lost} of {} accepted orders are lost", accepted.len());
    assert!(lost > 0, "payments did not wait for the replicas");
    assert_eq!(
        count(&orders, "paid"),
        orders.len(),
        "{:#?}",
        theatre.history()
    );
    // inventory took stock for some of the lost orders, and once for every order that is left.
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
    servers.node(old).kill();
    for replica in replicas {
        servers.node(replica).resume();
    }
    servers.wait_failover(old).await.unwrap();
    servers.return_as_replica(old).await.unwrap();
    traffic.more(50).await;
    let accepted = traffic.stop().await;
    let orders = theatre.wait_drained().await;

    let found = ids(&orders);
    assert!(accepted.iter().all(|order| found.contains(&order.id)));
    assert_eq!(
        count(&orders, "paid"),
        orders.len(),
        "{:#?}",
        theatre.history()
    );
    assert_eq!(theatre.stock().await, STOCK - orders.len() as u64);
    assert_eq!(
        theatre.movements().await,
        1 + orders.len() as u64,
        "one movement for each sale"
    );
}
