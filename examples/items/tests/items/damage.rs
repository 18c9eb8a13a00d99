//! Damaged keys: what the functions in `lua/` do when a key has a wrong type or an odd number.

use items::domain::Applied;
use shared::contract::trace::RequestContext;
use shared::store::partition::Partitions;

use crate::harness::{LIMITS, lone_store, operate};
use crate::partitions::delivered;
use crate::store::queue;

#[tokio::test]
async fn a_damaged_item_or_ticket_stops_its_own_write_only() {
    let (redis, store) = lone_store(Partitions::NONE, LIMITS).await;
    let item = queue(&store, "item", "tea").await;
    let ticket = queue(&store, "ticket", "tea").await;
    let number = queue(&store, "number", "tea").await;
    let whole = queue(&store, "whole", "tea").await;
    for key in ["item:item".to_owned(), format!("ticket:{}", ticket.id)] {
        let _: String = operate(&redis, &["SET", &key, "x"]).await;
    }
    let _: u64 = operate(&redis, &["HSET", "item:number", "version", "-1"]).await;
    let writes = [&item, &ticket, &number, &whole].map(delivered);
    let outcomes = store.apply_writes(&writes).await.unwrap();
    let damaged = Applied::Damaged;
    assert_eq!(outcomes, [damaged, damaged, damaged, Applied::Now]);
    assert!(
        store
            .fail_write(&delivered(&item).event, "damaged")
            .await
            .unwrap()
    );
    assert!(
        !store
            .fail_write(&delivered(&ticket).event, "damaged")
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn no_function_writes_anything_while_the_backlog_or_the_stream_is_damaged() {
    for key in ["backlog", "writes"] {
        let (redis, store) = lone_store(Partitions::NONE, LIMITS).await;
        let ticket = queue(&store, "1", "tea").await;
        let _: String = operate(&redis, &["SET", key, "x"]).await;
        let before = dump(&redis).await;
        let (id, value) = ("2".parse().unwrap(), "tea".parse().unwrap());
        let refused = store
            .enqueue_write(&id, &value, &RequestContext::mint(), None)
            .await;
        assert!(refused.unwrap_err().did_nothing(), "{key}");
        if key == "backlog" {
            let refused = store.apply_writes(&[delivered(&ticket)]).await;
            assert!(refused.unwrap_err().did_nothing());
            assert!(
                store
                    .fail_write(&delivered(&ticket).event, "x")
                    .await
                    .unwrap_err()
                    .did_nothing()
            );
        }
        assert_eq!(dump(&redis).await, before, "{key}");
    }
}

/// A worker that met another error would park all writes, and each would be lost to its client.
#[tokio::test]
async fn while_a_sum_is_no_number_workers_wait_and_nothing_is_written() {
    let (redis, store) = lone_store(Partitions::NONE, LIMITS).await;
    let ticket = queue(&store, "1", "tea").await;
    let writes = [delivered(&ticket)];
    for (key, field) in [
        ("backlog", "writes"),
        ("backlog", "bytes"),
        ("kept_tickets", "1"),
    ] {
        for number in [
            "",
            "x",
            "-1",
            "1.5",
            "1e3",
            "nan",
            "0x1",
            " 1",
            "1000000000000000000",
        ] {
            let sum: Option<String> = operate(&redis, &["HGET", key, field]).await;
            let _: u64 = operate(&redis, &["HSET", key, field, number]).await;
            let before = dump(&redis).await;
            let applied = store.apply_writes(&writes).await.unwrap_err();
            assert!(applied.did_nothing(), "{key} {field} {number}: {applied}");
            let failed = store.fail_write(&writes[0].event, "x").await.unwrap_err();
            assert!(failed.did_nothing(), "{key} {field} {number}: {failed}");
            if key == "backlog" {
                let (id, value) = ("2".parse().unwrap(), "tea".parse().unwrap());
                let context = RequestContext::mint();
                let queued = store.enqueue_write(&id, &value, &context, None);
                assert!(queued.await.unwrap_err().did_nothing(), "{field} {number}");
            }
            assert_eq!(dump(&redis).await, before, "{key} {field} {number}");
            let _: u64 = match sum {
                Some(sum) => operate(&redis, &["HSET", key, field, &sum]).await,
                None => operate(&redis, &["HDEL", key, field]).await,
            };
        }
    }
    let outcomes = store.apply_writes(&writes).await.unwrap();
    assert_eq!(outcomes, [Applied::Now]);
}

/// Each key with its serialised value.
pub(crate) async fn dump(redis: &harness::redis::Redis) -> Vec<(String, Vec<u8>)> {
    let mut keys: Vec<String> = operate(redis, &["KEYS", "*"]).await;
    keys.sort_unstable();
    let mut dump = Vec::new();
    for key in keys {
        let value: Vec<u8> = operate(redis, &["DUMP", &key]).await;
        dump.push((key, value));
    }
    dump
}
