//! Every function of inventory makes all of its changes or none, also with wrong keys and arguments.

use inventory::domain::{Cause, MAX_STOCK};
use proof::atomicity::{SpoilRig, Subject};
use proof::cut::LogLoader;
use proof::twin::claim::Claim;
use shared::contract::event::OrderCompleted;
use shared::contract::id::ProductId;
use shared::contract::trace::RequestContext;
use shared::store::condition::Condition;
use shared::store::partition::{Partition, Partitions};

use crate::harness::{KEEP, TestStore, order, order_minted_at};
use crate::surpluses::take_twice;
use crate::twin::request::{
    Adjust, Apply, Create, Delete, Paid, Release, Surplus, Update, hour_of,
};
use crate::twin::sweep::Sweep;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// The indexes of the arguments of `apply_orders` that are numbers or lists.
const APPLY_NUMBERS: [usize; 6] = [0, 4, 5, 6, 7, 8];
/// The positions of the version and the stock in the line of a product.
const VERSION: usize = 0;
const STOCK: usize = 1;

#[tokio::test]
async fn a_key_of_a_wrong_type_or_an_odd_argument_leaves_the_store_as_it_is() {
    let test = TestStore::start(Partitions::NONE).await;
    let subjects = subjects(&test).await;
    let bench = bench(&test).await;
    let (types, _) = bench.spoil_everything("inventory", &subjects).await;
    assert!(types.cases >= 150, "{types:?}");
}

#[tokio::test]
async fn a_log_that_ends_in_the_middle_of_a_call_has_all_of_it_or_none() {
    let test = TestStore::start(Partitions::NONE).await;
    let subjects = subjects(&test).await;
    let bench = bench(&test).await;
    let mut reader = LogLoader::start(&test).await.unwrap();
    let cut = reader.cut_all(&bench, "inventory", &subjects).await;
    cut.unwrap();
}

/// A call of each function, on a store with all keys that the functions read.
pub(crate) async fn subjects(test: &TestStore) -> Vec<Subject> {
    let (product, empty, deleted) = (
        test.product(10).await,
        test.product(0).await,
        test.product(1).await,
    );
    test.remove(deleted).await;
    let sold = order(product, 1);
    let nine_days_ms = 9 * 24 * 60 * 60 * 1_000;
    let long_ago = order_minted_at(sold.ordered_at.as_millis() - nine_days_ms, product, 1);
    let before = [sold.clone(), order(empty, 1), long_ago.clone()];
    test.apply(&before).await;
    let claims = claims(test).await;
    for key in &claims {
        test.operate("HSET", &format!("{key} other-key what:ever"))
            .await;
    }
    vec![
        create(&claims),
        update(product),
        adjust(product, &claims),
        delete(product),
        apply([product, empty, deleted, ProductId::mint(), product]),
        release(&sold),
        surplus(test, product).await,
        sweep(long_ago.ordered_at.as_millis()),
    ]
}

/// A rig that can restore the store to its present content.
pub(crate) async fn bench(test: &TestStore) -> SpoilRig<'_> {
    SpoilRig {
        private: test,
        store: &test.store.own,
        baseline: test.dump().await,
        type_of: |key| match key.split_once(':') {
            Some(("product", _) | ("records", "swept")) => "string",
            Some(("idempotency", "days")) => "zset",
            Some(("records" | "idempotency", _)) => "hash",
            None if ["products", "names", "record_hours"].contains(&key) => "zset",
            None if key == "identity" => "string",
            _ => "stream",
        },
    }
}

/// The keys of the claims of today and of yesterday, on the clock of the store.
async fn claims(test: &TestStore) -> Vec<String> {
    let now = test.now_ms().await;
    [now, now - DAY_MS]
        .map(|ms| format!("idempotency:{}", ms / DAY_MS))
        .to_vec()
}

/// The same keys, and the key of the list of days with claims.
fn with_days(claims: &[String]) -> Vec<String> {
    claims
        .iter()
        .cloned()
        .chain(["idempotency:days".to_owned()])
        .collect()
}

fn whole_store() -> Partition {
    Partition::at(None)
}

