//! The records that inventory shows to an operator, and the stock that it gives back.

use std::num::NonZeroU16;
use std::time::Duration;

use inventory::domain::{Adjustment, ApplyOutcome, Cause, Decision, OrderRecord, Release};
use shared::contract::event::{Event, OrderCompleted, RefundOrder, RefundReason};
use shared::contract::id::ProductId;
use shared::contract::trace::RequestContext;
use shared::redis::Entry;
use shared::store::condition::Condition;
use shared::store::partition::{Partition, Partitions};
use shared::store::sweep::Sweep;

use crate::harness::{KEEP, TestStore, order, order_minted_at};

const HOUR_MS: u64 = 60 * 60 * 1_000;

pub(crate) async fn release(test: &TestStore, order: &OrderCompleted) -> Release {
    let context = RequestContext::mint();
    test.store
        .release_order(order.order_id, order.product_id, &context)
        .await
        .unwrap()
}

/// All refunds that inventory asked for.
pub(crate) async fn refunds(test: &TestStore, partition: Partition) -> Vec<RefundOrder> {
    let entries = test.entries(&partition.key(RefundOrder::STREAM)).await;
    let read = |entry: &Entry| RefundOrder::decode(entry.fields.as_ref().unwrap()).unwrap();
    entries.iter().map(read).collect()
}

#[tokio::test]
async fn what_became_of_orders_is_told_in_every_partition() {
    for partitions in [
        Partitions::NONE,
        Partitions::new(NonZeroU16::new(4).unwrap()),
    ] {
        let test = TestStore::start(partitions).await;
        let now = test.now_ms().await;
        let keep = u64::try_from(KEEP.as_millis()).unwrap();
        let (mut orders, mut expected) = (Vec::new(), Vec::new());
        for hour in 0..10 {
            let product = test.product(5).await;
            let sold = order_minted_at(now - hour * HOUR_MS, product, 5);
            let short = order_minted_at(now - hour * HOUR_MS, product, 1);
            let missing = order(ProductId::mint(), 1);
            for order in [&sold, &short, &missing] {
                test.apply_one(order).await;
            }
            let taken = OrderRecord::Applied(test.movements(product).await[0].id);
            if hour == 3 {
                assert_eq!(release(&test, &sold).await, Release::Released);
            }
            let old = order_minted_at(now - keep - (hour + 1) * HOUR_MS, product, 1);
            orders.extend([sold, short, missing, order(product, 1), old].map(|o| o.order_id));
            expected.extend([
                if hour == 3 {
                    OrderRecord::Released
                } else {
                    taken
                },
                OrderRecord::Rejected(RefundReason::InsufficientStock),
                OrderRecord::Rejected(RefundReason::ProductNotFound),
                OrderRecord::Unknown,
                OrderRecord::Forgotten,
            ]);
        }
        for partition in partitions.all() {
            // No shop is closed for long before its newest record.
            let hour = now / HOUR_MS - 10 * 24;
            test.operate(
                "ZADD",
                &format!("{} {hour} {hour}", partition.key("record_hours")),
            )
            .await;
        }
        let sweep = Sweep::new("records of orders", Duration::ZERO);
        for _ in 0..2 {
            assert_eq!(test.store.sweep_records(&sweep, KEEP).await.unwrap(), 0);
        }
        assert_eq!(test.store.find_records(&orders).await.unwrap(), expected);
        test.operate("FLUSHALL", "").await;
        test.store.find_records(&orders).await.unwrap_err();
    }
}

#[tokio::test]
async fn stock_is_given_back_once_and_the_order_is_refunded_from_then_on() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(10).await;
    let (sold, other) = (order(product, 4), order(product, 1));
    test.apply_one(&sold).await;
    test.apply_one(&other).await;
    for expected in [Release::Released, Release::Repeated, Release::Repeated] {
        assert_eq!(release(&test, &sold).await, expected);
        assert_eq!(test.stock(product).await, 9);
    }
    let whole_store = Partition::at(None);
    assert_eq!(
        refunds(&test, whole_store).await.len(),
        3,
        "a duplicate repeats its answer"
    );
    let released = ApplyOutcome::Repeated(Decision::Rejected(RefundReason::Released));
    assert_eq!(test.apply_one(&sold).await, released);
    let refunds = refunds(&test, whole_store).await;
    assert_eq!(refunds.len(), 4);
    for refund in refunds {
        let RefundOrder {
            order_id,
            product_id,
            quantity,
            reason,
            ..
        } = refund;
        let told = (order_id, product_id, quantity, reason);
        assert_eq!(told, (sold.order_id, product, 4, RefundReason::Released));
    }
    assert_eq!(
        test.apply_one(&other).await,
        ApplyOutcome::Repeated(Decision::Applied)
    );
    assert_eq!(test.stock(product).await, 9);
    let movements = test.movements(product).await;
    let told: Vec<_> = movements
        .iter()
        .map(|movement| (movement.kind.as_str(), movement.delta, movement.balance))
        .collect();
    assert_eq!(
        told,
        [
            ("release", 4, 9),
            ("sale", -1, 5),
            ("sale", -4, 6),
            ("created", 10, 10)
        ]
    );
    assert_eq!(movements[0].order_id, Some(sold.order_id));
    let ledgers = test.store.list_ledgers(None, 10, 10).await.unwrap().items;
    assert_eq!(ledgers[0].as_ref().unwrap().flaw(), None);
}

