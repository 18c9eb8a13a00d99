//! What each process says about a store that it cannot use, and about settings that are wrong.

use harness::member::Member;
use stack::wait::eventually;

use crate::harness::{System, program};

#[tokio::test]
async fn while_the_store_is_down_requests_are_answered_503_and_then_go_on() {
    let system = System::start(1).await;
    system.write_applied("1", "tea").await;
    system.redis.kill();
    system
        .post("/items/1", r#"{"value": "milk"}"#)
        .await
        .assert_unavailable("store-unavailable");
    system
        .get("/items/1")
        .await
        .assert_unavailable("store-unavailable");
    system.get("/livez").await.expect(200);
    system.get("/readyz").await.assert_unavailable("not-ready");
    system.redis.restart().await.unwrap();
    system.api.wait_ready().await.unwrap();
    assert_eq!(system.value("1").await, "tea");
    system.write_applied("1", "milk").await;
}

#[tokio::test]
async fn a_store_that_lost_its_identity_is_not_taken_for_a_new_one() {
    let system = System::start(1).await;
    system.write_applied("1", "tea").await;
    let _: u64 = system.operate(&["DEL", "identity"]).await;
    eventually("the API is not ready", async || {
        system.get("/readyz").await.status == 503
    })
    .await;
    let refused = system.post("/items/1", r#"{"value": "milk"}"#).await;
    refused.assert_unavailable("store-refused");
    // A process that starts now finds a stream with entries, so the store once had data.
    system.api.kill();
    system.api.process().restart().unwrap();
    eventually("the API says why", async || {
        system.api.logs().contains("has lost its data")
    })
    .await;
    assert_eq!(system.operate::<u64>(&["EXISTS", "identity"]).await, 0);
}

#[tokio::test]
async fn a_person_may_accept_the_loss() {
    let system = System::start(0).await;
    system.write("1", "tea").await;
    let _: u64 = system.operate(&["DEL", "identity"]).await;
    let url = system.redis.url_of("items");
    let adopted = std::process::Command::new(program().await)
        .arg("adopt-store")
        .env("ITEMS_REDIS_URL", url)
        .status();
    assert!(adopted.unwrap().success());
    system.api.wait_ready().await.unwrap();
    assert_eq!(system.write("1", "milk").await["version"], 2);
}

#[tokio::test]
async fn each_process_says_what_is_wrong_with_its_settings_and_ends() {
    let program = program().await;
    for (name, value) in [
        ("ITEMS_REDIS_URL", "http://127.0.0.1"),
        ("MAX_QUEUED_WRITES", "0"),
        ("MAX_QUEUED_BYTES", "65535"),
        ("MAX_STREAM_ENTRIES", "many"),
        ("TICKET_RETENTION", "59s"),
        ("MAX_TICKETS", "99"),
    ] {
        for verb in ["serve", "consume"] {
            let ended = std::process::Command::new(&program)
                .arg(verb)
                .env(name, value)
                .output();
            let ended = ended.unwrap();
            assert_eq!(ended.status.code(), Some(2), "{verb}, {name}");
            let said = String::from_utf8(ended.stderr).unwrap();
            assert!(said.contains(&format!("  {name}: ")), "{verb}: {said}");
        }
    }
}

#[tokio::test]
async fn processes_stop_gracefully_and_finish_what_is_in_hand() {
    const WRITES: u64 = 300;
    let system = System::start(1).await;
    let [worker]: &[Member; 1] = system.workers.as_slice().try_into().unwrap();
    let writes = async {
        for number in 1..=WRITES {
            system.write("1", &number.to_string()).await;
        }
    };
    let ((), ()) = tokio::join!(writes, async {
        eventually("the worker works", async || {
            system.operate::<u64>(&["XLEN", "writes"]).await >= WRITES / 3
        })
        .await;
        worker.stop().await.unwrap();
    });
    system.api.stop().await.unwrap();
    // The worker has acknowledged each entry that it took, and has ended each of these writes.
    let (pending, ..): (u64, redis::Value, redis::Value, redis::Value) =
        system.operate(&["XPENDING", "writes", "workers"]).await;
    assert_eq!(pending, 0);
    let applied: u64 = system.operate(&["HGET", "item:1", "version"]).await;
    let waiting: u64 = system.operate(&["HGET", "backlog", "writes"]).await;
    assert!(applied >= 1 && waiting >= 1, "{applied} {waiting}");
    assert_eq!(applied + waiting, WRITES);
    worker.restart().await.unwrap();
    system.api.restart().await.unwrap();
    system.assert_drained().await;
    assert_eq!(system.value("1").await, WRITES.to_string());
}
