//! How long the records of orders are kept, and what happens to older orders.

use std::time::Duration;

use inventory::domain::{ApplyOutcome, Decision};
use shared::contract::event::{Event, RefundOrder};
use shared::contract::id::ProductId;
use shared::redis::Command;
use shared::store::partition::Partitions;
use shared::store::sweep::Sweep;

use crate::harness::{KEEP, TestStore, order, order_minted_at};

pub(crate) const HOUR_MS: u64 = 60 * 60 * 1_000;
pub(crate) const DAY_MS: u64 = 24 * HOUR_MS;
/// Longer than [`KEEP`], for records that are too old for it.
pub(crate) const LONGER: Duration = Duration::from_hours(60 * 24);

pub(crate) fn keep_ms() -> u64 {
    u64::try_from(KEEP.as_millis()).unwrap()
}

/// Applies one order of this moment, so that the store has a newest record.
pub(crate) async fn record_now(test: &TestStore, product: ProductId) {
    let new = [order(product, 1)];
    let outcomes = test.store.apply_orders(&new, LONGER).await.unwrap();
    assert_eq!(outcomes, [ApplyOutcome::Applied]);
}

/// Lists hours with records, ten days apart, like those of an open shop. A longer gap would say
/// that a clock was wrong.
pub(crate) async fn list_earlier_hours(test: &TestStore) {
    for days in [10, 20, 30, 40] {
        list_hour(test, test.now_ms().await / HOUR_MS - days * 24).await;
    }
}

/// Lists an hour as one that has records.
async fn list_hour(test: &TestStore, hour: u64) {
    test.operate("ZADD", &format!("record_hours {hour} {hour}"))
        .await;
}

/// Sweeps as a process does that trusts the clock: the second look removes what the first one saw.
pub(crate) async fn sweep(test: &TestStore) -> u64 {
    let sweep = Sweep::new("records of orders", Duration::ZERO);
    assert_eq!(
        test.store.sweep_records(&sweep, KEEP).await.unwrap(),
        0,
        "the first look"
    );
    test.store.sweep_records(&sweep, KEEP).await.unwrap()
}

#[tokio::test]
async fn an_order_older_than_its_record_changes_nothing() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(10).await;
    let unknown = ProductId::mint();
    record_now(&test, product).await;
    list_earlier_hours(&test).await;
    sweep(&test).await;
    let oldest = (test.now_ms().await - keep_ms()) / HOUR_MS * HOUR_MS;
    let too_old = [
        order_minted_at(oldest - 2 * HOUR_MS, product, 1),
        order_minted_at(oldest - 3 * HOUR_MS, unknown, 1),
        order_minted_at(oldest - 3 * HOUR_MS, product, 11),
        order_minted_at(0, product, 1),
    ];
    let before = test.dump().await;
    let outcomes = test.apply(&too_old).await;
    assert_eq!(outcomes, [ApplyOutcome::TooOld; 4]);
    assert_eq!(test.dump().await, before);

    // The next order in the batch is young enough.
    let young = order_minted_at(oldest + HOUR_MS, product, 1);
    let mixed = [
        too_old[0].clone(),
        young.clone(),
        too_old[1].clone(),
        order(product, 1),
    ];
    let outcomes = test.apply(&mixed).await;
    let (old, applied) = (ApplyOutcome::TooOld, ApplyOutcome::Applied);
    assert_eq!(outcomes, [old, applied, old, applied]);
    assert!(test.entries(RefundOrder::STREAM).await.is_empty());
    let found = test.find(product).await;
    assert_eq!(found.quantity, 7);
}

/// Neither the clock nor the setting decides: another process with another setting may have swept
/// the hour.
#[tokio::test]
async fn an_order_is_too_old_from_when_its_hour_was_swept() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(10).await;
    let now = test.now_ms().await;
    let old = order_minted_at(now - keep_ms() - 3 * HOUR_MS, product, 1);
    let old = [old];
    let once = test.store.apply_orders(&old, LONGER).await.unwrap();
    assert_eq!(once, [ApplyOutcome::Applied]);
    let [old] = old;
    let again = ApplyOutcome::Repeated(Decision::Applied);
    assert_eq!(test.apply_one(&old).await, again, "it is on record");

    record_now(&test, product).await;
    list_earlier_hours(&test).await;
    assert_eq!(sweep(&test).await, 2);
    let before = test.dump().await;
    let never = order_minted_at(now - keep_ms() - 4 * HOUR_MS, product, 1);
    let again = test
        .store
        .apply_orders(&[old.clone(), never.clone()], LONGER)
        .await
        .unwrap();
    assert_eq!(
        again,
        [ApplyOutcome::TooOld; 2],
        "one of the two was applied, and the store cannot tell which"
    );
    assert_eq!(test.dump().await, before);
    let records = test.store.find_records(&[old.order_id]).await.unwrap();
    assert_eq!(records, [inventory::domain::OrderRecord::Forgotten]);
}

