//! Paying and refunding orders, and what damaged data changes.

use std::collections::BTreeSet;

use payments::domain::OrderStatus;
use payments::store::COMPLETION_BATCH;
use payments::worker::RefundHandler;
use proof::order_line;
use shared::contract::event::{Event, OrderCompleted, RefundOrder, RefundReason};
use shared::contract::id::{OrderId, ProductId};
use shared::store::condition::Condition;
use shared::store::partition::Partitions;
use shared::stream::delivery::{Delivered, Handler, Settlement};

use crate::functions::{ENTRY, complete, start, status};
use crate::harness::{TestStore, only_partition, place, refund};

#[tokio::test]
async fn an_id_without_an_order_does_not_keep_others_from_being_paid() {
    let test = start().await;
    for number in 0..COMPLETION_BATCH + 5 {
        test.operate("ZADD", &format!("due 1 ghost-{number}")).await;
    }
    test.operate("ZADD", "due 2 text").await;
    test.operate("SET", "order:text x").await;
    test.operate("ZADD", "due 2 hash").await;
    test.operate("HSET", "order:hash a b").await;
    let order = place(&test.store).await.id;
    let (mut paid, mut broken) = (Vec::new(), BTreeSet::new());
    for _ in 0..3 {
        let completion = test.store.complete_due(only_partition()).await.unwrap();
        paid.extend(completion.paid);
        broken.extend(completion.broken);
    }
    assert_eq!(paid, [order.to_string()]);
    assert_eq!(
        broken.len(),
        COMPLETION_BATCH + 7,
        "each order has an event"
    );
    assert_eq!(test.entries(OrderCompleted::STREAM).await.len(), 1);
}

/// An order that was made due anew while a client cancelled it is still on the list.
#[tokio::test]
async fn cancelled_orders_are_taken_off_the_list_and_that_is_progress() {
    let test = start().await;
    for _ in 0..3 {
        let order = place(&test.later).await.id;
        test.store
            .cancel_order(order, &Condition::NONE, None)
            .await
            .unwrap();
        test.operate("ZADD", &format!("due 1 {order}")).await;
    }
    let completion = test.store.complete_due(only_partition()).await.unwrap();
    assert_eq!(
        (
            completion.paid.len(),
            completion.broken.len(),
            completion.removed
        ),
        (0, 0, 3)
    );
    assert_eq!(completion.next_due_in, None);
    assert_eq!(
        test.store
            .complete_due(only_partition())
            .await
            .unwrap()
            .removed,
        0
    );
}

/// Without all its fields an order cannot be emitted, so it must not be paid. It must not stop the
/// other orders either.
#[tokio::test]
async fn an_order_that_is_damaged_is_never_paid_without_an_event() {
    let test = start().await;
    let mut orders = Vec::new();
    for _ in 0..5 {
        orders.push(place(&test.store).await.id);
    }
    let damaged = orders.remove(2);
    let lose = |line: &mut Vec<String>| drop(line.remove(order_line::PRODUCT_ID));
    order_line::change(&test.operator, damaged, lose).await;
    let completion = test.store.complete_due(only_partition()).await.unwrap();
    assert_eq!(completion.broken, [damaged.to_string()]);
    for id in orders {
        assert_eq!(
            status(&test, id).await,
            OrderStatus::Paid,
            "a damaged order stops the others"
        );
    }
    let line = test.get(&format!("order:{damaged}")).await;
    assert!(!line.contains("paid"), "paid without an event");
    assert_eq!(test.entries(OrderCompleted::STREAM).await.len(), 4);
}

#[tokio::test]
async fn more_orders_than_a_batch_are_paid_in_rounds() {
    let test = start().await;
    let mut placed = BTreeSet::new();
    for _ in 0..COMPLETION_BATCH + 20 {
        placed.insert(place(&test.store).await.id);
    }
    let (first, second) = (complete(&test).await, complete(&test).await);
    assert_eq!((first.len(), second.len()), (COMPLETION_BATCH, 20));
    assert_eq!(
        first.into_iter().chain(second).collect::<BTreeSet<_>>(),
        placed
    );
}

#[tokio::test]
async fn a_refund_that_names_another_product_or_quantity_than_its_order_changes_nothing() {
    let test = TestStore::start(Partitions::NONE).await;
    let order = place(&test.store).await;
    let settle = async |refund: RefundOrder| {
        let handler = RefundHandler {
            store: test.store.clone(),
        };
        handler.handle(&delivered(refund)).await.unwrap().remove(0)
    };
    let is_mismatch = |settlement: Settlement| matches!(settlement, Settlement::Park(parking) if parking.reason == "order_mismatch");
    let right = refund(&order);
    let wrong = [
        RefundOrder {
            product_id: ProductId::mint(),
            ..right.clone()
        },
        RefundOrder {
            quantity: 1,
            ..right.clone()
        },
        RefundOrder {
            quantity: 33,
            ..right.clone()
        },
    ];
    // Whether the order is paid makes no difference.
    for paid in [false, true, true] {
        if paid {
            complete(&test).await;
        }
        let before = test.dump().await;
        for wrong in &wrong {
            assert!(is_mismatch(settle(wrong.clone()).await), "{wrong:?}");
        }
        assert_eq!(test.dump().await, before);
        if paid {
            assert_eq!(settle(right.clone()).await, Settlement::Done);
        }
    }
}

fn delivered(event: RefundOrder) -> [Delivered<'static, RefundOrder>; 1] {
    [Delivered {
        entry_id: ENTRY,
        event,
    }]
}

#[tokio::test]
async fn a_release_of_an_order_that_payments_does_not_know_has_nobody_to_refund() {
    let test = TestStore::start(Partitions::NONE).await;
    let mut unknown = refund(&place(&test.later).await);
    unknown.order_id = OrderId::mint();
    let handler = RefundHandler {
        store: test.store.clone(),
    };
    let before = test.dump().await;
    for (reason, parked) in [
        (RefundReason::InsufficientStock, true),
        (RefundReason::Released, false),
    ] {
        let refund = RefundOrder {
            reason,
            ..unknown.clone()
        };
        let settled = handler.handle(&delivered(refund)).await.unwrap();
        assert_eq!(
            matches!(settled[0], Settlement::Park(_)),
            parked,
            "{reason}"
        );
    }
    assert_eq!(test.dump().await, before);
}
