//! The list of orders: sorted by the time of placing, and within a millisecond by id.

use std::num::NonZeroU16;
use std::ops::Range;

use futures_util::future::join_all;
use payments::domain::{Found, OrderFilter};
use payments::store::{OrderStore, Position};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use shared::contract::id::{OrderId, ProductId};
use shared::contract::time::Timestamp;
use shared::contract::trace::RequestContext;
use shared::redis::{Command, RedisError};
use shared::store::partition::Partitions;
use stack::credentials::User;
use tokio::runtime::Runtime;

use crate::harness::{self, LATER, TestStore};

const CASES: u32 = 40;
/// The milliseconds in which the orders of a case are placed.
const MOMENTS: Range<u64> = 1_000..1_005;

/// The time at which an order was placed, and its id.
type Place = (u64, OrderId);

fn partitions(count: u16) -> Partitions {
    Partitions::new(NonZeroU16::new(count).unwrap())
}

/// The id with these bits.
fn id_of(bits: u128) -> OrderId {
    let mut text = format!("{bits:032x}");
    for place in [20, 16, 12, 8] {
        text.insert(place, '-');
    }
    text.parse().unwrap()
}

fn between(after: Option<u64>, before: Option<u64>) -> OrderFilter {
    OrderFilter {
        created_after: after.map(Timestamp::from_millis),
        created_before: before.map(Timestamp::from_millis),
        ..OrderFilter::default()
    }
}

/// All items on all pages of a list. Every page except the last is full, because reading goes on
/// past orders that the filter leaves out.
async fn walk(store: &OrderStore, filter: &OrderFilter, limit: usize) -> Vec<Place> {
    let (mut walked, mut position): (_, Option<Position>) = (Vec::new(), None);
    loop {
        let page = store.list_orders(filter, position, limit).await.unwrap();
        let places = page
            .items
            .iter()
            .map(|order| (order.created_at.as_millis(), order.id));
        walked.extend(places);
        if page.next.is_none() {
            return walked;
        }
        assert_eq!(page.items.len(), limit);
        // A cursor travels as text.
        position = page.next.map(|next| next.to_string().parse().unwrap());
    }
}

/// Writes orders as if calls had placed them at these times. In each partition the orders of a call
/// are one member of the index.
async fn write(test: &TestStore, calls: &[(u64, Vec<OrderId>)]) {
    let partitions = test.store.own.partitions();
    for (ms, ids) in calls {
        for partition in partitions.all() {
            let mut together = Vec::new();
            for id in ids.iter().filter(|id| partitions.of(**id) == partition) {
                let RequestContext {
                    traceparent,
                    request_id,
                } = RequestContext::mint();
                let (product, at) = (ProductId::EXAMPLE, format!("{ms} {ms}"));
                let line = format!("1 1.00 0.20 1.20 {product} {traceparent} {request_id} {at}");
                test.set(&partition.key_of("order", id), &line).await;
                together.push(id.to_string());
            }
            if !together.is_empty() {
                add_member(test, &partition.key("orders"), *ms, together.join(" ")).await;
            }
        }
    }
}

async fn add_member(test: &TestStore, index: &str, ms: u64, member: String) {
    let add = Command::new("ZADD")
        .key(index)
        .arg(ms.to_string())
        .arg(member);
    test.ask(add).await;
}

fn newest_first(calls: &[(u64, Vec<OrderId>)]) -> Vec<Place> {
    let places = calls
        .iter()
        .flat_map(|(ms, ids)| ids.iter().map(|id| (*ms, *id)));
    let mut places: Vec<Place> = places.collect();
    places.sort_unstable();
    places.reverse();
    places
}

#[test]
fn pages_of_any_size_and_time_have_each_order_once_whoever_placed_it_when() {
    let runtime = Runtime::new().unwrap();
    for partitions in [Partitions::NONE, partitions(3)] {
        let test = runtime.block_on(TestStore::start(partitions));
        let config = Config {
            cases: CASES,
            failure_persistence: None,
            ..Config::default()
        };
        let id = any::<u128>().prop_map(id_of);
        let call = (MOMENTS, proptest::collection::vec(id, 1..12));
        let time = proptest::option::of(MOMENTS.start - 1..=MOMENTS.end);
        let case = (
            proptest::collection::vec(call, 0..12),
            1..20_usize,
            time.clone(),
            time,
        );
        let checked = TestRunner::new(config).run(&case, |(calls, limit, after, before)| {
            let listed = runtime.block_on(async {
                test.operate("FLUSHALL", "").await;
                test.store.own.adopt().await.unwrap();
                write(&test, &calls).await;
                walk(&test.store, &between(after, before), limit).await
            });
            let mut expected = newest_first(&calls);
            expected.retain(|(ms, _)| {
                after.is_none_or(|after| *ms > after) && before.is_none_or(|before| *ms < before)
            });
            prop_assert_eq!(listed, expected);
            Ok(())
        });
        checked.unwrap();
    }
}

