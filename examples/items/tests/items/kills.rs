//! Workers are killed while they work: at each command by which a write goes on, and at any moment.

use std::time::Duration;

use proof::proxy::{Moment, Protocol, Proxy, Trap};
use serde_json::Value;
use stack::wait::eventually;

use crate::harness::System;

/// The commands of a worker between the delivery of a write and its end.
const POINTS: [&str; 3] = ["XREADGROUP", "FCALL apply_writes", "XACK"];
/// The proxies of this test do nothing at random, so any seed will do.
const SEED: u64 = 1;
/// Generous, because tests share the machine with a compiler.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_write_is_lost_or_done_twice_at_any_command_at_which_a_worker_is_killed() {
    let mut system = System::start(0).await;
    let port = system.redis.port();
    let proxy = Proxy::start(Protocol::Redis, port, SEED).unwrap();
    let url = system.redis.url_of("items");
    let through = url.replace(&format!(":{port}"), &format!(":{}", proxy.port()));
    system.add_worker(&through).await;
    let mut writes = 0;
    for point in POINTS {
        for moment in Moment::ALL {
            writes += 1;
            // A read that waits in vain is no delivery.
            let telling = if point == "XREADGROUP" { "item_id" } else { "" };
            let trap = match moment {
                Moment::Before => Trap::at(point, moment),
                _ => Trap::at(point, moment).telling(telling),
            };
            let trap = proxy.arm(trap);
            let ticket = system.write("1", &writes.to_string()).await;
            trap.sprung(LIMIT)
                .await
                .unwrap_or_else(|error| panic!("{point} {moment:?}: {error}"));
            system.workers[0].kill();
            system.workers[0].restart().await.unwrap();
            assert_ended_once(&system, &ticket, writes).await;
        }
    }
    system.assert_drained().await;
    assert_eq!(system.operate::<u64>(&["EXISTS", "dead_letters"]).await, 0);
}

/// The write has ended, with its own version and value, and a second delivery changed nothing.
async fn assert_ended_once(system: &System, ticket: &Value, writes: u64) {
    let ended = system.ended(ticket).await;
    assert_eq!(ended["status"], "applied", "{ended}");
    assert_eq!(
        (&ended["version"], &ended["superseded"]),
        (&writes.into(), &false.into())
    );
    system.assert_drained().await;
    assert_eq!(
        system.ended(ticket).await,
        ended,
        "a second delivery changes no ticket"
    );
    assert_eq!(system.value("1").await, writes.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_worker_takes_over_the_writes_of_a_dead_one_and_the_newest_still_wins() {
    let mut system = System::start(0).await;
    let port = system.redis.port();
    let proxy = Proxy::start(Protocol::Redis, port, SEED).unwrap();
    let url = system.redis.url_of("items");
    let through = url.replace(&format!(":{port}"), &format!(":{}", proxy.port()));
    system.add_worker(&through).await;
    let trap = proxy.arm(Trap::at("FCALL apply_writes", Moment::Before));
    let old = system.write("1", "old").await;
    trap.sprung(LIMIT).await.unwrap();
    system.workers[0].kill();
    // The old write is pending under the name of the dead worker while the new one is applied.
    let new = system.write("1", "new").await;
    system.add_worker(&url).await;
    let new = system.ended(&new).await;
    let old = system.ended(&old).await;
    assert_eq!(
        (&old["status"], &new["status"]),
        (&"applied".into(), &"applied".into())
    );
    system.assert_drained().await;
    assert_eq!(system.value("1").await, "new");
    assert_eq!(new["superseded"], false, "{new}");
    // The times have milliseconds: in the same one, either write may have come first.
    let (old_end, new_end) = (old["ended_at"].as_str(), new["ended_at"].as_str());
    if old_end != new_end {
        assert_eq!(old["superseded"], old_end > new_end, "{old} {new}");
    }
}

#[tokio::test]
async fn an_entry_that_is_no_event_becomes_a_dead_letter_and_the_writes_behind_it_flow() {
    let system = System::start(2).await;
    let _: String = system
        .operate(&["XADD", "writes", "*", "what", "ever"])
        .await;
    let _: String = system
        .operate(&[
            "XADD",
            "writes",
            "*",
            "ce_type",
            "item.write_queued.v1",
            "ce_id",
            "x",
        ])
        .await;
    system.write_applied("1", "tea").await;
    eventually("two dead letters", async || {
        system.operate::<u64>(&["XLEN", "dead_letters"]).await == 2
    })
    .await;
    system.assert_drained().await;
}

/// The forged event comes before the real one, and becomes a dead letter.
#[tokio::test]
async fn a_forged_event_about_the_write_of_another_item_or_version_changes_nothing() {
    for (item, version) in [("other", "1"), ("mine", "2")] {
        let mut system = System::start(0).await;
        let ticket = system.write("mine", "tea").await;
        let [(entry, fields)]: [(String, Vec<String>); 1] = system
            .operate::<Vec<_>>(&["XRANGE", "writes", "-", "+"])
            .await
            .try_into()
            .unwrap();
        // The stream is made anew, so that it takes an older entry in front of the real one.
        let _: u64 = system.operate(&["DEL", "writes"]).await;
        let mut forged = fields.clone();
        for at in (0..fields.len()).step_by(2) {
            match &*fields[at] {
                "item_id" => item.clone_into(&mut forged[at + 1]),
                "version" => version.clone_into(&mut forged[at + 1]),
                _ => {}
            }
        }
        let add = async |system: &System, id: &str, fields: &[String]| {
            let fields = fields.iter().map(String::as_str);
            let add: Vec<&str> = ["XADD", "writes", id].into_iter().chain(fields).collect();
            let _: String = system.operate(&add).await;
        };
        add(&system, "1-1", &forged).await;
        let url = system.redis.url_of("items");
        system.add_worker(&url).await;
        eventually("a dead letter", async || {
            system.operate::<u64>(&["XLEN", "dead_letters"]).await == 1
        })
        .await;
        add(&system, &entry, &fields).await;
        let ended = system.ended(&ticket).await;
        assert_eq!(ended["status"], "applied", "{item} {version}: {ended}");
        system.assert_drained().await;
        assert_eq!(system.value("mine").await, "tea");
        assert_eq!(system.operate::<u64>(&["XLEN", "dead_letters"]).await, 1);
        system.get("/items/other").await.problem(404, "not-found");
    }
}