fn counts(product: ProductId) -> Vec<(String, usize)> {
    [VERSION, STOCK]
        .map(|place| (format!("product:{product}"), place))
        .to_vec()
}

fn create(claims: &[String]) -> Subject {
    let create = Create {
        id: ProductId::mint(),
        name: "Tea".parse().unwrap(),
        price: "19.90".to_owned(),
        quantity: 3,
        claim: Some(Claim::example()),
    };
    let (derived, numbers, passed_on) = (with_days(claims), vec![4], vec![3]);
    Subject {
        derived,
        numbers,
        passed_on,
        ..Subject::of(create.invocation(whole_store()))
    }
}

fn update(id: ProductId) -> Subject {
    let (name, price) = (Some("Coffee".parse().unwrap()), Some("1.00".to_owned()));
    let update = Update {
        id,
        condition: Condition::NONE,
        name,
        price,
    };
    let words = counts(id);
    Subject {
        passed_on: vec![4],
        words,
        ..Subject::of(update.invocation(whole_store()))
    }
}

fn adjust(id: ProductId, claims: &[String]) -> Subject {
    let adjust = Adjust {
        id,
        cause: Cause::Restock,
        quantity: 2,
        note: Some("found".to_owned()),
        condition: Condition::NONE,
        most: MAX_STOCK,
        claim: Some(Claim::example()),
    };
    let (derived, numbers) = (with_days(claims), vec![2, 5]);
    let invocation = adjust.invocation(whole_store());
    let words = counts(id);
    Subject {
        derived,
        numbers,
        words,
        ..Subject::of(invocation)
    }
}

fn delete(id: ProductId) -> Subject {
    let delete = Delete {
        id,
        condition: Condition::NONE,
    };
    let words = counts(id);
    Subject {
        words,
        ..Subject::of(delete.invocation(whole_store()))
    }
}

fn apply(products: [ProductId; 5]) -> Subject {
    let last = products.len() - 1;
    let orders = products.map(|id| Paid::of(&order(id, 1)));
    let keep_ms = u64::try_from(KEEP.as_millis()).unwrap();
    let records = orders
        .iter()
        .map(|order| format!("records:{}", order.hour()));
    let of_products = products
        .iter()
        .flat_map(|id| ["product", "movements"].map(|key| format!("{key}:{id}")));
    let swept = "records:swept".to_owned();
    let derived = of_products.chain(records).chain([swept]).collect();
    let apply = Apply {
        keep_ms,
        orders: orders.to_vec(),
    };
    let (numbers, words) = (APPLY_NUMBERS.to_vec(), counts(products[last]));
    Subject {
        derived,
        numbers,
        words,
        ..Subject::of(apply.invocation(whole_store()))
    }
}

/// A sweep of the records of one hour, long ago.
fn sweep(now_ms: u64) -> Subject {
    let sweep = Sweep {
        first: hour_of(now_ms) + 1,
        limit: 10,
    };
    let derived = vec!["records:swept".to_owned()];
    Subject {
        derived,
        numbers: vec![1, 2],
        ..Subject::of(sweep.invocation(whole_store()))
    }
}

fn release(sold: &OrderCompleted) -> Subject {
    let release = Release {
        order: sold.order_id,
        minted_at: sold.ordered_at.as_millis(),
        product: sold.product_id,
        most: MAX_STOCK,
        context: RequestContext::mint(),
    };
    let words = counts(sold.product_id);
    Subject {
        numbers: vec![2, 3],
        words,
        ..Subject::of(release.invocation(whole_store()))
    }
}

/// An order that takes its stock once more after its record was lost.
async fn surplus(test: &TestStore, product: ProductId) -> Subject {
    let sold = order(product, 1);
    let first = take_twice(test, &sold).await;
    let surplus = Surplus {
        order: sold.order_id,
        minted_at: sold.ordered_at.as_millis(),
        product,
        most: MAX_STOCK,
        movement: first.to_string(),
    };
    let words = counts(product);
    Subject {
        numbers: vec![2, 3],
        words,
        ..Subject::of(surplus.invocation(whole_store()))
    }
}
