//! Stores whose disk is full, or whose clock jumps.

use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proof::shim;
use stack::operator::Operator;
use stack::redis::{Overrides, RedisServer};
use stack::wait::eventually;

use crate::support::{LIMIT, count, counter, start};

/// Waits until a store takes changes.
async fn wait_room(operator: &Operator) {
    eventually("room", || async {
        operator.ask::<u64>(&["INCR", "counter"]).await.is_ok()
    })
    .await;
}

/// A store in this folder with the shim, and with this `appendfsync`.
async fn shimmed(dir: &Path, fsync: &str) -> (RedisServer, Operator) {
    let overrides = Overrides {
        environment: Some(shim::environment()),
        settings: vec![("appendfsync".to_owned(), fsync.to_owned())],
        ..Overrides::default()
    };
    start(dir, overrides).await
}

#[tokio::test]
async fn the_clock_of_a_store_jumps_while_it_runs() {
    let dir = tempfile::tempdir().unwrap();
    let (redis, operator) = shimmed(dir.path(), "always").await;
    let now = async || operator.ask::<(i64, i64)>(&["TIME"]).await.unwrap().0;
    let right = now().await;
    for seconds in [3_600, -30, 0] {
        shim::offset_clock(redis.dir(), seconds * 1_000).unwrap();
        eventually("the clock to jump", async || {
            (0..30).contains(&(now().await - right - seconds))
        })
        .await;
    }
}

#[tokio::test]
async fn a_full_disk_ends_a_store_that_answers_only_what_it_has_written() {
    let dir = tempfile::tempdir().unwrap();
    let (redis, operator) = shimmed(dir.path(), "always").await;
    count(&operator).await;
    shim::fill_disk(redis.dir(), true).unwrap();
    assert!(
        operator.ask::<u64>(&["INCR", "counter"]).await.is_err(),
        "the store answered"
    );
    eventually("its end", async || redis.process().exit().is_some()).await;
    shim::fill_disk(redis.dir(), false).unwrap();
    redis.restart().await.unwrap();
    assert_eq!(counter(&operator).await, Some(1));
}

#[tokio::test]
async fn a_full_disk_makes_a_store_that_writes_every_second_refuse_until_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let (redis, operator) = shimmed(dir.path(), "everysec").await;
    count(&operator).await;
    shim::fill_disk(redis.dir(), true).unwrap();
    eventually("a refusal", async || {
        let refused = operator.ask::<u64>(&["INCR", "counter"]).await.err();
        refused.is_some_and(|error| error.code() == Some("MISCONF"))
    })
    .await;
    assert!(counter(&operator).await.is_some(), "reads are answered");
    shim::fill_disk(redis.dir(), false).unwrap();
    wait_room(&operator).await;
}

#[tokio::test]
async fn a_store_that_starts_on_a_full_disk_reads_and_takes_changes_once_there_is_room() {
    for policy in ["always", "everysec"] {
        let dir = tempfile::tempdir().unwrap();
        let (redis, operator) = shimmed(dir.path(), policy).await;
        count(&operator).await;
        shim::fill_disk(redis.dir(), true).unwrap();
        redis.restart().await.unwrap();
        assert_eq!(counter(&operator).await, Some(1), "{policy}");
        for _ in 0..3 {
            let refused = operator.ask::<u64>(&["INCR", "counter"]).await.unwrap_err();
            assert_eq!(refused.code(), Some("NOREPLICAS"), "{policy}");
        }
        shim::fill_disk(redis.dir(), false).unwrap();
        wait_room(&operator).await;
        redis.restart().await.unwrap();
        assert_eq!(counter(&operator).await, Some(2), "{policy}");
    }
}

#[tokio::test]
async fn a_store_that_only_reads_ends_when_it_is_asked_to_and_when_its_server_dies() {
    let dir = tempfile::tempdir().unwrap();
    let (redis, operator) = shimmed(dir.path(), "always").await;
    count(&operator).await;
    shim::fill_disk(redis.dir(), true).unwrap();
    redis.restart().await.unwrap();
    assert!(redis.process().stop(LIMIT).await.unwrap().success());
    redis.restart().await.unwrap();
    let info: String = operator.insist(&["INFO", "server"], LIMIT).await.unwrap();
    let pid = info
        .lines()
        .find_map(|line| line.strip_prefix("process_id:"))
        .unwrap();
    let server = Pid::from_raw(pid.trim().parse().unwrap());
    assert_ne!(
        redis.pid(),
        u32::try_from(server.as_raw()).unwrap(),
        "the script starts the server anew"
    );
    kill(server, Signal::SIGKILL).unwrap();
    assert!(!redis.process().wait(LIMIT).await.unwrap().success());
}
