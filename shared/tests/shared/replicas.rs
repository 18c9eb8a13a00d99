//! No answer and no action depends on a write that the replicas do not have.

use std::time::Duration;

use futures_util::future::join_all;
use shared::redis::{Code, Command, Redis, RedisError, ReplicaAcks};
use shared::stream::group::Pace;
use stack::credentials::User;
use stack::redis::{Owner, RedisOptions, RedisServer};
use stack::wait::eventually;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::harness::{NEVER, Stores, entries, membership, url};
use crate::script::{DONE, Script};

pub(crate) const ACKS: ReplicaAcks = ReplicaAcks {
    count: 1,
    timeout: Duration::from_millis(300),
};
/// How much longer than the limit of `WAIT` an answer may take on a busy machine.
const MARGIN: Duration = Duration::from_millis(700);

/// A server that copies another one.
pub(crate) struct Replica {
    pub(crate) server: RedisServer,
    _dir: TempDir,
}

impl Replica {
    pub(crate) async fn of(primary: &RedisServer) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = RedisOptions::private(Owner::Payments, dir.path().to_owned());
        let server = RedisServer::start(options.await.unwrap()).await.unwrap();
        stack::users::allow_replicas(primary).await.unwrap();
        let operator = Redis::worker(&url(&server, User::Operator));
        let source = primary.url(User::Operator);
        let password = source.split([':', '@']).nth(2).unwrap();
        let quick = Command::new("CONFIG").args(["SET", "repl-diskless-sync-delay", "0"]);
        let source = Redis::worker(&url(primary, User::Operator));
        source.run(quick).await.unwrap();
        for (name, value) in [("masteruser", "operator"), ("masterauth", password)] {
            operator
                .run(Command::new("CONFIG").args(["SET", name, value]))
                .await
                .unwrap();
        }
        let port = i64::from(primary.port());
        operator
            .run(Command::new("REPLICAOF").arg("127.0.0.1").arg(port))
            .await
            .unwrap();
        eventually("the replica to have everything", async || {
            let info = source
                .run(Command::new("INFO").arg("replication"))
                .await
                .unwrap();
            info.text().unwrap().contains("state=online")
        })
        .await;
        // It says so a moment before it listens.
        wait_confirmed(&source.with_acks(ACKS)).await;
        Self { server, _dir: dir }
    }
}

fn set() -> Command {
    Command::new("SET").key("product:1").arg("x")
}

/// Waits until the replica confirms a write.
async fn wait_confirmed(redis: &Redis) {
    eventually("the replica", async || {
        redis.run_confirmed(set()).await.is_ok()
    })
    .await;
}

fn assert_unconfirmed(error: &RedisError) {
    let RedisError::Unavailable {
        code: Code::Unknown,
        message: reason,
    } = error
    else {
        panic!("{error:?}")
    };
    assert!(reason.contains("replicas"), "{reason}");
}

#[tokio::test]
async fn a_change_is_answered_once_a_replica_has_it_and_refused_in_time_otherwise() {
    let stores = Stores::start().await;
    let redis = Redis::worker(&url(&stores.own, User::Inventory)).with_acks(ACKS);
    redis.run(set()).await.unwrap();
    assert_unconfirmed(&redis.run_confirmed(set()).await.unwrap_err());
    let replica = Replica::of(&stores.own).await;
    redis.run_confirmed(set()).await.unwrap();

    replica.server.pause();
    let started = Instant::now();
    let answers = join_all((0..50).map(|_| redis.run_confirmed(set()))).await;
    for answer in answers {
        assert_unconfirmed(&answer.unwrap_err());
    }
    // The calls wait for one round of `WAIT`, and for one that was under way before it.
    assert!(
        started.elapsed() < ACKS.timeout * 2 + MARGIN,
        "{:?}",
        started.elapsed()
    );
    redis.run(set()).await.unwrap();
    replica.server.resume();
    wait_confirmed(&redis).await;
}

#[tokio::test]
async fn many_changes_share_one_wait_for_the_replicas() {
    let stores = Stores::start().await;
    let _replica = Replica::of(&stores.own).await;
    let redis = Redis::worker(&url(&stores.own, User::Inventory)).with_acks(ACKS);
    redis.run(set()).await.unwrap();
    for answer in join_all((0..1_000).map(|_| redis.run_confirmed(set()))).await {
        answer.unwrap();
    }
    let stats = stores
        .operate(Command::new("INFO").arg("commandstats"))
        .await;
    let stats = stats.text().unwrap();
    let waits = stats.split("cmdstat_wait:calls=").nth(1).unwrap();
    let waits: usize = waits.split(',').next().unwrap().parse().unwrap();
    assert!(waits <= 100, "{waits}");
}

