//! Random histories compare the methods of the store with the life of an order in the domain, in
//! several partitions. The `twin` compares every key that a function leaves.

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use payments::domain::{OrderStatus, PlaceOrder, Quote};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use shared::contract::event::RefundReason;
use shared::contract::id::{OrderId, ProductId};
use shared::contract::trace::RequestContext;
use shared::store::claim::{Claim, Once};
use shared::store::condition::Condition;
use shared::store::partition::Partitions;
use tokio::runtime::Runtime;

use crate::harness::{TestStore, refund_of};
use crate::model::{Known, Model};

mod checks;

use checks::{check_account, check_due, check_events, check_orders};

/// The number of histories, and the number of steps in each.
const CASES: u32 = 20;
const STEPS: usize = 30;

/// One step of a history. Steps with the same key repeat one request.
#[derive(Clone, Debug)]
enum Step {
    Place {
        due: bool,
        key: Option<u8>,
    },
    Complete,
    Cancel {
        order: Index,
    },
    Refund {
        orders: Vec<Index>,
        reason: RefundReason,
    },
}

#[test]
fn an_order_lives_as_the_model_says_in_every_partition() {
    check_histories(Partitions::new(NonZeroU16::new(4).unwrap()));
}

fn check_histories(partitions: Partitions) {
    let runtime = Runtime::new().unwrap();
    let test = runtime.block_on(TestStore::start(partitions));
    let mut runner = TestRunner::new(Config {
        cases: CASES,
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    });
    let history = proptest::collection::vec(step(), STEPS);
    let checked = runner.run(&history, |history| {
        runtime.block_on(async {
            test.operate("FLUSHALL", "").await;
            test.store.own.adopt().await.unwrap();
            let mut model = Model::default();
            for step in &history {
                play(&test, &mut model, step).await;
            }
            check_orders(&test, &model).await;
            check_due(&test, &model).await;
            check_events(&test, &model).await;
            check_account(&test, &model).await;
        });
        Ok(())
    });
    checked.unwrap();
}

fn step() -> impl Strategy<Value = Step> {
    let reason = prop_oneof![
        Just(RefundReason::ProductNotFound),
        Just(RefundReason::InsufficientStock)
    ];
    let key = prop_oneof![2 => Just(None), 1 => (0..4_u8).prop_map(Some)];
    let refund = (proptest::collection::vec(any::<Index>(), 1..5), reason);
    prop_oneof![
        4 => (any::<bool>(), key).prop_map(|(due, key)| Step::Place { due, key }),
        2 => Just(Step::Complete),
        2 => any::<Index>().prop_map(|order| Step::Cancel { order }),
        2 => refund.prop_map(|(orders, reason)| Step::Refund { orders, reason }),
    ]
}

async fn play(test: &TestStore, model: &mut Model, step: &Step) {
    match step {
        Step::Place { due, key } => place(test, model, *due, *key).await,
        Step::Complete => {
            let mut paid = BTreeSet::new();
            for partition in test.store.own.partitions().all() {
                let completion = test.store.complete_due(partition).await.unwrap();
                assert!(completion.broken.is_empty(), "{completion:?}");
                paid.extend(completion.paid);
            }
            let expected = model.complete();
            assert_eq!(paid, expected.iter().map(ToString::to_string).collect());
        }
        Step::Cancel { order } => {
            let id = *order.get(&model.ids());
            let cancelled = test
                .store
                .cancel_order(id, &Condition::NONE, None)
                .await
                .unwrap();
            assert_eq!(cancelled, Once::Now(model.cancel(id)));
        }
        Step::Refund { orders, reason } => {
            let ids = model.ids();
            let ids: BTreeSet<OrderId> = orders.iter().map(|order| *order.get(&ids)).collect();
            let nothing = PlaceOrder {
                product_id: ProductId::EXAMPLE,
                quantity: 1,
            };
            let refund = |id: &OrderId| {
                let known = model.orders.get(id);
                refund_of(*id, known.map_or(nothing, |known| known.wanted), *reason)
            };
            let refunds: Vec<_> = ids.iter().map(refund).collect();
            let entries = vec!["1-0"; refunds.len()];
            let outcomes = test.store.refund_orders(&refunds, &entries).await.unwrap();
            let expected: Vec<_> = ids.iter().map(|&id| model.refund(id, *reason)).collect();
            assert_eq!(outcomes, expected);
        }
    }
}

async fn place(test: &TestStore, model: &mut Model, due: bool, key: Option<u8>) {
    let product_id = "01932c4e-7c1a-7000-8000-2f0d6a1b9c3e".parse().unwrap();
    let wanted = PlaceOrder {
        product_id,
        quantity: 1 + u32::from(due),
    };
    let rate = "0.20".parse().unwrap();
    let quote = Quote::of("19.90".parse().unwrap(), wanted.quantity, rate).unwrap();
    let store = if due { &test.store } else { &test.later };
    let context = RequestContext::mint();
    let claim = key.map(|key| Claim::new(format!("key-{key}").parse().unwrap(), &wanted.quantity));
    let placed = store
        .place_order(wanted, quote, &context, claim.as_ref())
        .await
        .unwrap();
    let earlier = key.and_then(|key| model.keys.get(&key));
    match earlier.map(|id| (*id, &model.orders[id])) {
        Some((_, known)) if known.wanted != wanted => assert_eq!(placed, Once::KeyReused),
        Some((id, _)) => {
            let Once::Before(order) = placed else {
                panic!("{placed:?}");
            };
            assert_eq!((order.id, order.status), (id, OrderStatus::Pending));
        }
        None => {
            let Once::Now(order) = placed else {
                panic!("{placed:?}");
            };
            let status = OrderStatus::Pending;
            let known = Known {
                status,
                due,
                reason: None,
                wanted,
                quote,
                context,
            };
            model.orders.insert(order.id, known);
            key.map(|key| model.keys.insert(key, order.id));
        }
    }
}
