//! Steps that are repeated without end are no progress: the consumer backs off, and is not ready.

use std::time::Duration;

use shared::redis::Command;
use stack::wait::wait_until;

use crate::harness::{LIMIT, Stores};
use crate::script::{DONE, Script};

/// How long is looked at what a consumer asks.
const WATCHED: Duration = Duration::from_secs(4);
/// Reads in that time, at most: one each half second, once the back-off is at its end.
const FEW: u64 = 16;

/// Each round reads the own pending entries without trouble, before it fails.
#[tokio::test]
async fn a_consumer_that_fails_behind_a_good_step_each_time_backs_off_and_is_not_ready() {
    let stores = Stores::start().await;
    let script = Script::default();
    grant(&stores, "-xautoclaim").await;
    let running = stores.consume("one", &script);
    tokio::time::sleep(WATCHED).await;
    assert!(running.failure().await.contains("NOPERM"), "{}", running.failure().await);
    assert_few(&stores).await;
    grant(&stores, "+xautoclaim").await;
    stores.emit([DONE]).await;
    stores.wait_settled().await;
    let ready = wait_until("readiness", LIMIT, || async { running.failure().await.is_empty() });
    ready.await.unwrap();
}

#[tokio::test]
async fn a_consumer_whose_waits_end_at_once_backs_off() {
    let stores = Stores::start().await;
    let script = Script::default();
    let running = stores.consume("one", &script);
    let ready = wait_until("readiness", LIMIT, || async { running.failure().await.is_empty() });
    ready.await.unwrap();
    let ending = async {
        loop {
            end_waits(&stores).await;
        }
    };
    // The back-off comes to its longest pause first.
    let _ = tokio::time::timeout(WATCHED, ending).await;
    let ending = async {
        loop {
            end_waits(&stores).await;
        }
    };
    tokio::select! {
        () = ending => {}
        () = assert_few(&stores) => {}
    }
    stores.emit([DONE]).await;
    stores.wait_settled().await;
    assert_eq!(script.times(DONE), [1]);
}

/// Ends the waits of all who wait for entries, as if their time were up.
async fn end_waits(stores: &Stores) {
    let list = stores.emitter.run(Command::new("CLIENT").args(["LIST", "TYPE", "normal"])).await;
    let list = list.unwrap().text().unwrap();
    let blocked = list.lines().filter(|line| line.contains("flags=b"));
    for id in blocked.filter_map(|line| line.strip_prefix("id=")?.split(' ').next()) {
        let unblock = Command::new("CLIENT").arg("UNBLOCK").arg(id);
        stores.emitter.run(unblock).await.unwrap();
    }
}

async fn assert_few(stores: &Stores) {
    let before = reads(stores).await;
    tokio::time::sleep(WATCHED).await;
    let made = reads(stores).await - before;
    assert!((1..=FEW).contains(&made), "{made} reads within {WATCHED:?}");
}

/// How many reads of the group there were.
async fn reads(stores: &Stores) -> u64 {
    let info = stores.emitter.run(Command::new("INFO").arg("commandstats")).await.unwrap();
    let info = info.text().unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix("cmdstat_xreadgroup:calls="));
    line.and_then(|line| line.split(',').next()?.parse().ok()).unwrap_or_default()
}

async fn grant(stores: &Stores, right: &'static str) {
    let grant = Command::new("ACL").args(["SETUSER", "inventory", right]);
    stores.emitter.run(grant).await.unwrap();
}
