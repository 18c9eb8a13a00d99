//! What every function of the library promises: nothing at all on a store that has lost its identity,
//! and that it is there when it is called.

use std::collections::BTreeSet;
use std::path::Path;

use payments::domain::{Cancellation, Order, OrderStatus, PlaceOrder, Quote, Refund};
use payments::store::{COMPLETION_BATCH, OrderStore};
use payments::worker::RefundHandler;
use shared::contract::event::{Event, OrderCompleted, RefundOrder, RefundReason};
use shared::contract::id::{OrderId, Partitions, ProductId};
use shared::contract::time::Timestamp;
use shared::contract::trace::RequestContext;
use shared::contract::trace::{RequestId, TraceParent};
use shared::redis::{Command, RedisError};
use shared::store::claim::{Claim, Once};
use shared::store::condition::Condition;
use shared::stream::delivery::{Delivered, Handler, Parking, Settlement};
use stack::order_line;

use crate::harness::{TestStore, only_partition};

const ENTRY: &str = "1-0";

async fn start() -> TestStore {
    TestStore::start(Partitions::NONE).await
}

async fn try_place(store: &OrderStore, key: Option<&str>) -> Result<Once<Order>, RedisError> {
    let wanted = PlaceOrder {
        product_id: ProductId::mint(),
        quantity: 3,
    };
    let quote = Quote::of("19.90".parse().unwrap(), 3, "0.20".parse().unwrap()).unwrap();
    let claim = key.map(|key| Claim::new(key.parse().unwrap(), &"POST /orders"));
    store
        .place_order(wanted, quote, &RequestContext::mint(), claim.as_ref())
        .await
}

async fn place(store: &OrderStore) -> Order {
    match try_place(store, None).await.unwrap() {
        Once::Now(order) => order,
        other => panic!("{other:?}"),
    }
}

async fn complete(test: &TestStore) -> Vec<OrderId> {
    let completion = test.store.complete_due(only_partition()).await.unwrap();
    let ids = completion.paid.iter();
    ids.map(|id| id.parse().unwrap()).collect()
}

async fn status(test: &TestStore, id: OrderId) -> OrderStatus {
    test.store.find_order(id).await.unwrap().unwrap().status
}

fn refund(order: &Order) -> RefundOrder {
    RefundOrder {
        order_id: order.id,
        product_id: order.wanted.product_id,
        quantity: order.wanted.quantity,
        reason: RefundReason::InsufficientStock,
        time: Timestamp::from_millis(0),
        traceparent: TraceParent::mint(),
        request_id: RequestId::mint(),
    }
}

/// The names of the functions in the store.
async fn function_names(test: &TestStore) -> BTreeSet<String> {
    let list = test
        .operator
        .run(Command::new("FUNCTION").arg("LIST"))
        .await;
    let mut names = BTreeSet::new();
    for library in list.unwrap().list().unwrap() {
        for function in library.field("functions").unwrap().list().unwrap() {
            names.insert(function.field("name").unwrap().text().unwrap());
        }
    }
    names
}

#[tokio::test]
async fn every_lua_file_is_a_function_of_the_store() {
    let test = start().await;
    complete(&test).await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lua");
    let files = std::fs::read_dir(folder).unwrap().filter_map(|file| {
        // What they have in common lies in a folder.
        let name = file.unwrap().file_name().into_string().unwrap();
        Some(name.strip_suffix(".lua")?.to_owned())
    });
    // And those that every library has.
    let common = ["move_checkpoint", "set_identity"].map(str::to_owned);
    let library = test.store.own.library();
    let expected: BTreeSet<String> = files
        .chain(common)
        .map(|name| format!("{name}_{library}"))
        .collect();
    assert_eq!(function_names(&test).await, expected);
}

#[tokio::test]
async fn a_store_without_identity_refuses_every_function() {
    let test = start().await;
    let order = place(&test.store).await;
    let due = order.id;
    let later = place(&test.later).await.id;
    test.operate("DEL", "identity").await;
    let before = test.dump().await;
    for name in function_names(&test).await {
        let call = Command::new("FCALL")
            .arg(name.as_str())
            .arg(1)
            .key("identity");
        let error = test.operator.run(call).await.unwrap_err();
        assert!(error.to_string().contains("NOIDENTITY"), "{name}: {error}");
    }
    for error in [
        try_place(&test.later, Some("k")).await.unwrap_err(),
        test.store.complete_due(only_partition()).await.unwrap_err(),
        test.store
            .cancel_order(later, &Condition::NONE, None)
            .await
            .unwrap_err(),
        test.store
            .refund_orders(&[refund(&order)], &[ENTRY])
            .await
            .unwrap_err(),
        test.store.emit_again(due).await.unwrap_err(),
        test.store.read_account(only_partition()).await.unwrap_err(),
    ] {
        // Waited for, not parked: somebody may bring the data back.
        assert!(matches!(error, RedisError::NotNow(_)), "{error:?}");
    }
    assert_eq!(test.dump().await, before);
    test.store.own.adopt().await.unwrap();
    assert_eq!(complete(&test).await, [due]);
}

#[tokio::test]
async fn functions_that_are_flushed_are_loaded_again() {
    let test = start().await;
    let order = place(&test.store).await;
    test.operate("FUNCTION", "FLUSH").await;
    assert_eq!(complete(&test).await, [order.id]);
    test.operate("FUNCTION", "FLUSH").await;
    let refunded = test
        .store
        .refund_orders(&[refund(&order)], &[ENTRY])
        .await
        .unwrap();
    assert_eq!(refunded, [Refund::Refunded]);
    test.operate("FUNCTION", "FLUSH").await;
    let order = place(&test.later).await.id;
    test.operate("FUNCTION", "FLUSH").await;
    assert_eq!(
        test.store
            .cancel_order(order, &Condition::NONE, None)
            .await
            .unwrap(),
        Once::Now(Cancellation::Cancelled)
    );
}

#[tokio::test]
async fn a_key_without_an_effect_is_not_written_down() {
    let test = start().await;
    let order = place(&test.later).await.id;
    let claim = |key: &str| Claim::new(key.parse().unwrap(), &"cancel");
    let done = Once::Now(Cancellation::Cancelled);
    assert_eq!(
        test.store
            .cancel_order(order, &Condition::NONE, Some(&claim("a")))
            .await
            .unwrap(),
        done
    );
    let before = test.dump().await;
    assert_eq!(
        test.store
            .cancel_order(order, &Condition::NONE, Some(&claim("b")))
            .await
            .unwrap(),
        done
    );
    assert_eq!(test.dump().await, before);
}

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
    assert_eq!(broken.len(), COMPLETION_BATCH + 7, "each is told of");
    assert_eq!(test.entries(OrderCompleted::STREAM).await.len(), 1);
}

/// They are on the list where they were made due anew while somebody cancelled them.
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

/// An order that has lost a field cannot be told to inventory, so it must not be paid; and it must
/// not hold up the others.
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
            "held up by a damaged one"
        );
    }
    let line = Command::new("GET").key(format!("order:{damaged}"));
    let line = test.operator.run(line).await.unwrap().text().unwrap();
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
    let is_mismatch = |settlement: &Settlement| {
        matches!(
            settlement,
            Settlement::Park(Parking {
                reason: "order_mismatch",
                ..
            })
        )
    };
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
    // Whatever became of the order meanwhile.
    for paid in [false, true, true] {
        if paid {
            complete(&test).await;
        }
        let before = test.dump().await;
        for wrong in &wrong {
            assert!(is_mismatch(&settle(wrong.clone()).await), "{wrong:?}");
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
