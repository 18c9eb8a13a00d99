//! What a history must have left in the store.

use inventory::domain::{ApplyOutcome, Filter, Sort};
use shared::contract::event::{Event, OrderCompleted, RefundOrder};
use unicode_normalization::UnicodeNormalization;

use super::STEPS;
use crate::harness::TestStore;
use crate::model::Model;

/// The stock is that of the model, and the movements add up to it.
pub(super) async fn check_stock(test: &TestStore, model: &Model) {
    for (&id, &on_hand) in &model.stock {
        let found = test.store.find_product(id).await.unwrap();
        assert_eq!(found.map(|product| product.quantity), on_hand);
        let partition = test.store.own.partitions().of(id);
        let movements = test.entries(&partition.key_of("movements", id)).await;
        let number = |place: usize, entry: &shared::redis::Entry| -> i64 {
            let (_, told) = &entry.fields.as_ref().unwrap()[0];
            std::str::from_utf8(told)
                .unwrap()
                .split(' ')
                .nth(place)
                .unwrap()
                .parse()
                .unwrap()
        };
        let mut sum = 0;
        for movement in &movements {
            sum += number(0, movement);
            assert_eq!(number(1, movement), sum);
            assert!(sum >= 0, "stock was negative");
        }
        assert_eq!(sum, i64::from(on_hand.unwrap_or(0)));
    }
}

/// The list by name has each product once, under its present name.
pub(super) async fn check_names(test: &TestStore, model: &Model) {
    let all = Filter::default();
    let page = test
        .store
        .list_products(&all, Sort::Name, None, 2 * STEPS)
        .await
        .unwrap();
    let found: Vec<_> = page
        .items
        .iter()
        .map(|product| (product.id, product.name.as_str()))
        .collect();
    let mut expected: Vec<_> = model.names.iter().map(|(&id, &name)| (id, name)).collect();
    // An accent sorts behind its letter, so it decides only between equal letters.
    expected.sort_by_key(|&(id, name)| (name.to_lowercase().nfd().collect::<String>(), id));
    assert_eq!(found, expected);
}

/// The stream has exactly the refunds of the model, with the same fields that Rust writes.
pub(super) async fn check_refunds(test: &TestStore, model: &Model) {
    let mut found = Vec::new();
    for partition in test.store.own.partitions().all() {
        for entry in test.entries(&partition.key(RefundOrder::STREAM)).await {
            let fields = entry.fields.unwrap();
            let refund = RefundOrder::decode(&fields).unwrap();
            let encoded: Vec<_> = refund
                .encode()
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect();
            assert_eq!(encoded, fields, "Lua and Rust write a refund differently");
            let RefundOrder {
                order_id,
                product_id,
                quantity,
                reason,
                traceparent,
                ..
            } = refund;
            found.push((
                order_id,
                product_id,
                quantity,
                reason,
                traceparent.to_string(),
            ));
        }
    }
    // Each partition keeps its own order.
    let mut expected = model.refunds.clone();
    found.sort_by_key(|refund| refund.0);
    expected.sort_by_key(|refund| refund.0);
    assert_eq!(found, expected);
}

/// Every decided order is applied again. Each gets the same answer, and only the stream of refunds
/// may change.
pub(super) async fn check_records(test: &TestStore, mut model: Model, orders: &[OrderCompleted]) {
    let stock = model.stock.clone();
    for batch in orders.chunks(100) {
        let outcomes = test.apply(batch).await;
        for (order, outcome) in batch.iter().zip(outcomes) {
            assert_eq!(
                outcome,
                ApplyOutcome::Repeated(model.decisions[&order.order_id])
            );
            assert_eq!(model.apply(order), outcome);
        }
    }
    assert_eq!(model.stock, stock);
    check_stock(test, &model).await;
    check_refunds(test, &model).await;
}
