//! The cache is gone, the database is gone, and both come back.

use std::time::Duration;

use ::harness::http::Method;
use ::harness::postgres::Postgres;
use proof::proxy::{Block, Faults, Protocol, Proxy};
use sqlx::query_scalar;
use stack::wait::eventually;

use crate::harness::{LONG, PATIENT, Process, Records, read, record};

/// An answer that did not wait for a part that is down.
const QUICK: Duration = Duration::from_secs(1);

#[tokio::test]
async fn without_redis_everything_is_served_from_the_database() {
    let records = Records::start_on(Postgres::shared().await.unwrap(), &[LONG]).await;
    records.create("k", 1).await;
    assert_eq!(records.cache("k").await, 1);
    records.redis.kill();
    for value in 2..=12 {
        assert_eq!(
            records.increment("k", 1).await.expect(200).json(),
            record("k", value)
        );
        assert_eq!(records.read("k").await, (value, false));
    }
    records.create("new", 5).await;
    let (changed, found) = (records.increment("k", 0).await, records.get("k").await);
    assert!(
        changed.took < QUICK && found.took < QUICK,
        "{changed:?} {found:?}"
    );
    assert_eq!(records.page("/readyz").await.status, 200);
    let log = records.member.logs();
    assert!(log.matches("cannot be reached").count() <= 3, "{log}");

    // The server comes back with all that was in it: the value 1 among the rest.
    records.redis.restart().await.unwrap();
    assert_eq!(records.cache("k").await, 12);
    records.increment("k", 1).await.expect(200);
    assert_eq!(records.read("k").await.0, 13);
}

/// One process cannot reach the cache while it changes a value that is in there.
#[tokio::test]
async fn a_process_that_cannot_reach_the_cache_leaves_its_removal_to_the_others() {
    let records = Records::start().await;
    let proxy = Proxy::start(Protocol::Redis, records.redis.port(), 1).unwrap();
    let url = records.through(&proxy);
    let cut_off = records.beside(&url, &[LONG]).await;
    records.create("k", 1).await;
    assert_eq!(cut_off.cache("k").await, 1);

    proxy.refuse();
    cut_off.increment("k", 1).await.expect(200);
    assert_eq!(
        cut_off.read("k").await,
        (2, false),
        "a process reads what it wrote"
    );
    // Another process can reach the cache. It makes the removal, for which it looks twice a second.
    eventually("the removal", async || records.read("k").await.0 == 2).await;
    assert_eq!(records.cache("k").await, 2);
    proxy.heal();
    // The process uses the cache again, and never finds the old value there.
    assert_eq!(cut_off.cache("k").await, 2);
}

/// The same without another process, which could make the removal.
#[tokio::test]
async fn a_process_makes_its_own_removals_before_it_uses_the_cache_again() {
    let records = Records::start_on(Postgres::shared().await.unwrap(), &[LONG]).await;
    records.create("k", 1).await;
    assert_eq!(records.cache("k").await, 1);
    records.redis.process().pause();
    records.increment("k", 1).await.expect(200);
    assert_eq!(records.read("k").await, (2, false));
    let state = records.page("/readyz?verbose").await.expect(200).body;
    assert!(!state.contains("cache: ok"), "{state}");
    records.redis.process().resume();
    for _ in 0..100 {
        assert_eq!(
            records.read("k").await.0,
            2,
            "the old value is in the cache"
        );
    }
    assert_eq!(records.cache("k").await, 2);
}

/// The same, and the process dies before it can reach the cache again.
#[tokio::test]
async fn a_process_that_dies_then_leaves_nothing_old() {
    let records = Records::start().await;
    let proxy = Proxy::start(Protocol::Redis, records.redis.port(), 1).unwrap();
    let url = records.through(&proxy);
    let doomed = records.beside(&url, &[LONG]).await;
    for key in ["a", "b", "c"] {
        records.create(key, 1).await;
        assert_eq!(records.cache(key).await, 1);
    }
    proxy.refuse();
    for key in ["a", "b"] {
        doomed.increment(key, 1).await.expect(200);
    }
    let delete = "user_id=u&key=c";
    doomed
        .ask(Method::DELETE, "delete-record", delete)
        .await
        .expect(204);
    doomed.member.kill();
    for key in ["a", "b"] {
        eventually("the removal", async || records.read(key).await.0 == 2).await;
        assert_eq!(records.cache(key).await, 2);
    }
    eventually("the removal", async || records.get("c").await.status == 404).await;
    let mut session = records.session().await;
    eventually("the end of the notes", async || {
        let count = query_scalar("SELECT count(*) FROM stale").fetch_one(&mut session);
        let count: i64 = count.await.unwrap();
        count == 0
    })
    .await;
}

/// Without the table of the notes, the database refuses a change that needs a note. The repair of
/// the cache fails as well, so a process that distrusts the cache would not use it again.
#[tokio::test]
async fn a_change_that_the_database_refuses_leaves_the_cache_in_use() {
    let records = Records::start().await;
    let proxy = Proxy::start(Protocol::Redis, records.redis.port(), 1).unwrap();
    let url = records.through(&proxy);
    let cut_off = records.beside(&url, &[LONG]).await;
    records.create("k", 1).await;
    assert_eq!(cut_off.cache("k").await, 1);
    let mut session = records.session().await;
    sqlx::query("ALTER TABLE stale RENAME TO gone")
        .execute(&mut session)
        .await
        .unwrap();
    proxy.refuse();
    let refused = cut_off.increment("k", 1).await;
    refused.problem(500, "internal");
    proxy.heal();
    assert_eq!(cut_off.cache("k").await, 1);
}

