//! Random histories compare the methods of the store with the rules of the domain, in several
//! partitions. The `twin` compares every key that a function leaves.

use std::num::NonZeroU16;

use inventory::domain::{
    Adjustment, ApplyOutcome, Cause, Change, Deletion, MAX_STOCK, ProductPatch,
};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};
use shared::contract::event::{Event, OrderCompleted, RefundOrder, RefundReason};
use shared::contract::id::ProductId;
use shared::store::claim::Once;
use shared::store::condition::Condition;
use shared::store::partition::Partitions;
use tokio::runtime::Runtime;

use crate::harness::{KEEP, TestStore, order};
use crate::model::Model;

mod checks;

use checks::{check_names, check_records, check_refunds, check_stock};

/// The number of histories, and the number of steps in each.
const CASES: u32 = 20;
const STEPS: usize = 30;

/// Names of products. Some are equal without regard to case.
const NAMES: [&str; 5] = ["Tea", "TEA", "tea", "Teapot", "Éclair"];
const CAUSES: [Cause; 2] = [Cause::Restock, Cause::Stocktake];

/// One step of a history.
#[derive(Clone, Debug)]
enum Step {
    Create {
        quantity: u32,
    },
    Delete {
        product: Index,
    },
    Rename {
        product: Index,
        name: &'static str,
    },
    Adjust {
        product: Index,
        cause: Cause,
        quantity: u32,
    },
    Apply {
        batch: Vec<Pick>,
    },
}

/// One order of a batch.
#[derive(Clone, Debug)]
enum Pick {
    New {
        product: Index,
        quantity: u32,
    },
    /// An earlier order, which may be in the same batch.
    Again {
        order: Index,
    },
}

#[test]
fn the_store_does_what_the_rule_says_in_every_partition() {
    check_histories(Partitions::new(NonZeroU16::new(4).unwrap()));
}

#[tokio::test]
async fn a_whole_batch_for_one_product_takes_its_stock_to_the_unit() {
    let test = TestStore::start(Partitions::NONE).await;
    let product = test.product(75).await;
    let orders: Vec<_> = (0..100).map(|_| order(product, 1)).collect();
    let outcomes = test.apply(&orders).await;
    let short = ApplyOutcome::Rejected(RefundReason::InsufficientStock);
    assert!(
        outcomes[..75]
            .iter()
            .all(|outcome| *outcome == ApplyOutcome::Applied)
    );
    assert!(outcomes[75..].iter().all(|outcome| *outcome == short));
    assert_eq!(test.entries(RefundOrder::STREAM).await.len(), 25);
    let found = test.find(product).await;
    assert_eq!((found.quantity, found.version), (0, 76));
}

#[tokio::test]
async fn a_damaged_product_leaves_a_whole_batch_unapplied() {
    let test = TestStore::start(Partitions::NONE).await;
    let (damaged, other) = (test.product(3).await, test.product(3).await);
    let orders = [
        order(other, 1),
        order(damaged, 1),
        order(ProductId::mint(), 1),
    ];
    let key = format!("product:{damaged}");
    let line = test.get(&key).await;

    let rest = line.strip_prefix("1 3").unwrap();
    let whole = [
        "1 x",
        "1 -1",
        "x 3",
        "1.5 3",
        "01 3",
        "0 3",
        "9223372036854775807 3",
        "3",
        "deleted",
    ];
    let whole = whole.map(|damage| format!("{damage}{rest}"));
    for damage in whole
        .into_iter()
        .chain([String::new(), "1 3".to_owned(), "deleted".to_owned()])
    {
        test.set(&key, &damage).await;
        let before = test.dump().await;
        test.store.apply_orders(&orders, KEEP).await.unwrap_err();
        assert_eq!(test.dump().await, before, "{damage:?}");
        test.set(&key, &line).await;
    }
    let outcomes = test.apply(&orders).await;
    assert_eq!(
        outcomes[..2],
        [ApplyOutcome::Applied, ApplyOutcome::Applied],
        "the store works again"
    );
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
            let (model, orders) = play(&test, &history).await;
            check_stock(&test, &model).await;
            check_names(&test, &model).await;
            check_refunds(&test, &model).await;
            check_records(&test, model, &orders).await;
        });
        Ok(())
    });
    checked.unwrap();
}

