//! What the cache holds, and for how long.

use std::sync::Arc;

use ::harness::postgres::Postgres;
use shared::redis::Command;
use sqlx::Connection;
use stack::wait::eventually;
use tokio::task::JoinSet;

use crate::harness::{PATIENT, Process, Records, read};

#[tokio::test]
async fn a_value_is_found_in_the_cache_until_it_changes() {
    let records = Records::start().await;
    records.create("k", 1).await;
    for value in 2..=5 {
        assert_eq!(records.read("k").await, (value - 1, false));
        assert_eq!(records.cache("k").await, value - 1);
        records.increment("k", 1).await.expect(200);
        assert_eq!(records.keys().await, [""; 0], "a change removes the entry");
    }
}

#[tokio::test]
async fn a_value_stays_for_the_lifetime_that_is_set() {
    let postgres = Postgres::shared().await.unwrap();
    let records = Records::start_on(postgres, &[("CACHE_TTL", "2s"), PATIENT[1]]).await;
    records.create("k", 1).await;
    assert_eq!(records.cache("k").await, 1);
    let [entry] = <[String; 1]>::try_from(records.keys().await).unwrap();
    let rest = records
        .cached(Command::new("PTTL").key(entry))
        .await
        .int()
        .unwrap();
    assert!((1..=2_000).contains(&rest), "{rest} ms");
    // Behind the back of the service: only a new look into the database finds this value.
    let mut session = records.session().await;
    sqlx::query("UPDATE users SET value = 2")
        .execute(&mut session)
        .await
        .unwrap();
    eventually("the end of the lifetime", async || {
        records.read("k").await.0 == 2
    })
    .await;
}

#[tokio::test]
async fn a_missing_record_is_not_cached() {
    let records = Records::start().await;
    records.get("k").await.problem(404, "not-found");
    records.create("k", 1).await;
    assert_eq!(records.read("k").await, (1, false));
}

/// Readers of one record wait while the table is locked. Only one of them waits in the database.
#[tokio::test]
async fn a_stampede_of_readers_fills_once() {
    const READERS: usize = 200;
    let records = Arc::new(Records::start().await);
    records.create("k", 1).await;
    let mut lock = records.session().await;
    let mut lock = lock.begin().await.unwrap();
    sqlx::query("LOCK TABLE users")
        .execute(&mut *lock)
        .await
        .unwrap();
    let (mut readers, before) = (JoinSet::new(), records.calls("eval").await);
    for _ in 0..READERS {
        let records = records.clone();
        readers.spawn(async move { read(&records.get("k").await) });
    }
    eventually("the first reader in the database", async || {
        Box::pin(records.waiting()).await > 0
    })
    .await;
    // The next readers came before the first has ended, so a second round covers all of them.
    lock.rollback().await.unwrap();
    let mut misses = 0;
    while let Some(found) = readers.join_next().await {
        let (value, is_hit) = found.unwrap();
        assert_eq!(value, 1);
        misses += usize::from(!is_hit);
    }
    let scripts = records.calls("eval").await - before;
    assert_eq!(scripts, 2, "one lease and one fill");
    assert!(misses < 5, "{misses} readers asked the database");
}

#[tokio::test]
async fn processes_share_values_and_removals() {
    let records = Records::start().await;
    let other = records.beside(&records.redis.url(), &PATIENT).await;
    records.create("k", 1).await;
    assert_eq!(records.cache("k").await, 1);
    assert_eq!(other.read("k").await, (1, true));
    for round in 0..50 {
        let (writer, reader) = if round % 2 == 0 {
            (&*records, &other)
        } else {
            (&other, &*records)
        };
        writer.increment("k", 1).await.expect(200);
        assert_eq!(
            reader.read("k").await.0,
            round + 2,
            "an answered change is seen everywhere"
        );
    }
}

#[tokio::test]
async fn a_database_never_finds_the_values_of_another() {
    let records = Records::start().await;
    records.create("k", 1).await;
    assert_eq!(records.cache("k").await, 1);
    let another = records.postgres.create_database().await.unwrap();
    let other = Process::start(&another, &records.redis.url(), &PATIENT).await;
    other.member.wait_ready().await.unwrap();
    other.get("k").await.problem(404, "not-found");
    other.create("k", 2).await;
    assert_eq!((other.cache("k").await, records.cache("k").await), (2, 1));
}

#[tokio::test]
async fn a_foreign_value_in_an_entry_is_not_used() {
    let records = Records::start().await;
    records.create("k", 1).await;
    assert_eq!(records.cache("k").await, 1);
    let [entry] = <[String; 1]>::try_from(records.keys().await).unwrap();
    for text in ["", "2", "value:", "value:x", "value:9223372036854775808"] {
        records
            .cached(Command::new("SET").key(entry.clone()).arg(text))
            .await;
        assert_eq!(records.read("k").await, (1, false), "{text:?}");
    }
    records.increment("k", 1).await.expect(200);
    assert_eq!(records.cache("k").await, 2, "a change replaces it");
}
