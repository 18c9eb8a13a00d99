//! Every function of payments makes all of its changes or none, also with wrong keys and arguments.

use payments::domain::{Order, PlaceOrder};
use proof::atomicity::{SpoilRig, Subject};
use proof::cut::LogLoader;
use proof::twin::claim::Claim;
use shared::contract::event::RefundReason;
use shared::contract::id::OrderId;
use shared::contract::trace::RequestContext;
use shared::store::condition::{Condition, Versions};
use shared::store::partition::{Partition, Partitions};

use crate::harness::{TestStore, only_partition, place, wanted};
use crate::twin::request::{Asked, Cancel, Complete, EmitAgain, Place, PlaceAll, Refund};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// The index of the delay among the arguments of `place_orders`.
const DELAY: usize = 2;

#[tokio::test]
async fn a_key_of_a_wrong_type_or_an_odd_argument_leaves_the_store_as_it_is() {
    let test = TestStore::start(Partitions::NONE).await;
    let subjects = subjects(&test).await;
    let bench = bench(&test).await;
    let (types, _) = bench.spoil_everything("payments", &subjects).await;
    assert!(types.cases >= 100, "{types:?}");
}

#[tokio::test]
async fn a_log_that_ends_in_the_middle_of_a_call_has_all_of_it_or_none() {
    let test = TestStore::start(Partitions::NONE).await;
    let subjects = subjects(&test).await;
    let bench = bench(&test).await;
    let mut reader = LogLoader::start(&test).await.unwrap();
    reader.cut_all(&bench, "payments", &subjects).await.unwrap();
}

/// A call of each function, on a store with all keys that the functions read.
pub(crate) async fn subjects(test: &TestStore) -> Vec<Subject> {
    let mut paid = Vec::new();
    for _ in 0..2 {
        paid.push(place(&test.store).await);
    }
    test.store.complete_due(only_partition()).await.unwrap();
    let mut due = Vec::new();
    for _ in 0..3 {
        due.push(place(&test.store).await.id);
    }
    let pending = place(&test.later).await.id;
    let now = test.now_ms().await;
    let claims = [now, now - DAY_MS].map(|ms| format!("idempotency:{}", ms / DAY_MS));
    for key in &claims {
        test.operate("HSET", &format!("{key} other-key what:ever"))
            .await;
    }
    vec![
        place_orders(&claims),
        complete_due(&due),
        cancel_order(pending, &claims),
        refund_orders(&paid),
        emit_again(paid[0].id),
    ]
}

/// A rig that can restore the store to its present content.
pub(crate) async fn bench(test: &TestStore) -> SpoilRig<'_> {
    SpoilRig {
        private: test,
        store: &test.store.own,
        baseline: test.dump().await,
        type_of: |key| match key.split_once(':') {
            Some(("order", _)) => "string",
            Some(("idempotency", "days")) => "zset",
            Some(("idempotency", _)) => "hash",
            None if key == "account" => "hash",
            None if ["orders", "due"].contains(&key) => "zset",
            None if key == "identity" => "string",
            _ => "stream",
        },
    }
}

fn whole_store() -> Partition {
    only_partition()
}

/// An order that is refused stops no other order of the call.
fn place_orders(claims: &[String]) -> Subject {
    let order = |hash: &str| {
        let (id, (wanted, quote)) = (OrderId::mint(), wanted());
        Place {
            id,
            wanted,
            quote,
            context: RequestContext::mint(),
            minted_at: id.minted_at().unwrap().as_millis(),
            claim: Some(Claim {
                hash: hash.to_owned(),
                ..Claim::example()
            }),
        }
    };
    let place = PlaceAll {
        delay_ms: 5_000,
        orders: ["a", "b", "c"].map(order).to_vec(),
    };
    let keys: Vec<_> = place
        .orders
        .iter()
        .map(|order| format!("order:{}", order.id))
        .collect();
    let optional = keys.iter().cloned().chain(["changes".to_owned()]).collect();
    let derived = claims.iter().cloned().chain(keys).collect();
    let numbers = vec![DELAY];
    Subject {
        derived,
        optional,
        numbers,
        ..Subject::of(place.invocation(whole_store()))
    }
}

/// An id on the list that has no order is taken off, and the other orders are paid.
fn complete_due(due: &[OrderId]) -> Subject {
    let derived: Vec<_> = due.iter().map(|id| format!("order:{id}")).collect();
    let optional = derived
        .iter()
        .cloned()
        .chain(["changes".to_owned()])
        .collect();
    let invocation = Complete { limit: 100 }.invocation(whole_store());
    let sums = sum("charged");
    Subject {
        derived,
        optional,
        numbers: vec![1],
        sums,
        ..Subject::of(invocation)
    }
}

fn cancel_order(id: OrderId, claims: &[String]) -> Subject {
    let condition = Condition {
        only: Some(Versions::Listed(vec![1])),
        not: None,
    };
    let cancel = Cancel {
        id,
        condition,
        claim: Some(Claim::example()),
    };
    let derived = claims
        .iter()
        .cloned()
        .chain(["idempotency:days".to_owned()])
        .collect();
    Subject {
        derived,
        ..Subject::of(cancel.invocation(whole_store()))
    }
}

fn refund_orders(paid: &[Order]) -> Subject {
    let reason = RefundReason::InsufficientStock;
    let asked = |order: &Order| {
        let PlaceOrder {
            product_id: product,
            quantity,
        } = order.wanted;
        Asked {
            id: order.id,
            reason,
            entry: "1-0".to_owned(),
            product,
            quantity,
        }
    };
    let refund = Refund {
        orders: paid.iter().map(asked).collect(),
    };
    Subject {
        sums: sum("refunded"),
        ..Subject::of(refund.invocation(whole_store()))
    }
}

fn emit_again(id: OrderId) -> Subject {
    Subject::of(EmitAgain { id }.invocation(whole_store()))
}

fn sum(name: &'static str) -> Vec<(String, &'static str)> {
    vec![("account".to_owned(), name)]
}
