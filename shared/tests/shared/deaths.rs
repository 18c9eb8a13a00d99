//! A consumer dies between two steps, and the next consumer finds the work that is left.

use std::time::Duration;

use proof::proxy::{Moment, Protocol, Proxy, Trap};
use proof::shim;
use shared::redis::{Command, Entry, RedisUrl};
use shared::stream::consumer::Settings;
use stack::credentials::User;
use stack::redis::Overrides;
use stack::wait::eventually;

use crate::checkpoint::wait_checkpoint;
use crate::harness::{LIMIT, STREAM, Stores, field, membership, partition};
use crate::script::{AWAY_LONG, DIE, DONE, FAIL_THEN_DIE, HELD, LONG, Script};

/// The most starts until an entry that kills its consumer is parked.
const MOST_LIVES: usize = 8;
/// The seed of links without random faults.
const SEED: u64 = 1;

/// Only the process that knew a later checkpoint can see that the store has gone back.
#[tokio::test]
async fn a_replay_of_a_store_that_went_back_survives_the_death_of_its_consumer() {
    for is_full in [false, true] {
        let stores = Stores::start().await;
        let ids = stores.emit([DONE, HELD]).await;
        let script = Script::default();
        script.let_go();
        let running = stores.consume("one", &script);
        stores.wait_settled().await;
        wait_checkpoint(&stores, &ids[1]).await;
        let limit_memory = |limit| Command::new("CONFIG").args(["SET", "maxmemory", limit]);
        if is_full {
            stores.operate(limit_memory("1")).await;
        }
        stores.operate(Command::new("DEL").key("checkpoint")).await;
        wait_times(&script, HELD, 2).await;
        drop(running);
        stores.operate(limit_memory("0")).await;

        let script = Script::default();
        script.let_go();
        let _running = stores.consume("one", &script);
        wait_times(&script, HELD, 1).await;
        assert_eq!(script.times(DONE), [1], "full: {is_full}");
        wait_checkpoint(&stores, &ids[1]).await;
        wait_unmarked(&stores).await;
    }
}

/// Redis removes the pending entries that the other consumer got just before. Only the answer says
/// how many, and the answer may be lost.
#[tokio::test]
async fn a_consumer_that_dies_while_it_removes_another_one_leaves_a_replay_that_is_due() {
    const AHEAD: Duration = Duration::from_hours(2);
    let shimmed = Overrides {
        environment: Some(shim::environment()),
        ..Overrides::default()
    };
    let stores = Stores::start_with(shimmed).await;
    let ids = stores.emit([DONE]).await;
    stores.give("quiet", 1).await;
    let quiet = membership("quiet");
    quiet.acknowledge(&stores.emitter, ids).await.unwrap();
    // On this clock the other consumer has asked for no entry for hours.
    let ahead = i64::try_from(AHEAD.as_millis()).unwrap();
    shim::offset_clock(stores.streams.dir(), ahead).unwrap();
    let (proxy, url) = link(&stores);
    let removal = proxy.arm(Trap::at("XGROUP DELCONSUMER", Moment::Executed));
    let settings = Settings {
        stream_store: url,
        reclaim_idle: Duration::from_secs(1),
        ..stores.settings("one")
    };
    let script = Script::default();
    let running = stores.consume_into(stores.own_store(), &settings, &script);
    removal.sprung(LIMIT).await.unwrap();
    drop(running);
    assert!(script.calls().is_empty(), "it was acknowledged");

    let _running = stores.consume("one", &script);
    wait_times(&script, DONE, 1).await;
    wait_unmarked(&stores).await;
}

/// The scan for abandoned entries removes a trimmed entry from the pending list, and Redis never
/// names it again.
#[tokio::test]
async fn a_trimmed_entry_is_parked_although_the_consumer_that_found_it_died() {
    for moment in [Moment::Executed, Moment::Answered] {
        let stores = Stores::start().await;
        let ids = stores.emit([DONE; 3]).await;
        stores.give("dead", 3).await;
        let delete = Command::new("XDEL").key(STREAM).arg(ids[0].as_str());
        stores.emitter.run(delete).await.unwrap();
        let (proxy, url) = link(&stores);
        let settings = Settings {
            stream_store: url,
            reclaim_idle: Duration::from_millis(1),
            ..stores.settings("one")
        };
        let scanned = proxy.arm(Trap::at("XAUTOCLAIM", moment));
        let script = Script::default();
        let running = stores.consume_into(stores.own_store(), &settings, &script);
        scanned.sprung(LIMIT).await.unwrap();
        drop(running);
        let _running = stores.consume("one", &script);
        let parked = stores.wait_parked(1).await.remove(0);
        assert_eq!(field(&parked, "dl_reason"), "entry_trimmed", "{moment:?}");
        assert_eq!(field(&parked, "dl_entry_id"), ids[0]);
    }
}

