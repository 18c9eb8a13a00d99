//! The start: which servers a process waits for, and how long.

use std::time::Duration;

use harness::broker::Broker;
use harness::member::Member;
use harness::postgres::Postgres;
use sqlx::postgres::PgPool;
use stack::ports;
use tokio::time::Instant;

use crate::system::{settings, todos};

const LIMIT: Duration = Duration::from_secs(30);

/// Starts a process whose database does not exist. Answers the status of its end, its log, and how
/// long it took.
async fn ends(verb: &str, attempts: &str, delay: &str) -> (Option<i32>, String, Duration) {
    let broker = Broker::start().await.unwrap();
    let (closed, brokers) = (ports::free().unwrap(), broker.brokers());
    let url = format!("postgres://beth:s3cret@127.0.0.1:{}/todos", closed.number());
    let more = [
        ("DATABASE_ATTEMPTS", attempts),
        ("DATABASE_RETRY_DELAY", delay),
    ];
    let env = settings(&url, &brokers, &more);
    let started = Instant::now();
    let member = Member::start("todos", &todos().await, &[verb], &env).await;
    let member = member.unwrap();
    let status = member.process().wait(LIMIT).await.unwrap();
    member.process().drain_output().await;
    (status.code(), member.logs(), started.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_without_a_database_fails_after_its_attempts_with_one_clear_line() {
    for verb in ["serve", "consume"] {
        let (status, log, took) = ends(verb, "3", "200ms").await;
        assert_eq!(status, Some(1), "{log}");
        let last = log.lines().last().unwrap();
        assert!(
            last.starts_with("cannot open the database todos at 127.0.0.1:"),
            "{log}"
        );
        assert!(last.contains("onnection refused"), "the reason: {log}");
        assert_eq!(log.matches("cannot open the database").count(), 3, "{log}");
        assert!(!log.contains("s3cret") && !log.contains("beth"), "{log}");
        assert!(took >= Duration::from_millis(400), "two pauses: {took:?}");
        assert!(took < Duration::from_secs(20), "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_waits_for_a_database_and_a_broker_that_come_later() {
    let (postgres, broker) = (
        Postgres::start().await.unwrap(),
        Broker::start().await.unwrap(),
    );
    let (url, brokers) = (postgres.create_database().await.unwrap(), broker.brokers());
    postgres.kill();
    broker.kill();
    let more = [
        ("DATABASE_ATTEMPTS", "200"),
        ("DATABASE_RETRY_DELAY", "100ms"),
    ];
    let env = settings(&url, &brokers, &more);
    let serve = Member::start("todos serve", &todos().await, &["serve"], &env).await;
    let serve = serve.unwrap();
    let site = serve.site();
    stack::wait::eventually("its port", async || {
        let answer =
            harness::http::Answer::attempt(site.request(harness::http::Method::GET, "/readyz"));
        let Ok(answer) = answer.await else {
            return false;
        };
        assert_eq!(answer.status, 503, "{answer:?}");
        answer.body.contains("database") && answer.body.contains("broker")
    })
    .await;
    site.get("/livez").await.expect(200);
    postgres.restart().await.unwrap();
    broker.restart().await.unwrap();
    serve.wait_ready().await.unwrap();
    site.get("/todos/").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_settings_are_told_together_and_without_the_password() {
    let more = [("DATABASE_ATTEMPTS", "0"), ("TOPIC_PARTITIONS", "many")];
    let env = settings("mysql://ann:s3cret@db/todos", "nowhere", &more);
    let member = Member::start("todos", &todos().await, &["serve"], &env).await;
    let member = member.unwrap();
    let status = member.process().wait(LIMIT).await.unwrap();
    member.process().drain_output().await;
    let log = member.logs();
    assert_eq!(status.code(), Some(2), "{log}");
    for name in [
        "DATABASE_URL",
        "DATABASE_ATTEMPTS",
        "KAFKA_BROKERS",
        "TOPIC_PARTITIONS",
    ] {
        assert!(log.contains(&format!("{name}: ")), "{name}: {log}");
    }
    assert!(!log.contains("s3cret"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_does_not_take_every_text_is_refused() {
    let postgres = Postgres::shared().await.unwrap();
    let url = postgres.create_database().await.unwrap();
    let pool = PgPool::connect(&url).await.unwrap();
    let name = format!("latin_{}", fastrand::u32(..));
    let create = format!("CREATE DATABASE {name} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create))
        .execute(&pool)
        .await
        .unwrap();
    let (server, _) = url.rsplit_once('/').unwrap();
    let broker = Broker::start().await.unwrap();
    let (url, brokers) = (format!("{server}/{name}"), broker.brokers());
    let env = settings(&url, &brokers, &[("DATABASE_ATTEMPTS", "1")]);
    let member = Member::start("todos", &todos().await, &["serve"], &env).await;
    let member = member.unwrap();
    let status = member.process().wait(LIMIT).await.unwrap();
    member.process().drain_output().await;
    let log = member.logs();
    assert_eq!(status.code(), Some(1), "{log}");
    let last = log.lines().last().unwrap();
    assert!(last.ends_with("its encoding is LATIN1, not UTF8"), "{log}");
}
