//! How long it is remembered what became of an order, and what happens after that.

use std::time::Duration;

use inventory::domain::{Decision, Outcome};
use shared::event::RefundOrder;
use shared::event::{Event, OrderCompleted};
use shared::id::{Partitions, ProductId};
use shared::redis::Command;

use crate::harness::{KEEP, TestStore, order, order_minted_at};

const HOUR_MS: u64 = 60 * 60 * 1_000;
/// Longer than [`KEEP`], so that records can be made that are too old for it.
const LONGER: Duration = Duration::from_hours(60 * 24);

async fn now_ms(test: &TestStore) -> u64 {
    let partition = test.store.own.partitions().all().next().unwrap();
    test.store.own.now(partition).await.unwrap().as_millis()
}

fn keep_ms() -> u64 {
    u64::try_from(KEEP.as_millis()).unwrap()
}

#[tokio::test]
async fn an_order_older_than_its_record_changes_nothing() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(10).await;
    let unknown = ProductId::mint();
    let now = now_ms(&test).await;
    let oldest = now - keep_ms();
    let too_old = [
        order_minted_at(oldest - 1_000, product, 1),
        order_minted_at(oldest - HOUR_MS, unknown, 1),
        order_minted_at(oldest - HOUR_MS, product, 11),
        order_minted_at(0, product, 1),
    ];
    let before = test.dump().await;
    let outcomes = test.store.apply_orders(&too_old, KEEP).await.unwrap();
    assert_eq!(outcomes, [Outcome::TooOld; 4]);
    assert_eq!(test.dump().await, before);

    // Its neighbours are not affected.
    let young = order_minted_at(oldest + HOUR_MS, product, 1);
    let mixed = [too_old[0].clone(), young.clone(), too_old[1].clone(), order(product, 1)];
    let outcomes = test.store.apply_orders(&mixed, KEEP).await.unwrap();
    let (old, applied) = (Outcome::TooOld, Outcome::Applied);
    assert_eq!(outcomes, [old, applied, old, applied]);
    assert!(test.entries(RefundOrder::STREAM).await.is_empty());
    let found = test.store.find_product(product).await.unwrap().unwrap();
    assert_eq!(found.quantity, 8);
}

#[tokio::test]
async fn an_order_is_too_old_even_while_its_record_is_still_there() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(10).await;
    let old = order_minted_at(now_ms(&test).await - keep_ms() - HOUR_MS, product, 1);
    let once = test.store.apply_orders(std::slice::from_ref(&old), LONGER).await.unwrap();
    assert_eq!(once, [Outcome::Applied]);
    let before = test.dump().await;
    let again = test.store.apply_orders(&[old], KEEP).await.unwrap();
    assert_eq!(again, [Outcome::TooOld]);
    assert_eq!(test.dump().await, before);
}

#[tokio::test]
async fn a_sweep_removes_what_nobody_will_ask_for_and_nothing_else() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(1_000).await;
    let now = now_ms(&test).await;
    // Every 20 minutes from 5 hours before the limit to 5 hours after it, and a few far away.
    let ages = (0..30).map(|step| keep_ms() - 5 * HOUR_MS + step * (HOUR_MS / 3));
    let ages = ages.chain([0, HOUR_MS, 50 * 24 * HOUR_MS]);
    let orders: Vec<OrderCompleted> =
        ages.map(|age| order_minted_at(now - age, product, 1)).collect();
    let applied = test.store.apply_orders(&orders, LONGER).await.unwrap();
    assert_eq!(applied, vec![Outcome::Applied; orders.len()]);

    let swept = test.store.sweep_applied(KEEP).await.unwrap();
    // Whether the hour of the limit is whole or not depends on the minute at which this runs.
    assert!((5..=7).contains(&swept), "{swept} buckets");
    assert_eq!(test.store.sweep_applied(KEEP).await.unwrap(), 0, "nothing is left to sweep");

    let oldest = now_ms(&test).await - keep_ms();
    let (young, old): (Vec<_>, Vec<_>) =
        orders.into_iter().partition(|order| order.ordered_at.as_millis() >= oldest);
    let repeated = test.store.apply_orders(&young, LONGER).await.unwrap();
    assert_eq!(repeated, vec![Outcome::Repeated(Decision::Applied); young.len()]);
    for order in old {
        let hour = order.ordered_at.as_millis() / HOUR_MS;
        let record = Command::new("EXISTS").key(format!("applied:{hour}"));
        let kept = test.operator.run(record).await.unwrap().int().unwrap();
        assert_eq!(kept == 1, hour >= oldest / HOUR_MS, "hour {hour} of {}", oldest / HOUR_MS);
    }
}

#[tokio::test]
async fn a_sweep_goes_on_where_a_crash_left_it() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(10).await;
    let old = order_minted_at(now_ms(&test).await - keep_ms() - 2 * HOUR_MS, product, 1);
    test.store.apply_orders(std::slice::from_ref(&old), LONGER).await.unwrap();
    // The records are gone, their place in the index is not.
    let hour = old.ordered_at.as_millis() / HOUR_MS;
    test.operate("DEL", &format!("applied:{hour}")).await;
    assert_eq!(test.store.sweep_applied(KEEP).await.unwrap(), 1);
    assert_eq!(test.store.sweep_applied(KEEP).await.unwrap(), 0);
}