fn step() -> impl Strategy<Value = Step> {
    let on_hand = prop_oneof![3 => 0..=20_u32, 1 => Just(0), 1 => Just(MAX_STOCK)];
    let wanted = prop_oneof![6 => 1..=8_u32, 1 => Just(MAX_STOCK), 1 => Just(u32::MAX)];
    let pick = prop_oneof![
        4 => (any::<Index>(), wanted).prop_map(|(product, quantity)| Pick::New { product, quantity }),
        1 => any::<Index>().prop_map(|order| Pick::Again { order }),
    ];
    prop_oneof![
        3 => on_hand.clone().prop_map(|quantity| Step::Create { quantity }),
        1 => any::<Index>().prop_map(|product| Step::Delete { product }),
        1 => (any::<Index>(), select(NAMES.as_slice()))
            .prop_map(|(product, name)| Step::Rename { product, name }),
        2 => (any::<Index>(), select(CAUSES.as_slice()), on_hand.clone())
            .prop_map(|(product, cause, quantity)| Step::Adjust { product, cause, quantity }),
        8 => proptest::collection::vec(pick, 1..6).prop_map(|batch| Step::Apply { batch }),
    ]
}

async fn play(test: &TestStore, history: &[Step]) -> (Model, Vec<OrderCompleted>) {
    let mut model = Model::default();
    let mut orders = Vec::new();
    // The id of a product that never existed.
    let mut products = vec![ProductId::mint()];
    for step in history {
        match step {
            Step::Create { quantity } => {
                let id = test.product(*quantity).await;
                model.create(id, *quantity);
                products.push(id);
            }
            Step::Delete { product } => {
                let id = *product.get(&products);
                let deleted = test.remove(id).await;
                let existed = model.stock.get_mut(&id).and_then(Option::take).is_some();
                assert_eq!(deleted == Deletion::Deleted, existed);
                model.names.remove(&id);
            }
            Step::Rename { product, name } => {
                let id = *product.get(&products);
                rename(test, &mut model, id, name).await;
            }
            Step::Adjust {
                product,
                cause,
                quantity,
            } => {
                let id = *product.get(&products);
                adjust(test, &mut model, id, (*cause, *quantity)).await;
            }
            Step::Apply { batch } => {
                let from = orders.len();
                let batch: Vec<_> = batch
                    .iter()
                    .map(|pick| choose(pick, &products, &mut orders))
                    .collect();
                let outcomes = test.apply(&batch).await;
                let expected: Vec<_> = batch.iter().map(|order| model.apply(order)).collect();
                assert_eq!(outcomes, expected, "batch after {from} orders");
            }
        }
    }
    (model, orders)
}

async fn rename(test: &TestStore, model: &mut Model, id: ProductId, name: &'static str) {
    let patch = ProductPatch {
        name: Some(name.parse().unwrap()),
        price: None,
    };
    let change = test
        .store
        .update_product(id, patch, &Condition::NONE)
        .await
        .unwrap();
    match model.names.get_mut(&id) {
        None => assert_eq!(change, Change::NotFound),
        Some(known) => {
            *known = name;
            assert!(matches!(change, Change::Done(product) if product.name.as_str() == name));
        }
    }
}

async fn adjust(
    test: &TestStore,
    model: &mut Model,
    id: ProductId,
    (cause, quantity): (Cause, u32),
) {
    let adjustment = Adjustment {
        cause,
        quantity,
        note: None,
    };
    let adjustment = &adjustment;
    let adjusted = test
        .store
        .adjust_stock(id, adjustment, &Condition::NONE, None)
        .await
        .unwrap();
    let Once::Now(change) = adjusted else {
        panic!("an adjustment without a key was made before");
    };
    let Some(on_hand) = model.on_hand(id) else {
        return assert_eq!(change, Change::NotFound);
    };
    match adjustment.balance(*on_hand) {
        None => assert_eq!(change, Change::TooMany),
        Some(balance) => {
            *on_hand = balance;
            assert!(matches!(change, Change::Done(product) if product.quantity == balance));
        }
    }
}

fn choose(pick: &Pick, products: &[ProductId], orders: &mut Vec<OrderCompleted>) -> OrderCompleted {
    match pick {
        Pick::Again { order } if !orders.is_empty() => order.get(orders).clone(),
        Pick::Again { .. } => order(products[0], 1),
        Pick::New { product, quantity } => {
            orders.push(order(*product.get(products), *quantity));
            orders[orders.len() - 1].clone()
        }
    }
}
