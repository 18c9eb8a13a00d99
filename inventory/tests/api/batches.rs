//! Large batches of paid orders: several calls, products and hours in any order, and lists that no
//! service would send.

use inventory::domain::{ApplyOutcome, Decision};
use proof::invocation::Invocation;
use serde_json::{Value, json};
use shared::contract::event::{Event, RefundOrder, RefundReason};
use shared::contract::id::ProductId;
use shared::redis::RedisError;
use shared::store::partition::{Partition, Partitions};

use crate::atomicity::bench;
use crate::harness::{KEEP, TestStore, order, order_minted_at};
use crate::twin::request::{Apply, Paid};

const HOUR_MS: u64 = 60 * 60 * 1_000;
/// The indexes of the lists in the arguments of `apply_orders`.
const LISTS: std::ops::Range<usize> = 4..9;

#[tokio::test]
async fn more_orders_than_fit_into_one_call_are_applied_in_their_order() {
    const ORDERS: usize = 1_500;
    let test = TestStore::start(Partitions::NONE).await;
    let (ample, scarce) = (test.product(1_000_000).await, test.product(100).await);
    let missing: Vec<ProductId> = (0..300).map(|_| ProductId::mint()).collect();
    let now = test.now_ms().await;
    let orders: Vec<_> = (0..ORDERS)
        .map(|place| {
            let product = [ample, scarce, missing[place / 3 % missing.len()]][place % 3];
            // Neighbours were placed in different hours, so each order is a run of its own.
            order_minted_at(now - (place % 5) as u64 * HOUR_MS, product, 1)
        })
        .collect();
    let outcomes = test.apply(&orders).await;
    for (place, outcome) in outcomes.iter().enumerate() {
        let expected = match place % 3 {
            0 => ApplyOutcome::Applied,
            1 if place / 3 < 100 => ApplyOutcome::Applied,
            1 => ApplyOutcome::Rejected(RefundReason::InsufficientStock),
            _ => ApplyOutcome::Rejected(RefundReason::ProductNotFound),
        };
        assert_eq!(*outcome, expected, "order {place}");
    }

    assert_eq!(
        (test.stock(ample).await, test.stock(scarce).await),
        (1_000_000 - 500, 0)
    );
    assert_eq!(
        test.entries(&format!("movements:{scarce}")).await.len(),
        1 + 100
    );
    assert_eq!(test.entries(RefundOrder::STREAM).await.len(), 400 + 500);
    for (order, outcome) in orders.iter().zip(test.apply(&orders).await) {
        assert!(
            matches!(outcome, ApplyOutcome::Repeated(_)),
            "{order:?}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn an_order_that_is_twice_in_a_batch_is_applied_once() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(1).await;
    let (first, second) = (order(product, 1), order(product, 1));
    let batch = [first.clone(), second.clone(), first, second];
    let outcomes = test.apply(&batch).await;
    let short = RefundReason::InsufficientStock;
    let (taken, refused) = (Decision::Applied, Decision::Rejected(short));
    assert_eq!(
        outcomes[..2],
        [ApplyOutcome::Applied, ApplyOutcome::Rejected(short)]
    );
    assert_eq!(
        outcomes[2..],
        [
            ApplyOutcome::Repeated(taken),
            ApplyOutcome::Repeated(refused)
        ]
    );
}

#[tokio::test]
async fn a_damaged_stream_of_refunds_holds_up_only_orders_that_need_one() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(3).await;
    test.operate("SET", &format!("{} damage", RefundOrder::STREAM))
        .await;
    let before = test.dump().await;
    let rejected = order(ProductId::mint(), 1);
    test.store
        .apply_orders(&[order(product, 1), rejected.clone()], KEEP)
        .await
        .unwrap_err();
    assert_eq!(test.dump().await, before, "a batch fails as a whole");
    let outcomes = test.apply(&[order(product, 1)]).await;
    assert_eq!(outcomes, [ApplyOutcome::Applied]);
    test.operate("DEL", RefundOrder::STREAM).await;
    let outcomes = test.apply(&[rejected]).await;
    assert_eq!(
        outcomes,
        [ApplyOutcome::Rejected(RefundReason::ProductNotFound)]
    );
    assert_eq!(test.entries(RefundOrder::STREAM).await.len(), 1);
}

#[tokio::test]
async fn a_list_with_something_odd_in_it_leaves_the_store_as_it_is() {
    let test = TestStore::start(Partitions::NONE).await;
    let (product, empty) = (test.product(10).await, test.product(0).await);
    let paid = [product, empty, product].map(|id| Paid::of(&order(id, 1)));
    let apply = Apply {
        keep_ms: HOUR_MS,
        orders: paid.to_vec(),
    };
    let call = apply.invocation(Partition::at(None));
    let (before, bench) = (test.dump().await, bench(&test).await);
    let mut refused = 0;
    for list in LISTS {
        for odd in odd_lists(&serde_json::from_str(&call.args[list]).unwrap()) {
            let mut call = call.clone();
            call.args[list] = odd.to_string();
            let reply = invoke(&test, &call).await;
            if reply.is_err() {
                refused += 1;
                assert_eq!(test.dump().await, before, "{odd} {reply:?}");
            } else {
                // This function does not check quantities and ids, because they were checked when
                // they were parsed.
                bench.reset().await;
            }
        }
    }
    assert!(refused > 100, "{refused}");
    invoke(&test, &call).await.unwrap();
}

/// The list with one item more, with one item fewer, and with each item replaced by another value.
fn odd_lists(list: &Value) -> Vec<Value> {
    let items = list.as_array().unwrap();
    let mut all = vec![
        json!({}),
        json!(null),
        json!([]),
        json!([items.as_slice(), &[json!(1)]].concat()),
    ];
    all.push(Value::from(items[1..].to_vec()));
    let odd = [
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(null),
        json!([]),
        json!("x"),
        json!(99),
    ];
    for (place, item) in items.iter().enumerate() {
        for odd in &odd {
            let mut items = items.clone();
            items[place] = odd.clone();
            all.push(Value::from(items));
        }
        if item.is_array() {
            all.extend(odd_lists(item).into_iter().map(|item| {
                let mut items = items.clone();
                items[place] = item;
                Value::from(items)
            }));
        }
    }
    all
}

async fn invoke(test: &TestStore, call: &Invocation) -> Result<shared::redis::Reply, RedisError> {
    test.store.own.call(Partition::at(None), &call.call()).await
}
