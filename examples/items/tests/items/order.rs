//! Several workers share the queue, and the newest write of each item wins.

use futures_util::future::join_all;
use serde_json::Value;

use crate::harness::System;

const ITEMS: usize = 8;
const WRITES: usize = 40;

#[tokio::test]
async fn the_newest_write_of_each_item_wins_although_three_workers_share_the_queue() {
    let system = System::start(3).await;
    let written = join_all((0..ITEMS).map(async |item| {
        let name = format!("item-{item}");
        let mut last = Value::Null;
        for number in 1..=WRITES {
            last = system.write(&name, &format!("value {number}")).await;
            assert_eq!(last["version"], number, "{name}");
        }
        last
    }));
    for last in written.await {
        system.ended(&last).await;
    }
    system.assert_drained().await;
    for item in 0..ITEMS {
        let found = system
            .get(&format!("/items/item-{item}"))
            .await
            .expect(200)
            .json();
        assert_eq!(found["version"], WRITES);
        assert_eq!(found["value"], format!("value {WRITES}"));
    }
}

#[tokio::test]
async fn parallel_writes_of_one_item_get_different_versions_and_the_highest_stays() {
    let system = System::start(2).await;
    let tickets = join_all((0..WRITES).map(|number| {
        let (system, value) = (&system, number.to_string());
        async move { (system.write("shared", &value).await, value) }
    }));
    let mut tickets = tickets.await;
    tickets.sort_unstable_by_key(|(ticket, _)| ticket["version"].as_u64());
    let versions: Vec<u64> = tickets
        .iter()
        .filter_map(|(ticket, _)| ticket["version"].as_u64())
        .collect();
    assert_eq!(versions, (1..=WRITES as u64).collect::<Vec<_>>());
    system.assert_drained().await;
    let (_, newest) = tickets.last().unwrap();
    assert_eq!(system.value("shared").await, *newest);
}
