//! Sales, deliveries and counts at the same time.

use std::num::NonZeroU16;

use futures_util::future::join_all;
use inventory::domain::{Adjustment, ApplyOutcome, Cause, Change, MovementKind, Product};
use shared::contract::id::ProductId;
use shared::store::claim::Once;
use shared::store::condition::{Condition, Versions};
use shared::store::partition::Partitions;

use crate::harness::{TestStore, order};

/// The number of products, which are spread over the partitions.
const PRODUCTS: usize = 8;
const ROUNDS: u32 = 25;

/// Sells single pieces, and answers how many orders were applied.
async fn sell(test: &TestStore, id: ProductId) -> u32 {
    let mut sold = 0;
    for _ in 0..ROUNDS {
        let batch = [order(id, 1), order(id, 1)];
        let outcomes = test.apply(&batch).await;
        sold += outcomes
            .into_iter()
            .map(|one| u32::from(one == ApplyOutcome::Applied))
            .sum::<u32>();
    }
    sold
}

async fn adjust(
    test: &TestStore,
    id: ProductId,
    (cause, quantity): (Cause, u32),
    condition: Condition,
) -> Option<Product> {
    let adjustment = Adjustment {
        cause,
        quantity,
        note: None,
    };
    match test
        .store
        .adjust_stock(id, &adjustment, &condition, None)
        .await
        .unwrap()
    {
        Once::Now(Change::Done(product)) => Some(product),
        Once::Now(Change::OtherVersion) => None,
        other => panic!("{other:?}"),
    }
}

async fn restock(test: &TestStore, id: ProductId) {
    for _ in 0..ROUNDS {
        adjust(test, id, (Cause::Restock, 1), Condition::NONE)
            .await
            .unwrap();
    }
}

/// Sets the stock one higher than it was read, and answers how often that succeeded.
async fn count(test: &TestStore, id: ProductId) -> u32 {
    let mut found = 0;
    for _ in 0..ROUNDS {
        let Product {
            quantity, version, ..
        } = test.find(id).await;
        let condition = Condition {
            only: Some(Versions::Listed(vec![version])),
            not: None,
        };
        let counted = adjust(test, id, (Cause::Stocktake, quantity + 1), condition).await;
        found += u32::from(counted.is_some());
    }
    found
}

#[tokio::test]
async fn no_piece_is_lost_or_invented_while_everything_happens_at_once() {
    let partitions = Partitions::new(NonZeroU16::new(3).unwrap());
    let test = TestStore::start(partitions).await;
    let products = join_all((0..PRODUCTS).map(|_| test.product(10))).await;
    let played = products.iter().map(|&id| {
        let test = &test;
        async move { tokio::join!(sell(test, id), restock(test, id), count(test, id)) }
    });
    for (&id, (sold, (), counted)) in products.iter().zip(join_all(played).await) {
        let product = test.find(id).await;
        assert_eq!(product.quantity, 10 + ROUNDS + counted - sold);
        assert_eq!(product.version, u64::from(1 + sold + ROUNDS + counted));

        let movements = test.movements(id).await;
        let kinds = |kind| movements.iter().filter(|one| one.kind == kind).count();
        assert_eq!(kinds(MovementKind::Sale), usize::try_from(sold).unwrap());
        assert_eq!(
            kinds(MovementKind::Stocktake),
            usize::try_from(counted).unwrap()
        );
        let mut balance = 0;
        for movement in movements.iter().rev() {
            balance += movement.delta;
            assert_eq!(i64::from(movement.balance), balance);
        }
        assert_eq!(balance, i64::from(product.quantity));
    }
}
