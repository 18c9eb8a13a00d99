//! Slots move while commands use them.

use serde_json::json;
use shared::contract::id::{OrderId, ProductId};
use shared::store::partition::Partition;
use stack::operator::Operator;
use stack::redis;
use stack::wait::eventually;
use tokio::task::JoinSet;

use super::{Arena, STOCK};
use crate::harness::{Answer, count, insist};

#[tokio::test]
async fn slots_that_move_while_orders_are_placed_lose_nothing() {
    let arena = Arena::open(&[]).await;
    let traffic = arena.traffic();
    traffic[0].more(200).await;
    let stores =
        [redis::Owner::Payments, redis::Owner::Inventory].map(|s| arena.system.store(s).cluster());
    // The partitions of both products: every order uses one of them.
    let of = |id: &String| {
        arena
            .inventory
            .partitions
            .of(id.parse::<ProductId>().unwrap())
    };
    let products = [&arena.thing, &arena.scarce].map(of);
    let some = [0, 5, 10].map(|index| Partition::at(Some(index)));
    for (cluster, partitions) in stores.into_iter().zip([&some[..], &products[..]]) {
        for partition in partitions {
            let slot = cluster.slot_of(&partition.key("identity")).await.unwrap();
            let from = cluster.primary_of(slot).await.unwrap();
            for to in [(from + 1) % 3, from] {
                // One key at a time, so that many commands run between two keys.
                let moved = cluster.move_slot(slot, to, 1, async || ()).await.unwrap();
                eprintln!("slot {slot}: {moved:?}");
                traffic[0].more(20).await;
            }
        }
    }
    let orders = arena.settle(traffic).await;
    eprintln!("{orders} orders");
}

/// The list of due orders is still on the old node, and the order is on the new one already.
#[tokio::test]
async fn an_order_that_comes_due_while_its_slot_moves_is_paid_after_the_move() {
    let arena = Arena::open(&[("COMPLETION_DELAY", "3s")]).await;
    let place = async || -> Partition {
        let order = arena.order("payments serve", &arena.thing);
        let id: OrderId = Answer::patiently(order)
            .await
            .expect(201)
            .text("id")
            .parse()
            .unwrap();
        arena.payments.partitions.of(id)
    };
    // Once an order was paid in a partition, it has every key that a payment needs.
    let (partition, mut placed) = (place().await, 1);
    arena.wait_drained().await;
    while place().await != partition {
        placed += 1;
    }
    placed += 1;
    let cluster = arena.system.store(redis::Owner::Payments).cluster();
    let slot = cluster.slot_of(&partition.key("due")).await.unwrap();
    let from = cluster.primary_of(slot).await.unwrap();
    let mut waited = false;
    let between = async || {
        if !waited {
            waited = true;
            wait_tried(cluster.operator_of(from), &partition.key("due")).await;
        }
    };
    // The two orders of the partition move first.
    cluster
        .move_slot(slot, (from + 1) % 3, 2, between)
        .await
        .unwrap();
    let orders = arena.wait_drained().await;
    assert_eq!(
        (orders.len(), count(&orders, "paid")),
        (placed, placed),
        "{orders:?}"
    );
    assert_eq!(arena.stock(&arena.thing).await, STOCK - placed as u64);
}

/// Waits until the order is due, and the node has refused to pay it.
async fn wait_tried(node: &Operator, due: &str) {
    let first = ["ZRANGE", due, "0", "0", "WITHSCORES"];
    let [(_, due_ms)]: [(String, f64); 1] = node.ask(&first).await.unwrap();
    eventually("the order to be due", async || {
        let (seconds, _): (u32, u32) = node.ask(&["TIME"]).await.unwrap();
        f64::from(seconds) * 1_000.0 > due_ms
    })
    .await;
    wait_refused(node, refusals(node).await).await;
}

/// Waits until the node has refused more commands than `before`.
async fn wait_refused(node: &Operator, before: u64) {
    eventually("a refusal", async || refusals(node).await > before).await;
}

/// How often the node has refused a command because its slot was moving.
async fn refusals(node: &Operator) -> u64 {
    let stats: String = node.ask(&["INFO", "errorstats"]).await.unwrap();
    let count = stats.split("errorstat_TRYAGAIN:count=").nth(1);
    count.map_or(0, |count| {
        count.split_whitespace().next().unwrap().parse().unwrap()
    })
}

/// The product and its movements are on the new node already, and the claims are still on the old
/// one.
#[tokio::test]
async fn a_restock_that_is_repeated_while_its_slot_moves_is_done_once() {
    const REQUESTS: [(&str, u64); 2] = [("before", 5), ("meanwhile", 7)];
    let arena = Arena::open(&[]).await;
    let path = format!("/products/{}/restock", arena.thing);
    let restock = |member: &str, quantity: u64| {
        arena
            .http
            .post(arena.url(member, &path))
            .json(&json!({"quantity": quantity}))
    };
    let (key, quantity) = REQUESTS[0];
    let first = insist(&restock("inventory serve", quantity), key)
        .await
        .expect(200);
    let cluster = arena.system.store(redis::Owner::Inventory).cluster();
    let partition = arena
        .inventory
        .partitions
        .of(arena.thing.parse::<ProductId>().unwrap());
    let slot = cluster.slot_of(&partition.key("identity")).await.unwrap();
    let from = cluster.primary_of(slot).await.unwrap();
    let mut asked = JoinSet::new();
    let between = async || {
        let (is_first, before) = (asked.is_empty(), refusals(cluster.operator_of(from)).await);
        for (key, quantity) in REQUESTS {
            for member in ["inventory serve", "inventory serve 2"] {
                let request = restock(member, quantity);
                asked.spawn(async move { (key, insist(&request, key).await.expect(200)) });
            }
        }
        if is_first {
            wait_refused(cluster.operator_of(from), before).await;
        }
    };
    // One key at a time. Every client asks again after each key.
    let moved = cluster
        .move_slot(slot, (from + 1) % 3, 1, between)
        .await
        .unwrap();
    let answers = asked.join_all().await;
    assert_eq!(answers.len(), moved.keys * 4);
    let second = answers
        .iter()
        .find(|(key, _)| *key == "meanwhile")
        .unwrap()
        .1
        .body
        .clone();
    for (key, answer) in answers {
        assert_eq!(
            answer.body,
            if key == "before" {
                &first.body
            } else {
                &second
            }
            .as_str()
        );
    }
    assert_eq!(arena.stock(&arena.thing).await, STOCK + 5 + 7);
    let movements = arena
        .inventory
        .length(&partition.key_of("movements", &arena.thing))
        .await;
    assert_eq!(movements, 1 + 2);
}
