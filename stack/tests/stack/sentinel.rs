//! A store with replicas and Sentinels.

use std::time::Duration;

use shared::redis::{Command, Redis};
use stack::credentials::User;
use stack::redis::{Owner, RedisOptions};
use stack::sentinel::Replicated;
use stack::wait::wait_until;
use tokio::task::JoinSet;
use tokio::time::interval;

/// The time from the promotion of a replica to the first answer.
const BACK: Duration = Duration::from_secs(2);

/// The Sentinels reconfigure an old primary that lives on only after ten seconds. Writes to it
/// until then are lost, so its clients must leave it long before.
const DEPOSED: Duration = Duration::from_secs(4);
/// The time between two commands of a busy client.
const PAUSE: Duration = Duration::from_millis(20);

fn set(value: i64) -> Command {
    Command::new("SET").key("product:1").arg(value)
}

async fn replicated(dir: &std::path::Path, replicas: usize) -> Replicated {
    let options = RedisOptions::private(Owner::Inventory, dir.to_owned());
    let options = options.await.unwrap();
    Replicated::start(options, replicas).await.unwrap()
}

/// A client that sends commands all the time, like that of a service.
fn busy(redis: &Redis) -> JoinSet<()> {
    let (mut work, redis) = (JoinSet::new(), redis.clone());
    work.spawn(async move {
        let mut clock = interval(PAUSE);
        loop {
            clock.tick().await;
            let _ = redis.run(Command::new("EXISTS").key("product:1")).await;
        }
    });
    work
}

#[tokio::test]
async fn a_busy_client_follows_the_primary_when_it_is_killed_and_when_it_freezes() {
    let dir = tempfile::tempdir().unwrap();
    let store = replicated(dir.path(), 2).await;
    let redis = Redis::worker(&store.url(User::Inventory).parse().unwrap());
    redis.run(set(0)).await.unwrap();
    let _work = busy(&redis);
    for (round, freezes) in [(1, false), (2, true), (3, false)] {
        let old = store.primary().await.unwrap();
        if freezes {
            store.node(old).pause();
        } else {
            store.node(old).kill();
        }
        store.wait_failover(old).await.unwrap();
        wait_written(&store, &redis, round, BACK).await;
        store.return_as_replica(old).await.unwrap();
    }
}

#[tokio::test]
async fn a_client_leaves_a_primary_that_lives_on_as_a_replica() {
    let dir = tempfile::tempdir().unwrap();
    let store = replicated(dir.path(), 1).await;
    let redis = Redis::worker(&store.url(User::Inventory).parse().unwrap());
    redis.run(set(0)).await.unwrap();
    store.hand_over().await.unwrap();
    store.wait_failover(0).await.unwrap();
    wait_written(&store, &redis, 1, DEPOSED).await;
}

/// Waits until a write of the client arrives at the server that the Sentinels name.
async fn wait_written(store: &Replicated, redis: &Redis, value: i64, limit: Duration) {
    let written = wait_until("the client", limit, || async {
        let Ok(primary) = store.primary().await else {
            return false;
        };
        let written = redis.run(set(value)).await.is_ok();
        let found = store
            .operator_of(primary)
            .ask::<i64>(&["GET", "product:1"])
            .await;
        written && found == Ok(value)
    });
    written.await.unwrap();
}
