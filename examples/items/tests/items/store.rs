//! The functions in `lua/`, called alone: what they emit, what they refuse, and that an older write
//! that comes late changes no item.

use items::domain::{Applied, Enqueued, QueueLimits, Ticket, TicketState, WriteQueued};
use items::store::ItemStore;
use proptest::test_runner::{Config, TestRunner};
use shared::contract::event::Event;
use shared::contract::trace::RequestContext;
use shared::redis::Command;
use shared::store::claim::Once;
use shared::store::partition::Partitions;

use crate::damage::dump;
use crate::harness::{LIMITS, lone_store, operate};
use crate::partitions::delivered;

/// Orders in which workers may take five writes.
const HISTORIES: u32 = 64;
const WRITES: usize = 5;

/// Queues a write, which must be taken.
pub(crate) async fn queue(store: &ItemStore, item: &str, value: &str) -> Ticket {
    let (id, value) = (item.parse().unwrap(), value.parse().unwrap());
    let queued = store
        .enqueue_write(&id, &value, &RequestContext::mint(), None)
        .await;
    match queued.unwrap() {
        Once::Now(Enqueued::Queued(ticket)) => ticket,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_entry_of_a_write_is_the_event_that_the_contract_states() {
    let (_redis, store) = lone_store(Partitions::NONE, LIMITS).await;
    let context = RequestContext::mint();
    let (id, value) = ("a name".parse().unwrap(), "tea".parse().unwrap());
    let queued = store
        .enqueue_write(&id, &value, &context, None)
        .await
        .unwrap();
    let Once::Now(Enqueued::Queued(ticket)) = queued else {
        panic!("{queued:?}");
    };
    let read = Command::new("XRANGE")
        .key(WriteQueued::STREAM)
        .args(["-", "+"]);
    let entries = store.own.run(read).await.unwrap().entries().unwrap();
    let fields = entries[0].fields.clone().unwrap();
    let expected = WriteQueued {
        ticket_id: ticket.id,
        item_id: id,
        version: 1,
        time: ticket.queued_at,
        traceparent: context.traceparent,
        request_id: context.request_id,
    };
    assert_eq!(WriteQueued::decode(&fields).unwrap(), expected);
    let written: Vec<(String, String)> = fields
        .iter()
        .map(|(name, value)| {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            (text(name), text(value))
        })
        .collect();
    let encoded = expected
        .encode()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    assert_eq!(written, encoded.collect::<Vec<_>>());
}

#[tokio::test]
async fn an_older_write_that_comes_late_is_applied_as_superseded() {
    let (_redis, store) = lone_store(Partitions::NONE, LIMITS).await;
    let (old, new) = (
        queue(&store, "1", "old").await,
        queue(&store, "1", "new").await,
    );
    let writes = [delivered(&new), delivered(&old)];
    let outcomes = store.apply_writes(&writes).await.unwrap();
    assert_eq!(outcomes, [Applied::Now, Applied::Superseded]);
    let state = store.find_ticket(old.id).await.unwrap().unwrap().state;
    assert!(
        matches!(
            state,
            TicketState::Applied {
                superseded: true,
                ..
            }
        ),
        "{state:?}"
    );
    assert_eq!(
        store.find_item(&old.item_id).await.unwrap().unwrap().value,
        "new"
    );
    // Both come again.
    let again = store.apply_writes(&writes).await.unwrap();
    assert_eq!(again, [Applied::Before, Applied::Before]);
}

#[tokio::test]
async fn a_write_whose_ticket_was_removed_is_taken_for_one_that_has_ended() {
    let (redis, store) = lone_store(Partitions::NONE, LIMITS).await;
    let ticket = queue(&store, "1", "tea").await;
    store.apply_writes(&[delivered(&ticket)]).await.unwrap();
    let _: u64 = operate(&redis, &["DEL", &format!("ticket:{}", ticket.id)]).await;
    let again = store.apply_writes(&[delivered(&ticket)]).await.unwrap();
    assert_eq!(again, [Applied::Before]);
    assert!(
        !store
            .fail_write(&delivered(&ticket).event, "late")
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_write_fails_once_and_is_not_applied_afterwards() {
    let (redis, store) = lone_store(Partitions::NONE, LIMITS).await;
    let ticket = queue(&store, "1", "tea").await;
    assert!(
        store
            .fail_write(&delivered(&ticket).event, "for a test")
            .await
            .unwrap()
    );
    assert!(
        !store
            .fail_write(&delivered(&ticket).event, "again")
            .await
            .unwrap()
    );
    let state = store.find_ticket(ticket.id).await.unwrap().unwrap().state;
    assert!(matches!(&state, TicketState::Failed { reason, .. } if reason == "for a test"));
    let applied = store.apply_writes(&[delivered(&ticket)]).await.unwrap();
    assert_eq!(applied, [Applied::Before]);
    assert_eq!(store.find_item(&ticket.item_id).await.unwrap(), None);
    let backlog: Vec<String> = operate(&redis, &["HMGET", "backlog", "writes", "bytes"]).await;
    assert_eq!(backlog, ["0", "0"]);
}

#[tokio::test]
async fn a_full_queue_writes_nothing() {
    let limits = QueueLimits {
        writes: 1,
        ..LIMITS
    };
    let (redis, store) = lone_store(Partitions::NONE, limits).await;
    queue(&store, "1", "tea").await;
    let before = dump(&redis).await;
    let (id, value) = ("2".parse().unwrap(), "tea".parse().unwrap());
    let full = store
        .enqueue_write(&id, &value, &RequestContext::mint(), None)
        .await;
    assert_eq!(full.unwrap(), Once::Now(Enqueued::QueueFull));
    assert_eq!(dump(&redis).await, before);
}

/// Workers may take the writes of an item in any order, some of them twice, in batches of any size.
#[tokio::test]
async fn in_any_order_in_which_writes_are_taken_the_newest_of_each_item_stays() {
    let (redis, store) = lone_store(Partitions::NONE, LIMITS).await;
    let runtime = tokio::runtime::Handle::current();
    let config = Config {
        cases: HISTORIES,
        failure_persistence: None,
        ..Config::default()
    };
    let order = proptest::collection::vec((0..WRITES, 1..3_usize), WRITES..3 * WRITES);
    let mut number = 0_u64;
    tokio::task::spawn_blocking(move || {
        let mut runner = TestRunner::new(config);
        let history = |order: Vec<(usize, usize)>| {
            number += 1;
            runtime.block_on(take(&store, number, &order));
            Ok(())
        };
        let history = std::cell::RefCell::new(history);
        runner
            .run(&order, |order| (history.borrow_mut())(order))
            .unwrap();
    })
    .await
    .unwrap();
    let backlog: Vec<String> = operate(&redis, &["HMGET", "backlog", "writes", "bytes"]).await;
    assert_eq!(backlog, ["0", "0"], "each write left the backlog once");
}

/// Queues writes of one item, and applies them in this order; the second number is the size of a
/// batch. Then applies the rest, and compares the item with the rule.
async fn take(store: &ItemStore, number: u64, order: &[(usize, usize)]) {
    let item = format!("item {number}");
    let mut tickets = Vec::new();
    for write in 0..WRITES {
        tickets.push(queue(store, &item, &format!("value {write}")).await);
    }
    let rest = (0..WRITES).map(|write| (write, 1));
    let (mut newest, mut ended) = (None, [false; WRITES]);
    for (first, size) in order.iter().copied().chain(rest) {
        let batch: Vec<usize> = (first..WRITES.min(first + size)).collect();
        let writes: Vec<_> = batch
            .iter()
            .map(|&write| delivered(&tickets[write]))
            .collect();
        let outcomes = store.apply_writes(&writes).await.unwrap();
        for (&write, outcome) in batch.iter().zip(outcomes) {
            let expected = if std::mem::replace(&mut ended[write], true) {
                Applied::Before
            } else if newest < Some(write) {
                newest = Some(write);
                Applied::Now
            } else {
                Applied::Superseded
            };
            assert_eq!(outcome, expected, "{order:?}");
        }
        let found = store.find_item(&tickets[0].item_id).await.unwrap().unwrap();
        assert_eq!(
            Some(found.value),
            newest.map(|write| format!("value {write}"))
        );
    }
}
