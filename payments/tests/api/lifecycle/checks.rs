//! What a history must have left in the store.

use std::collections::BTreeSet;

use payments::domain::{OrderFilter, OrderStatus, Quote};
use shared::contract::event::{Event, OrderCompleted};
use shared::contract::id::OrderId;
use shared::redis::Command;

use crate::harness::{LATER, TestStore};
use crate::model::{Known, Model};

/// Every order is that of the model. It has exactly the times that have passed.
pub(super) async fn check_orders(test: &TestStore, model: &Model) {
    for (&id, known) in &model.orders {
        let order = test.store.find_order(id).await.unwrap().unwrap();
        assert_eq!((order.status, order.reason), (known.status, known.reason));
        assert_eq!((order.wanted, order.quote), (known.wanted, known.quote));
        let was_paid = matches!(known.status, OrderStatus::Paid | OrderStatus::Refunded);
        assert_eq!(order.paid_at.is_some(), was_paid);
        assert_eq!(
            order.cancelled_at.is_some(),
            known.status == OrderStatus::Cancelled
        );
        assert_eq!(
            order.refunded_at.is_some(),
            known.status == OrderStatus::Refunded
        );
        let delay_ms = order.completes_at.as_millis() - order.created_at.as_millis();
        assert_eq!(
            u128::from(delay_ms),
            if known.due { 0 } else { LATER.as_millis() }
        );
    }
    let listed = test
        .store
        .list_orders(&OrderFilter::default(), None, 100)
        .await
        .unwrap();
    let listed: Vec<OrderId> = listed.items.iter().map(|order| order.id).collect();
    assert_eq!(
        listed,
        model.orders.keys().rev().copied().collect::<Vec<_>>()
    );
}

/// The list of due orders has exactly the pending orders.
pub(super) async fn check_due(test: &TestStore, model: &Model) {
    let mut due = BTreeSet::new();
    for partition in test.store.own.partitions().all() {
        let range = Command::new("ZRANGE")
            .key(partition.key("due"))
            .arg(0)
            .arg(-1);
        for member in test.ask(range).await.texts().unwrap() {
            due.extend(member.split(' ').map(str::to_owned));
        }
    }
    let pending = model
        .orders
        .iter()
        .filter(|(_, known)| known.status == OrderStatus::Pending);
    assert_eq!(due, pending.map(|(id, _)| id.to_string()).collect());
}

/// Every order that was ever paid has one event, with the same fields that Rust writes.
pub(super) async fn check_events(test: &TestStore, model: &Model) {
    let mut found = BTreeSet::new();
    for partition in test.store.own.partitions().all() {
        for entry in test.entries(&partition.key(OrderCompleted::STREAM)).await {
            let fields = entry.fields.unwrap();
            let event = OrderCompleted::decode(&fields).unwrap();
            let encoded: Vec<_> = event
                .encode()
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect();
            assert_eq!(encoded, fields, "Lua and Rust write an event differently");
            let known = &model.orders[&event.order_id];
            let quote = Quote {
                price: event.price,
                fee: event.fee,
                total: event.total,
            };
            assert_eq!(
                (quote, &event.traceparent),
                (known.quote, &known.context.traceparent)
            );
            assert_eq!(event.request_id, known.context.request_id);
            assert_eq!(event.product_id, known.wanted.product_id);
            assert_eq!(event.quantity, known.wanted.quantity);
            let order = test
                .store
                .find_order(event.order_id)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(order.paid_at, Some(event.time));
            assert_eq!(order.trail.completed_entry.as_ref(), Some(&entry.id));
            assert!(found.insert(event.order_id), "emitted twice");
        }
    }
    let paid = |known: &Known| matches!(known.status, OrderStatus::Paid | OrderStatus::Refunded);
    let paid = model.orders.iter().filter(|(_, known)| paid(known));
    assert_eq!(found, paid.map(|(id, _)| *id).collect());
}

/// The account has the sum of all orders that were ever paid, and of all that were refunded.
pub(super) async fn check_account(test: &TestStore, model: &Model) {
    let (mut charged, mut refunded) = (0, 0);
    for partition in test.store.own.partitions().all() {
        let account = test.store.read_account(partition).await.unwrap();
        charged += account.charged;
        refunded += account.refunded;
    }
    let sum = |statuses: &[OrderStatus]| -> u64 {
        let known = model
            .orders
            .values()
            .filter(|known| statuses.contains(&known.status));
        known.map(|known| known.quote.total.as_minor()).sum()
    };
    assert_eq!(charged, sum(&[OrderStatus::Paid, OrderStatus::Refunded]));
    assert_eq!(refunded, sum(&[OrderStatus::Refunded]));
}