/// The change is answered, and then its connection closes. `WAIT` on the next connection says
/// nothing about this change.
#[tokio::test]
async fn a_change_on_a_lost_connection_is_not_confirmed_by_the_next_one() {
    let stores = Stores::start().await;
    let _replica = Replica::of(&stores.own).await;
    let redis = Redis::worker(&url(&stores.own, User::Operator)).with_acks(ACKS);
    for _ in 0..5 {
        let own = redis
            .run(Command::new("CLIENT").arg("ID"))
            .await
            .unwrap()
            .int()
            .unwrap();
        let last = Command::new("CLIENT").args(["KILL", "ID"]).arg(own);
        let last = last.args(["SKIPME", "no"]);
        assert_unconfirmed(&redis.run_confirmed(last).await.unwrap_err());
        wait_confirmed(&redis).await;
    }
}

/// A blocked read does not count as a write of its connection. So `WAIT` alone would confirm an
/// entry that no replica has.
#[tokio::test]
async fn an_entry_that_ends_a_blocked_read_is_confirmed_like_any_other() {
    let stores = Stores::start().await;
    let replica = Replica::of(&stores.streams).await;
    let block = Duration::from_secs(5);
    let reader = Redis::reader(&url(&stores.streams, User::Inventory), block).with_acks(ACKS);
    let (member, mut pace) = (membership("one"), Pace::cautious());
    member.ensure_group(&stores.emitter).await.unwrap();
    for round in 0..3 {
        let emit = async {
            eventually("the read to block", async || {
                let info = stores
                    .emitter
                    .run(Command::new("INFO").arg("clients"))
                    .await
                    .unwrap();
                info.text().unwrap().contains("blocked_clients:1")
            })
            .await;
            if round > 0 {
                replica.server.pause();
            }
            stores.emit([DONE]).await;
        };
        let (read, ()) = tokio::join!(member.read_new(&reader, &mut pace, 10, block), emit);
        match round {
            0 => assert_eq!(read.unwrap().len(), 1),
            _ => assert_unconfirmed(&read.unwrap_err()),
        }
        replica.server.resume();
        // The next round begins with a replica that is in sync.
        wait_confirmed(&stores.emitter.clone().with_acks(ACKS)).await;
    }
}

#[tokio::test]
async fn a_consumer_acts_on_nothing_and_counts_nothing_while_replicas_are_missing() {
    let stores = Stores::start().await;
    let replica = Replica::of(&stores.streams).await;
    let script = Script::default();
    let running = stores.consume_confirmed("one", &script, NEVER, ACKS);
    stores.emit([DONE; 5]).await;
    stores.wait_settled().await;
    assert_eq!(script.times(DONE), [1; 5]);

    replica.server.pause();
    stores.emit([DONE; 5]).await;
    eventually("the entries to be read", async || {
        stores.pending().await > Some(0)
    })
    .await;
    // Long enough for several attempts.
    let redis = stores.emitter.clone().with_acks(ACKS);
    for _ in 0..10 {
        assert_unconfirmed(&redis.run_confirmed(set()).await.unwrap_err());
    }
    assert_eq!(script.times(DONE), [1; 5], "no consumer may act on them");
    replica.server.resume();
    stores.wait_settled().await;
    assert_eq!(script.times(DONE), [1; 10]);
    assert_eq!(entries(&stores.operator, "dead_letters").await, []);
    running.stop().await;
}

/// `min-replicas-to-write` also refuses reads through a group, and acknowledgements.
#[tokio::test]
async fn a_consumer_waits_for_a_store_that_wants_more_replicas() {
    let stores = Stores::start().await;
    let script = Script::default();
    let running = stores.consume("one", &script);
    stores.emit([DONE]).await;
    stores.wait_settled().await;
    let replicas = |count| Command::new("CONFIG").args(["SET", "min-replicas-to-write", count]);
    stores.emit([DONE; 3]).await;
    stores.emitter.run(replicas("1")).await.unwrap();
    let error = stores.emitter.run(set()).await.unwrap_err();
    assert!(
        error.is(Code::NoReplicas) && error.did_nothing(),
        "{error:?}"
    );
    stores.emitter.run(replicas("0")).await.unwrap();
    stores.emit([DONE]).await;
    stores.wait_settled().await;
    assert_eq!(script.times(DONE).len(), 5);
    assert_eq!(entries(&stores.operator, "dead_letters").await, []);
    running.stop().await;
}
