//! A person removes the entry of a write that waits: its ticket says that the write failed.

use items::domain::{Applied, TicketState, WriteQueued};
use items::store::ItemStore;
use proof::proxy::{Moment, Protocol, Proxy, Trap};
use serde_json::Value;
use shared::contract::event::Event;
use shared::store::partition::Partitions;
use stack::wait::eventually;

use crate::harness::{LIMITS, System, lone_store, operate};
use crate::kills::LIMIT;
use crate::partitions::delivered;
use crate::store::queue;

/// The proxy of this test does nothing at random, so any seed will do.
const SEED: u64 = 1;

/// Removes all entries of the stream, and keeps its groups.
async fn remove_entries(system: &System) {
    let _: u64 = system.operate(&["XTRIM", "writes", "MAXLEN", "0"]).await;
}

fn assert_removed(ticket: &Value) {
    let reason = ticket["reason"].as_str().unwrap_or_default();
    assert_eq!(ticket["status"], "failed", "{ticket}");
    assert!(reason.starts_with("removed: "), "{ticket}");
}

#[tokio::test]
async fn a_write_whose_entry_was_removed_before_a_worker_read_it_has_failed() {
    for delete in ["XTRIM writes MAXLEN 0", "DEL writes"] {
        let mut system = System::start(0).await;
        let key = [("idempotency-key", "k1")];
        let send = async || {
            let body = r#"{"value": "tea"}"#;
            let post = harness::http::Method::POST;
            let path = "/items/1?wait=applied&timeout=1";
            system.send(post, path, &key, body).await
        };
        let ticket = send().await.expect(202).json();
        let words: Vec<&str> = delete.split(' ').collect();
        let _: u64 = system.operate(&words).await;
        let failed = system.ended(&ticket).await;
        assert_removed(&failed);
        assert_eq!(system.ended(&ticket).await, failed);
        assert_eq!(send().await.expect(200).json(), failed);
        let url = system.redis.url_of("items");
        system.add_worker(&url).await;
        system.assert_drained().await;
        assert_eq!(system.write_applied("1", "milk").await["version"], 2);
    }
}

/// The worker dies with the entry in its hands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_whose_pending_entry_was_removed_has_failed() {
    let mut system = System::start(0).await;
    let port = system.redis.port();
    let proxy = Proxy::start(Protocol::Redis, port, SEED).unwrap();
    let url = system.redis.url_of("items");
    let through = url.replace(&format!(":{port}"), &format!(":{}", proxy.port()));
    system.add_worker(&through).await;
    let trap = proxy.arm(Trap::at("FCALL apply_writes", Moment::Before));
    let ticket = system.write("1", "tea").await;
    trap.sprung(LIMIT).await.unwrap();
    system.workers[0].kill();
    remove_entries(&system).await;
    assert_removed(&system.ended(&ticket).await);
    system.workers[0].restart().await.unwrap();
    eventually("the dead letter of the entry", async || {
        system.operate::<u64>(&["XLEN", "dead_letters"]).await == 1
    })
    .await;
    system.assert_drained().await;
    system.get("/items/1").await.problem(404, "not-found");
}

/// A worker has read the entry before it is removed. The write ends once, as the first of both says.
#[tokio::test]
async fn a_write_that_a_worker_has_in_hand_ends_once_although_its_entry_is_removed() {
    let partitions = Partitions::new(4.try_into().unwrap());
    for partitions in [Partitions::NONE, partitions] {
        let (redis, store) = lone_store(partitions, LIMITS).await;
        let state =
            async |store: &ItemStore, id| store.find_ticket(id).await.unwrap().unwrap().state;
        let (first, second) = (
            queue(&store, "1", "tea").await,
            queue(&store, "1", "milk").await,
        );
        assert_eq!(state(&store, first.id).await, TicketState::Queued);
        for partition in partitions.all() {
            let stream = partition.key(WriteQueued::STREAM);
            let _: u64 = operate(&redis, &["XTRIM", &stream, "MAXLEN", "0"]).await;
        }
        let applied = store.apply_writes(&[delivered(&first)]).await.unwrap();
        assert_eq!(applied, [Applied::Now]);
        let ended = state(&store, first.id).await;
        assert!(matches!(ended, TicketState::Applied { .. }), "{ended:?}");

        let ended = state(&store, second.id).await;
        assert!(matches!(ended, TicketState::Failed { .. }), "{ended:?}");
        let late = store.apply_writes(&[delivered(&second)]).await.unwrap();
        assert_eq!(late, [Applied::Before]);
        assert_eq!(state(&store, second.id).await, ended);
        let item = store.find_item(&first.item_id).await.unwrap();
        assert_eq!(item.unwrap().value, "tea");
    }
}
