//! Stock that an order took twice, because its record was lost in between.

use std::num::NonZeroU16;

use inventory::domain::{ApplyOutcome, Decision, OrderRecord, Release};
use serde_json::json;
use shared::contract::entry_id::EntryId;
use shared::contract::event::{OrderCompleted, RefundReason};
use shared::contract::id::ProductId;
use shared::store::partition::Partitions;

use crate::harness::{Service, TestStore, order};
use crate::releases::{refunds, release};

const HOUR_MS: u64 = 60 * 60 * 1_000;
/// The position in the id of an order where the name of its record begins.
const RECORD_FROM: usize = 6;

async fn newest_movement(test: &TestStore, product: ProductId) -> EntryId {
    test.movements(product).await[0].id
}

/// Removes inventory's record of an order.
async fn forget(test: &TestStore, order: &OrderCompleted) {
    let hour = order.ordered_at.as_millis() / HOUR_MS;
    let record = order.order_id.to_string().split_off(RECORD_FROM);
    test.operate("HDEL", &format!("records:{hour} {record}"))
        .await;
}

/// Applies an order twice. Answers the first movement, which the record does not name.
pub(crate) async fn take_twice(test: &TestStore, sold: &OrderCompleted) -> EntryId {
    assert_eq!(test.apply_one(sold).await, ApplyOutcome::Applied);
    let first = newest_movement(test, sold.product_id).await;
    forget(test, sold).await;
    assert_eq!(test.apply_one(sold).await, ApplyOutcome::Applied);
    first
}

async fn surplus(test: &TestStore, order: &OrderCompleted, movement: EntryId) -> Release {
    test.store
        .release_surplus(order.order_id, order.product_id, movement)
        .await
        .unwrap()
}

#[tokio::test]
async fn what_an_order_took_twice_is_given_back_once_and_nobody_is_refunded() {
    for partitions in [
        Partitions::NONE,
        Partitions::new(NonZeroU16::new(4).unwrap()),
    ] {
        let test = TestStore::start(partitions).await;
        let product = test.product(10).await;
        let sold = order(product, 3);
        assert_eq!(test.apply_one(&sold).await, ApplyOutcome::Applied);
        let first = newest_movement(&test, product).await;
        let partition = partitions.of(product);
        let hour = sold.ordered_at.as_millis() / HOUR_MS;
        test.operate("DEL", &partition.key_of("records", hour))
            .await;
        assert_eq!(test.apply_one(&sold).await, ApplyOutcome::Applied);
        assert_eq!(test.stock(product).await, 4);
        let second = newest_movement(&test, product).await;
        assert_eq!(
            surplus(&test, &sold, second).await,
            Release::NotTaken,
            "the record names this movement"
        );
        for expected in [Release::Released, Release::Repeated, Release::Repeated] {
            assert_eq!(surplus(&test, &sold, first).await, expected);
            assert_eq!(test.stock(product).await, 7);
        }
        let records = test.store.find_records(&[sold.order_id]).await.unwrap();
        assert_eq!(records, [OrderRecord::Applied(second)]);
        assert_eq!(
            test.apply_one(&sold).await,
            ApplyOutcome::Repeated(Decision::Applied)
        );
        assert_eq!(refunds(&test, partition).await, []);
        let ledgers = test.store.list_ledgers(None, 10, 10).await.unwrap().items;
        assert_eq!(ledgers[0].as_ref().unwrap().flaw(), None);
    }
}

#[tokio::test]
async fn a_surplus_is_given_back_beside_a_release_in_either_order() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(10).await;
    for release_first in [false, true] {
        let sold = order(product, 2);
        let first = take_twice(&test, &sold).await;
        let second = newest_movement(&test, product).await;
        assert_eq!(test.stock(product).await, 6);
        if release_first {
            assert_eq!(release(&test, &sold).await, Release::Released);
            assert_eq!(test.stock(product).await, 8);
        }
        assert_eq!(surplus(&test, &sold, first).await, Release::Released);
        let expected = if release_first {
            Release::Repeated
        } else {
            Release::Released
        };
        assert_eq!(release(&test, &sold).await, expected);
        assert_eq!(release(&test, &sold).await, Release::Repeated);
        assert_eq!(surplus(&test, &sold, first).await, Release::Repeated);
        assert_eq!(
            surplus(&test, &sold, second).await,
            Release::NotTaken,
            "the order was released"
        );
        assert_eq!(test.stock(product).await, 10);
    }
}

#[tokio::test]
async fn a_sale_of_an_order_that_was_rejected_later_is_a_surplus() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(3).await;
    let sold = order(product, 3);
    test.apply_one(&sold).await;
    let first = newest_movement(&test, product).await;
    forget(&test, &sold).await;
    assert_eq!(
        test.apply_one(&sold).await,
        ApplyOutcome::Rejected(RefundReason::InsufficientStock)
    );
    for expected in [Release::Released, Release::Repeated] {
        assert_eq!(surplus(&test, &sold, first).await, expected);
        assert_eq!(test.stock(product).await, 3);
    }
}

#[tokio::test]
async fn what_cannot_be_proved_to_be_a_surplus_is_not_given_back() {
    let test = TestStore::start(Partitions::NONE).await;
    let (product, neighbour) = (test.product(10).await, test.product(10).await);
    let (twice, once, lost) = (order(product, 2), order(product, 2), order(product, 2));
    let first = take_twice(&test, &twice).await;
    for order in [&once, &lost] {
        test.apply_one(order).await;
    }
    let of_lost = newest_movement(&test, product).await;
    forget(&test, &lost).await;
    let created = test.movements(product).await.last().unwrap().id;
    let mut elsewhere = twice.clone();
    elsewhere.product_id = neighbour;
    let before = test.dump().await;
    for (order, movement) in [
        (&once, first),
        (&lost, of_lost),
        (&twice, of_lost),
        (&twice, created),
        (&twice, EntryId::first_of(1)),
        (&elsewhere, first),
    ] {
        assert_eq!(
            surplus(&test, order, movement).await,
            Release::NotTaken,
            "{movement}"
        );
    }
    assert_eq!(test.dump().await, before);
    // The movement that the record names is gone: the other one may be the only one.
    let newest = test.movements(product).await;
    let own = newest
        .iter()
        .find(|one| one.order_id == Some(twice.order_id));
    test.operate("XDEL", &format!("movements:{product} {}", own.unwrap().id))
        .await;
    assert_eq!(surplus(&test, &twice, first).await, Release::NotTaken);
    test.remove(product).await;
    assert_eq!(surplus(&test, &once, first).await, Release::NotTaken);
}

#[tokio::test]
async fn an_operator_gives_a_surplus_back_over_http() {
    let service = Service::start().await;
    let product: ProductId = service.create("Tea").await.parse().unwrap();
    let sold = order(product, 1);
    service.apply(std::slice::from_ref(&sold)).await;
    let taken = service.store().find_movement(product, sold.order_id).await;
    let only = taken.unwrap().unwrap()[0].id;
    let body = |movement: &str| {
        let ids =
            json!({ "order_id": sold.order_id, "product_id": product, "movement_id": movement });
        ids.to_string()
    };
    let refused = service
        .post("/admin/surpluses", body(&only.to_string()))
        .await;
    refused.problem(404, "not-found");
    let wrong = service.post("/admin/surpluses", body("yesterday")).await;
    assert_eq!(wrong.invalid_fields(), ["#/movement_id"]);
    let empty = service.post("/admin/surpluses", "{}").await;
    assert_eq!(
        empty.invalid_fields(),
        ["#/movement_id", "#/order_id", "#/product_id"]
    );
}
