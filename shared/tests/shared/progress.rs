//! Steps that are repeated without end are not progress: the consumer backs off, and is not ready.

use std::time::Duration;

use shared::base::health::{Check, Progress, Readiness};
use shared::base::shutdown::Shutdown;
use shared::live::{Change, FEED_BLOCK, Feed, Show, Tail};
use shared::redis::{Code, Command, Redis, RedisError};
use stack::credentials::User;
use stack::wait::eventually;

use crate::harness::{STREAM, Stores, calls, partition, url};
use crate::script::{AWAY, DONE, Script};

/// How long the test counts the commands of a consumer.
const WATCHED: Duration = Duration::from_secs(4);
/// A consumer without progress for this long counts as stalled.
const SOON: Duration = Duration::from_secs(1);
/// The most reads within `WATCHED`. At its end the consumer pauses for 0.5 to 1 s between two reads.
const FEW: u64 = 16;

/// In each round the consumer reads its own pending entries with success, and then fails.
#[tokio::test]
async fn a_consumer_that_fails_after_a_good_step_each_time_backs_off_and_is_not_ready() {
    let stores = Stores::start().await;
    let script = Script::default();
    grant(&stores, "-xautoclaim").await;
    let running = stores.consume("one", &script);
    tokio::time::sleep(WATCHED).await;
    assert!(
        running.failure().await.contains("NOPERM"),
        "{}",
        running.failure().await
    );
    assert_few(&stores).await;
    grant(&stores, "+xautoclaim").await;
    stores.emit([DONE]).await;
    stores.wait_settled().await;
    eventually("readiness", async || running.failure().await.is_empty()).await;
}

#[tokio::test]
async fn a_consumer_whose_waits_end_at_once_backs_off_and_is_not_ready() {
    let mut stores = Stores::start().await;
    stores.stalled_after = SOON;
    let script = Script::default();
    let running = stores.consume("one", &script);
    eventually("readiness", async || running.failure().await.is_empty()).await;
    let watched = async {
        // The pause between two tries first has to grow to its longest.
        tokio::time::sleep(WATCHED).await;
        assert_few(&stores).await;
        let failure = running.failure().await;
        assert!(
            failure.contains("the store ends each wait for entries at once"),
            "{failure}"
        );
    };
    tokio::select! {
        () = end_all_waits(&stores.emitter) => {}
        () = watched => {}
    }
    stores.emit([DONE]).await;
    stores.wait_settled().await;
    assert_eq!(script.times(DONE), [1]);
    eventually("readiness", async || running.failure().await.is_empty()).await;
}

/// Each read of the stream succeeds, and the handler fails on the entry each time.
#[tokio::test]
async fn a_consumer_whose_handler_fails_each_time_backs_off_and_is_not_ready() {
    let mut stores = Stores::start().await;
    stores.stalled_after = SOON;
    let script = Script::default();
    let running = stores.consume("one", &script);
    stores.emit([AWAY]).await;
    tokio::time::sleep(WATCHED).await;
    let before = script.calls().len();
    tokio::time::sleep(WATCHED).await;
    let calls = script.calls().len() - before;
    assert!(
        (1..=FEW).contains(&(calls as u64)),
        "{calls} calls within {WATCHED:?}"
    );
    let failure = running.failure().await;
    assert!(failure.contains("it is away"), "{failure}");
    assert_eq!(stores.pending().await, Some(1));
}

/// The own store forgets each replay that the consumer finished. So each look begins another one.
#[tokio::test]
async fn a_consumer_whose_store_forgets_each_time_backs_off_and_is_not_ready() {
    let mut stores = Stores::start().await;
    stores.stalled_after = SOON;
    let script = Script::default();
    stores.emit([DONE; 3]).await;
    let running = stores.consume("one", &script);
    stores.wait_settled().await;
    let forgetting = async {
        loop {
            let forget = Command::new("HDEL").key("checkpoint").arg(STREAM);
            stores.operate(forget).await;
        }
    };
    let watched = async {
        tokio::time::sleep(WATCHED).await;
        let before = script.calls().len();
        tokio::time::sleep(WATCHED).await;
        let calls = script.calls().len() - before;
        assert!(calls as u64 <= FEW, "{calls} calls within {WATCHED:?}");
        let failure = running.failure().await;
        assert!(failure.contains("no progress"), "{failure}");
    };
    tokio::select! {
        () = forgetting => {}
        () = watched => {}
    }
    stores.emit([DONE]).await;
    stores.wait_settled().await;
}

/// Shows no change to any client.
#[derive(Clone)]
struct Nothing;

impl Show for Nothing {
    async fn show(&self, _: &Change) -> Result<Option<String>, RedisError> {
        Ok(None)
    }
}

#[tokio::test]
async fn a_feed_whose_waits_end_at_once_backs_off_and_is_not_ready() {
    let stores = Stores::start().await;
    let feed = Feed::new(stores.own_store(), Nothing);
    let _watch = feed.watch("something".to_owned());
    let progress = Progress::stalled_after(SOON);
    let check = Check::progress("feed", progress.clone());
    let readiness = Readiness::new(vec![check], Shutdown::new());
    let reader = Redis::reader(&url(&stores.own, User::Inventory), FEED_BLOCK);
    let watched = async {
        tokio::time::sleep(WATCHED).await;
        let before = calls(&stores.operator, "xread").await;
        tokio::time::sleep(WATCHED).await;
        let made = calls(&stores.operator, "xread").await - before;
        assert!((1..=FEW).contains(&made), "{made} reads within {WATCHED:?}");
        let failure = readiness.failures().await.join("; ");
        assert!(
            failure.contains("ends a wait for changes at once"),
            "{failure}"
        );
    };
    tokio::select! {
        () = feed.clone().run(partition(), reader, progress, Shutdown::new()) => {}
        () = end_all_waits(&stores.operator) => {}
        () = watched => {}
    }
}

#[tokio::test]
async fn a_wait_for_changes_that_ends_at_once_is_an_error() {
    let stores = Stores::start().await;
    let url = url(&stores.own, User::Inventory);
    let mut tail = Tail::new(stores.own_store(), &url, partition());
    tail.find().await.unwrap();
    let waited = tokio::select! {
        () = end_all_waits(&stores.operator) => unreachable!(),
        waited = tail.wait() => waited,
    };
    assert!(
        matches!(
            waited,
            Err(RedisError::Unavailable {
                code: Code::Unknown,
                ..
            })
        ),
        "{waited:?}"
    );
    assert!(!tail.is_found(), "the end has to be found anew");
}

/// Ends the blocking reads of all clients of a store again and again, as if their time were up.
async fn end_all_waits(store: &Redis) {
    loop {
        let list = Command::new("CLIENT").args(["LIST", "TYPE", "normal"]);
        let list = store.run(list).await.unwrap().text().unwrap();
        let blocked = list.lines().filter(|line| line.contains("flags=b"));
        for id in blocked.filter_map(|line| line.strip_prefix("id=")?.split(' ').next()) {
            store
                .run(Command::new("CLIENT").arg("UNBLOCK").arg(id))
                .await
                .unwrap();
        }
    }
}

async fn assert_few(stores: &Stores) {
    let before = calls(&stores.emitter, "xreadgroup").await;
    tokio::time::sleep(WATCHED).await;
    let made = calls(&stores.emitter, "xreadgroup").await - before;
    assert!((1..=FEW).contains(&made), "{made} reads within {WATCHED:?}");
}

async fn grant(stores: &Stores, right: &'static str) {
    let grant = Command::new("ACL").args(["SETUSER", "inventory", right]);
    stores.emitter.run(grant).await.unwrap();
}