#[tokio::test]
async fn without_postgres_cached_reads_go_on_and_all_else_is_503() {
    let records = Records::start_alone(&PATIENT).await;
    records.create("cached", 1).await;
    records.create("other", 2).await;
    assert_eq!(records.cache("cached").await, 1);
    records.postgres.kill();
    for _ in 0..3 {
        records
            .get("other")
            .await
            .assert_unavailable("store-refused");
        assert_eq!(records.read("cached").await, (1, true));
        let changed = records.increment("other", 1).await;
        changed.assert_unavailable("store-refused");
        let created = records
            .post("create-record", "user_id=u&key=new&value=1")
            .await;
        created.assert_unavailable("store-refused");
    }
    // A change of a cached value is refused before it removes the value.
    let changed = records.increment("cached", 1).await;
    changed.assert_unavailable("store-refused");
    let (refused, hit) = (records.get("other").await, records.get("cached").await);
    assert_eq!(read(&hit), (1, true));
    assert!(hit.took < QUICK, "{hit:?}");
    refused.assert_unavailable("store-refused");
    assert_eq!(
        records.page("/readyz").await.status,
        200,
        "cached reads need the process"
    );
    let state = records.page("/readyz?verbose").await.expect(200).body;
    assert!(
        state.contains("postgres: the database is not available"),
        "{state}"
    );

    records.postgres.restart().await.unwrap();
    eventually("the database", async || {
        records.get("other").await.status == 200
    })
    .await;
    assert_eq!(records.read("other").await.0, 2, "a refused change counted");
    assert_eq!(
        records.increment("other", 1).await.expect(200).json(),
        record("other", 3)
    );
    records.get("new").await.problem(404, "not-found");
}

/// The port of the server takes connections, and nothing answers there.
#[tokio::test]
async fn a_silent_postgres_is_left_alone_until_it_answers() {
    let records = Records::start().await;
    records.create("k", 1).await;
    let proxy = Proxy::start(Protocol::Http, records.postgres.port(), 1).unwrap();
    let (server, link) = (records.postgres.port(), proxy.port());
    let (server, link) = (format!(":{server}/"), format!(":{link}/"));
    let database = records.database.replace(&server, &link);
    let cut_off = Process::start(&database, &records.redis.url(), &PATIENT).await;
    cut_off.member.wait_ready().await.unwrap();
    cut_off.increment("k", 1).await.expect(200);
    let block = Block::Both;
    proxy.set(Faults {
        block,
        ..Faults::default()
    });
    let go = || cut_off.increment("k", 1);
    let changes = tokio::join!(go(), go(), go(), go(), go(), go());
    for changed in &<[_; 6]>::from(changes) {
        changed.assert_unavailable("store-refused");
    }
    eventually("an answer that waits for nothing", async || {
        let refused = cut_off.increment("k", 1).await;
        refused.assert_unavailable("store-refused");
        refused.took < QUICK
    })
    .await;
    eventually("the line in the log", async || {
        cut_off.member.logs().contains("is left alone")
    })
    .await;
    proxy.heal();
    eventually("the database", async || {
        cut_off.increment("k", 1).await.status == 200
    })
    .await;
    assert_eq!(records.read("k").await.0, 3, "a refused change counted");
}

#[tokio::test]
async fn sessions_that_the_server_ends_are_replaced() {
    let records = Records::start_on(Postgres::shared().await.unwrap(), &[LONG]).await;
    records.create("k", 0).await;
    let mut session = records.session().await;
    for value in 1..=5 {
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        sqlx::query(end).execute(&mut session).await.unwrap();
        assert_eq!(
            records.increment("k", 1).await.expect(200).json(),
            record("k", value)
        );
    }
}

/// A statement that waits for a lock of another session is ended, by both sides.
#[tokio::test]
async fn a_statement_that_takes_too_long_is_503_and_was_not_carried_out() {
    use sqlx::Connection;
    let records = Records::start().await;
    records.create("k", 1).await;
    let mut lock = records.session().await;
    let mut lock = lock.begin().await.unwrap();
    sqlx::query("SELECT FROM users FOR UPDATE")
        .execute(&mut *lock)
        .await
        .unwrap();
    let changed = records.increment("k", 1).await;
    changed.assert_unavailable("store-refused");
    assert!(changed.took < Duration::from_secs(8), "{changed:?}");
    lock.rollback().await.unwrap();
    assert_eq!(records.read("k").await.0, 1);
}

/// Changes of one record wait for a lock until the server ends them, and use up all connections.
#[tokio::test]
async fn a_locked_record_does_not_close_the_way_to_the_others() {
    use sqlx::Connection;
    let settings = [PATIENT[0], PATIENT[1], ("DATABASE_CONNECTIONS", "2")];
    let records = Records::start_on(Postgres::shared().await.unwrap(), &settings).await;
    records.create("k", 1).await;
    records.create("other", 1).await;
    let mut lock = records.session().await;
    let mut lock = lock.begin().await.unwrap();
    sqlx::query("SELECT FROM users WHERE key = 'k' FOR UPDATE")
        .execute(&mut *lock)
        .await
        .unwrap();
    let go = || records.increment("k", 1);
    let changes = tokio::join!(go(), go(), go(), go(), go(), go(), go(), go());
    for changed in &<[_; 8]>::from(changes) {
        changed.assert_unavailable("store-refused");
    }
    records.increment("other", 1).await.expect(200);
    lock.rollback().await.unwrap();
    assert_eq!(records.read("k").await.0, 1);
}
