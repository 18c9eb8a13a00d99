//! Removing old records of orders.

use std::time::Duration;

use inventory::domain::{ApplyOutcome, Decision};
use shared::contract::event::OrderCompleted;
use shared::redis::Command;
use shared::store::partition::Partitions;
use shared::store::sweep::Sweep;

use crate::harness::{TestStore, order_minted_at};
use crate::records::{HOUR_MS, LONGER, keep_ms, list_earlier_hours, record_now, sweep};

#[tokio::test]
async fn a_sweep_removes_what_nobody_will_ask_for_and_nothing_else() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(1_000).await;
    let now = test.now_ms().await;
    // Every 20 minutes from 5 hours before the limit to 5 hours after it, and a few far away.
    let ages = (0..30).map(|step| keep_ms() - 5 * HOUR_MS + step * (HOUR_MS / 3));
    let ages = ages.chain([0, HOUR_MS, 50 * 24 * HOUR_MS]);
    let orders: Vec<OrderCompleted> = ages
        .map(|age| order_minted_at(now - age, product, 1))
        .collect();
    let applied = test.store.apply_orders(&orders, LONGER).await.unwrap();
    assert_eq!(applied, vec![ApplyOutcome::Applied; orders.len()]);

    list_earlier_hours(&test).await;
    let swept = sweep(&test).await;
    // The minute of the test run decides whether the hour of the limit is whole.
    assert!((6..=8).contains(&swept), "{swept} hours");
    assert_eq!(sweep(&test).await, 0, "nothing is left to sweep");

    let oldest = test.now_ms().await - keep_ms();
    let (young, old): (Vec<_>, Vec<_>) = orders
        .into_iter()
        .partition(|order| order.ordered_at.as_millis() >= oldest);
    let repeated = test.store.apply_orders(&young, LONGER).await.unwrap();
    assert_eq!(
        repeated,
        vec![ApplyOutcome::Repeated(Decision::Applied); young.len()]
    );
    for order in old {
        let hour = order.ordered_at.as_millis() / HOUR_MS;
        let record = Command::new("EXISTS").key(format!("records:{hour}"));
        let kept = test.ask(record).await.int().unwrap();
        assert_eq!(
            kept == 1,
            hour >= oldest / HOUR_MS,
            "hour {hour} of {}",
            oldest / HOUR_MS
        );
    }
}

/// An hour that was swept stays swept, also for a process that keeps records longer.
#[tokio::test]
async fn a_later_sweep_of_less_does_not_make_orders_young_again() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(10).await;
    record_now(&test, product).await;
    list_earlier_hours(&test).await;
    sweep(&test).await;
    let old = order_minted_at(test.now_ms().await - keep_ms() - 3 * HOUR_MS, product, 1);
    let sweeper = Sweep::new("records of orders", Duration::ZERO);
    for _ in 0..3 {
        test.store.sweep_records(&sweeper, LONGER).await.unwrap();
    }
    let outcomes = test.store.apply_orders(&[old], LONGER).await.unwrap();
    assert_eq!(outcomes, [ApplyOutcome::TooOld]);
}

#[tokio::test]
async fn a_sweep_goes_on_where_there_are_no_records_behind_the_index() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(10).await;
    let old = order_minted_at(test.now_ms().await - keep_ms() - 3 * HOUR_MS, product, 1);
    test.store
        .apply_orders(std::slice::from_ref(&old), LONGER)
        .await
        .unwrap();
    record_now(&test, product).await;
    let hour = old.ordered_at.as_millis() / HOUR_MS;
    test.operate("DEL", &format!("records:{hour}")).await;
    list_earlier_hours(&test).await;
    assert_eq!(sweep(&test).await, 2);
    assert_eq!(sweep(&test).await, 0);
}

/// The store itself refuses, also for a process with a wrong clock.
#[tokio::test]
async fn records_of_the_last_eight_days_are_never_swept() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(10).await;
    record_now(&test, product).await;
    list_earlier_hours(&test).await;
    let before = test.dump().await;
    let sweeper = Sweep::new("records of orders", Duration::ZERO);
    let look = || test.store.sweep_records(&sweeper, Duration::ZERO);
    assert_eq!(look().await.unwrap(), 0);
    let refused = look().await.unwrap_err();
    assert!(refused.to_string().contains("last 8 days"), "{refused}");
    assert_eq!(test.dump().await, before);
}