#[tokio::test]
async fn an_entry_that_fails_before_it_kills_its_consumer_is_parked_in_the_end() {
    let stores = Stores::start().await;
    let ids = stores.emit([DONE, FAIL_THEN_DIE, DONE]).await;
    let has_died = |script: &Script| script.times(FAIL_THEN_DIE) == [2];
    let parked = live_until_parked(&stores, has_died).await;
    assert_eq!(field(&parked, "dl_entry_id"), ids[1]);
    assert_eq!(field(&parked, "dl_reason"), "max_deliveries");
    let counts = Command::new("EXISTS").key("attempts");
    assert_eq!(stores.operate(counts).await.int().unwrap(), 0);
}

/// The entry is a dead letter, and a replay hands it over all the same.
#[tokio::test]
async fn an_entry_that_kills_its_consumer_does_not_kill_each_replay() {
    let stores = Stores::start().await;
    stores.emit([DONE, DIE, DONE]).await;
    let has_died = |script: &Script| !script.calls_with(DIE).is_empty();
    live_until_parked(&stores, has_died).await;
    stores.own.kill();
    stores.own.restart().await.unwrap();
    let recorded = || async {
        let get = Command::new("GET").key("incarnation");
        let recorded = stores.operator.run(get).await.ok()?.text().ok()?;
        let now = stores.own_store().replication_id(partition()).await.ok()?;
        Some(recorded == now)
    };
    for _ in 0..MOST_LIVES {
        let script = Script::default();
        let running = stores.consume("one", &script);
        eventually("its death, or the end of the replay", async || {
            has_died(&script) || recorded().await == Some(true)
        })
        .await;
        if recorded().await == Some(true) {
            stores.wait_parked(1).await;
            return;
        }
        drop(running);
    }
    panic!("each replay kills");
}

/// All consumers of a partition replay the same entries. While a store is away each of them fails
/// again and again, and nothing dies.
#[tokio::test]
async fn consumers_that_replay_side_by_side_count_nothing_against_each_other() {
    let stores = Stores::start().await;
    let ids = stores.emit([AWAY_LONG]).await;
    stores.give("quiet", 1).await;
    let quiet = membership("quiet");
    quiet.acknowledge(&stores.emitter, ids).await.unwrap();
    stores.own.kill();
    stores.own.restart().await.unwrap();
    let consumers: Vec<_> = ["one", "two", "three", "four"]
        .into_iter()
        .map(|name| {
            let script = Script::default();
            (stores.consume(name, &script), script)
        })
        .collect();
    for (_running, script) in &consumers {
        wait_times(script, AWAY_LONG, LONG + 1).await;
    }
    let letters = Command::new("EXISTS").key("dead_letters");
    assert_eq!(stores.operate(letters).await.int().unwrap(), 0);
}

/// Starts a consumer again and again, until an entry is parked. Answers its dead letter.
async fn live_until_parked(stores: &Stores, has_died: impl Fn(&Script) -> bool) -> Entry {
    for _ in 0..MOST_LIVES {
        let script = Script::default();
        let running = stores.consume("one", &script);
        eventually("its death, or the end", async || {
            has_died(&script) || stores.is_settled().await
        })
        .await;
        drop(running);
        if stores.is_settled().await {
            return stores.wait_parked(1).await.remove(0);
        }
    }
    panic!("the entry still kills its consumer");
}

/// Waits until the handler got an order of this quantity this many times.
async fn wait_times(script: &Script, quantity: u32, times: usize) {
    eventually("the order to be handed over", async || {
        script.times(quantity) == [times]
    })
    .await;
}

/// Waits until no replay is due.
async fn wait_unmarked(stores: &Stores) {
    eventually("the marks to be removed", async || {
        let marks = Command::new("EXISTS").key("replays_due");
        stores.operate(marks).await.int().unwrap() == 0
    })
    .await;
}

/// A link to the store of the stream, and the URL through the link.
fn link(stores: &Stores) -> (Proxy, RedisUrl) {
    let port = stores.streams.port();
    let proxy = Proxy::start(Protocol::Redis, port, SEED).unwrap();
    let direct = stores.streams.url(User::Inventory);
    let url = direct.replace(&format!(":{port}"), &format!(":{}", proxy.port()));
    (proxy, url.parse().unwrap())
}