/// Such an order would become the newest record, and make every other order look old.
#[tokio::test]
async fn an_order_from_far_ahead_changes_nothing() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(10).await;
    for _ in 0..2 {
        let now = test.now_ms().await;
        let ahead = [2, 31, 400].map(|days| order_minted_at(now + days * DAY_MS, product, 1));
        let before = test.dump().await;
        let outcomes = test.apply(&ahead).await;
        assert_eq!(outcomes, [ApplyOutcome::TooNew; 3]);
        assert_eq!(test.dump().await, before);
        // Together with an order of the next 24 hours, because two clocks may differ by that much.
        let near = order_minted_at(now + 23 * HOUR_MS, product, 1);
        let mixed = [ahead[0].clone(), near];
        let outcomes = test.apply(&mixed).await;
        assert_eq!(outcomes, [ApplyOutcome::TooNew, ApplyOutcome::Applied]);
        record_now(&test, product).await;
    }
}

/// The records lie ahead of the clock, because the clock was set back. So it is the clock that is
/// wrong about an order even further ahead.
#[tokio::test]
async fn no_order_is_decided_on_by_a_clock_that_is_behind_what_is_recorded() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(10).await;
    let now = test.now_ms().await;
    list_hour(&test, now / HOUR_MS + 31 * 24).await;
    let at = |days: u64| order_minted_at(now + days * DAY_MS, product, 1);
    let outcomes = test.apply(&[at(0), at(31)]).await;
    assert_eq!(
        outcomes[1],
        ApplyOutcome::Applied,
        "within a day of what is recorded"
    );
    let before = test.dump().await;
    let refused = test
        .store
        .apply_orders(&[at(31), at(33)], KEEP)
        .await
        .unwrap_err();
    assert!(refused.did_nothing(), "the order waits: {refused}");
    assert!(
        refused.to_string().contains("clock of this store"),
        "{refused}"
    );
    assert_eq!(test.dump().await, before);
}

/// A clock that was wrong for a while left a record of the future.
#[tokio::test]
async fn a_record_from_far_ahead_makes_no_order_old() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(10).await;
    let sweeper = Sweep::new("records of orders", Duration::ZERO);
    // A service does the same when it opens its store.
    test.store.sweep_records(&sweeper, KEEP).await.unwrap();
    record_now(&test, product).await;
    list_hour(&test, test.now_ms().await / HOUR_MS + 400 * 24).await;
    for _ in 0..3 {
        assert_eq!(test.store.sweep_records(&sweeper, KEEP).await.unwrap(), 0);
    }
    record_now(&test, product).await;
    let old = order_minted_at(test.now_ms().await - keep_ms() / 2, product, 1);
    let outcomes = test.apply(&[old]).await;
    assert_eq!(outcomes, [ApplyOutcome::Applied]);
}

pub(crate) async fn marker(test: &TestStore) -> Option<u64> {
    let marker = test.ask(Command::new("GET").key("records:swept")).await;
    (!marker.is_null()).then(|| marker.unsigned().unwrap())
}

/// The machine started with a wrong clock, so the first orders were recorded far ahead.
#[tokio::test]
async fn a_new_store_has_forgotten_nothing_whatever_its_first_record_is_of() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(10).await;
    let now = test.now_ms().await;
    let near = order_minted_at(now + 23 * HOUR_MS, product, 1);
    test.apply(&[near]).await;
    list_hour(&test, now / HOUR_MS + 400 * 24).await;
    assert_eq!(sweep(&test).await, 0);
    assert_eq!(
        marker(&test).await,
        Some(0),
        "records of one day confirm no clock"
    );
    let old = order_minted_at(now - keep_ms(), product, 1);
    let outcomes = test.apply(&[old]).await;
    assert_eq!(outcomes, [ApplyOutcome::Applied]);
}

/// One hour far ahead does not stand for all hours that were swept.
#[tokio::test]
async fn a_store_that_lost_its_marker_remembers_the_hours_that_it_lists() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(10).await;
    record_now(&test, product).await;
    test.operate("DEL", "records:swept").await;
    let now = test.now_ms().await;
    let at = |hours: u64| order_minted_at(now - hours * HOUR_MS, product, 1);
    for ahead in [0, 31 * 24, 400 * 24] {
        list_hour(&test, now / HOUR_MS + ahead).await;
        let outcomes = test.apply(&[at(29 * 24), at(31 * 24)]).await;
        assert_ne!(outcomes[0], ApplyOutcome::TooOld, "{ahead}");
        assert_eq!(outcomes[1], ApplyOutcome::TooOld, "{ahead}");
        assert_eq!(
            marker(&test).await,
            None,
            "only a sweep that trusts the clock writes a marker"
        );
    }
}

/// The marker makes no order of today too old.
#[tokio::test]
async fn no_order_is_parked_for_a_marker_that_a_wrong_clock_wrote() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(10).await;
    record_now(&test, product).await;
    let hour = test.now_ms().await / HOUR_MS;
    for first in [hour - 7 * 24, hour + 1, hour + 370 * 24] {
        test.operate("SET", &format!("records:swept {first}")).await;
        let before = test.dump().await;
        let old = order_minted_at((first - 1).min(hour) * HOUR_MS, product, 1);
        let refused = test.store.apply_orders(&[old], KEEP).await.unwrap_err();
        assert!(refused.did_nothing(), "the order waits: {refused}");
        assert!(refused.to_string().contains("records:swept"), "{refused}");
        assert_eq!(test.dump().await, before);
    }
}