/// Two processes place orders in batches, so that calls of both fall into one millisecond.
#[tokio::test]
async fn what_two_processes_place_at_once_is_listed_once_in_the_order_of_the_store() {
    for partitions in [Partitions::NONE, partitions(3)] {
        let test = TestStore::start(partitions).await;
        let other = OrderStore::new(test.client(User::Payments).unwrap(), partitions, LATER);
        let stores = [&test.later, &other].into_iter().cycle().take(250);
        let mut placed = join_all(stores.map(place)).await;
        placed.sort_unstable();
        placed.reverse();
        for limit in [
            1,
            2,
            7,
            99,
            placed.len() - 1,
            placed.len(),
            placed.len() + 1,
        ] {
            assert_eq!(
                walk(&test.store, &between(None, None), limit).await,
                placed,
                "{limit}"
            );
        }
        for (ms, _) in placed.iter().step_by(25) {
            let mut later = placed.clone();
            later.retain(|order| order.0 > *ms);
            assert_eq!(
                walk(&test.store, &between(Some(*ms), None), 10).await,
                later
            );
            let mut earlier = placed.clone();
            earlier.retain(|order| order.0 < *ms);
            assert_eq!(walk(&other, &between(None, Some(*ms)), 10).await, earlier);
        }
    }
}

async fn place(store: &OrderStore) -> Place {
    let order = harness::place(store).await;
    (order.created_at.as_millis(), order.id)
}

/// A comparison includes the orders of its first millisecond, and reports each order that is
/// missing.
#[tokio::test]
async fn records_are_listed_since_a_time_and_told_missing() {
    let test = TestStore::start(Partitions::NONE).await;
    let calls: Vec<_> = (1..=3)
        .map(|ms| (ms, vec![OrderId::mint(), OrderId::mint()]))
        .collect();
    write(&test, &calls).await;
    let gone = calls[1].1[0];
    test.operate("DEL", &format!("order:{gone}")).await;
    let since = Some(Timestamp::from_millis(2));
    let records = test.store.list_records(since, None, 10).await.unwrap();
    let listed: Vec<OrderId> = records.items.iter().map(|(id, _)| *id).collect();
    let expected = newest_first(&calls[1..]).into_iter().map(|(_, id)| id);
    assert_eq!((listed, records.next), (expected.collect(), None));
    for (id, found) in &records.items {
        assert_eq!(*found == Found::Missing, *id == gone, "{found:?}");
    }
    assert_eq!(
        walk(&test.store, &between(Some(1), None), 10).await.len(),
        3
    );
}

/// A page reads about as many members as it needs, with one order or with a hundred in each.
#[tokio::test]
async fn a_page_is_read_in_two_steps_at_most() {
    let test = TestStore::start(Partitions::NONE).await;
    for each in [1, 100] {
        test.operate("DEL", "orders").await;
        for ms in 1..=200 {
            let ids: Vec<_> = (0..each).map(|_| OrderId::mint().to_string()).collect();
            add_member(&test, "orders", ms, ids.join(" ")).await;
        }
        test.operate("CONFIG", "RESETSTAT").await;
        let page = test.store.list_records(None, None, 20).await.unwrap();
        assert_eq!((page.items.len(), page.next.is_some()), (20, true));
        let stats = Command::new("INFO").arg("commandstats");
        let stats = test.ask(stats).await.text().unwrap();
        let calls = if each == 1 { 2 } else { 1 };
        assert!(
            stats.contains(&format!("cmdstat_zrange:calls={calls},")),
            "{stats}"
        );
    }
}

#[tokio::test]
async fn an_index_that_is_damaged_is_told_and_never_read_without_end() {
    let test = TestStore::start(Partitions::NONE).await;
    let refused =
        async |what: &str| match test.store.list_orders(&between(None, None), None, 5).await {
            Err(error @ RedisError::Malformed { .. }) => {
                assert!(error.to_string().contains(what), "{error}");
            }
            other => panic!("{other:?}"),
        };
    let id = OrderId::mint();
    for (score, member, told) in [
        (1, format!("{id} x"), "x: expected a UUID"),
        (1, format!("{id}  {id}"), ": expected a UUID"),
        (1, String::new(), ": expected a UUID"),
    ] {
        test.operate("DEL", "orders").await;
        add_member(&test, "orders", score, member).await;
        refused(told).await;
    }
    test.operate("DEL", "orders").await;
    test.operate("ZADD", &format!("orders 1.5 {id}")).await;
    refused("expected a number").await;
    test.operate("DEL", "orders").await;
    for _ in 0..2_000 {
        add_member(&test, "orders", 7, OrderId::mint().to_string()).await;
    }
    refused("too many calls have placed orders at 7").await;
}