#[tokio::test]
async fn nothing_is_given_back_where_nothing_was_taken() {
    let test = TestStore::start(Partitions::NONE).await;
    let (product, neighbour) = (test.product(10).await, test.product(10).await);
    let (sold, short, unknown) = (order(product, 4), order(product, 11), order(product, 1));
    test.apply_one(&sold).await;
    test.apply_one(&short).await;
    let mut elsewhere = sold.clone();
    elsewhere.product_id = neighbour;
    let now = unknown.ordered_at.as_millis();
    let past = order_minted_at(0, product, 1);
    let ahead = order_minted_at(now + 10_000 * 24 * HOUR_MS, product, 1);
    let before = test.dump().await;
    for order in [&short, &unknown, &elsewhere, &past, &ahead] {
        assert_eq!(release(&test, order).await, Release::NotTaken);
    }
    assert_eq!(test.dump().await, before);
}

#[tokio::test]
async fn a_released_order_is_not_refunded_again_for_another_product() {
    let test = TestStore::start(Partitions::NONE).await;
    let (product, neighbour) = (test.product(10).await, test.product(10).await);
    let sold = order(product, 4);
    test.apply_one(&sold).await;
    assert_eq!(release(&test, &sold).await, Release::Released);
    let mut elsewhere = sold.clone();
    elsewhere.product_id = neighbour;
    let before = test.dump().await;
    assert_eq!(release(&test, &elsewhere).await, Release::NotTaken);
    assert_eq!(test.dump().await, before);
}

#[tokio::test]
async fn stock_of_a_deleted_product_is_given_back_to_nobody() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(10).await;
    let sold = order(product, 4);
    test.apply_one(&sold).await;
    test.remove(product).await;
    assert_eq!(release(&test, &sold).await, Release::Released);
    assert_eq!(release(&test, &sold).await, Release::Repeated);
    assert_eq!(test.store.find_product(product).await.unwrap(), None);
    let records = test.store.find_records(&[sold.order_id]).await.unwrap();
    assert_eq!(records, [OrderRecord::Released]);
}

#[tokio::test]
async fn what_cannot_be_given_back_whole_is_not_given_back() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(10).await;
    let sold = order(product, 4);
    test.apply_one(&sold).await;
    let restock = Adjustment {
        cause: Cause::Restock,
        quantity: 999_999_994,
        note: None,
    };
    test.store
        .adjust_stock(product, &restock, &Condition::NONE, None)
        .await
        .unwrap();
    let before = test.dump().await;
    assert_eq!(release(&test, &sold).await, Release::TooMany);
    assert_eq!(test.dump().await, before);

    let hour = sold.ordered_at.as_millis() / HOUR_MS;
    let spoiled = [
        (format!("product:{product}"), "SET"),
        (format!("product:{product}"), "LPUSH"),
        (format!("movements:{product}"), "SET"),
        (format!("records:{hour}"), "LPUSH"),
    ];
    // The stream has no refund yet.
    test.operate("XADD", "refund_order 1-0 a b").await;
    let spoiled = spoiled
        .into_iter()
        .chain([("refund_order".to_owned(), "SET")]);
    for (key, wrong) in spoiled {
        test.operate("RENAME", &format!("{key} aside")).await;
        test.operate(wrong, &format!("{key} x")).await;
        let before = test.dump().await;
        let context = RequestContext::mint();
        let given = test
            .store
            .release_order(sold.order_id, product, &context)
            .await;
        assert!(given.is_err(), "{wrong} {key}: {given:?}");
        assert_eq!(test.dump().await, before, "{wrong} {key}");
        test.operate("RENAME", &format!("aside {key}")).await;
    }
}
