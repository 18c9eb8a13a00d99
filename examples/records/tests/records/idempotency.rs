//! A request that is repeated with the same idempotency key counts once.

use ::harness::http::Method;
use records::config::Config;
use records::store::RecordStore;
use shared::base::config::{Configuration, Reader};
use shared::base::shutdown::Shutdown;
use sqlx::{Connection, query_scalar};

use crate::harness::{Records, record};

#[tokio::test]
async fn a_repeated_request_is_answered_like_the_first_in_any_state_of_the_record() {
    let records = Records::start().await;
    let create = async || {
        let query = "user_id=u&key=k&value=1";
        records
            .ask_once("create-record", query, "create")
            .await
            .expect(201)
    };
    let add = async || {
        let query = "user_id=u&key=k&x=9223372036854775000";
        records
            .ask_once("increment-value", query, "add")
            .await
            .expect(200)
    };
    assert_eq!(create().await.header("idempotent-replayed"), "");
    assert_eq!(add().await.json(), record("k", 9_223_372_036_854_775_001));
    // A second addition would overflow, a second creation would be a duplicate.
    for _ in 0..2 {
        let (created, added) = (create().await, add().await);
        for answer in [&created, &added] {
            assert_eq!(answer.header("idempotent-replayed"), "true");
        }
        assert_eq!(created.json(), record("k", 1));
        assert_eq!(added.json(), record("k", 9_223_372_036_854_775_001));
    }
    assert_eq!(records.read("k").await.0, 9_223_372_036_854_775_001);
    records
        .ask(Method::DELETE, "delete-record", "user_id=u&key=k")
        .await
        .expect(204);
    assert_eq!(add().await.header("idempotent-replayed"), "true");
    records.get("k").await.problem(404, "not-found");
}

#[tokio::test]
async fn a_key_of_another_request_is_refused() {
    let records = Records::start().await;
    records.create("k", 1).await;
    records
        .ask_once("increment-value", "user_id=u&key=k&x=1", "key")
        .await
        .expect(200);
    for (path, query) in [
        ("increment-value", "user_id=u&key=k&x=2"),
        ("increment-value", "user_id=u&key=other&x=1"),
        ("decrement-value", "user_id=u&key=k&x=1"),
        ("create-record", "user_id=u&key=new&value=1"),
    ] {
        let refused = records.ask_once(path, query, "key").await;
        refused.problem(422, "idempotency-key-reused");
    }
    assert_eq!(records.read("k").await.0, 2);
    records.get("new").await.problem(404, "not-found");
}

#[tokio::test]
async fn a_request_that_was_refused_leaves_its_key_free() {
    let records = Records::start().await;
    let add = async || {
        records
            .ask_once("increment-value", "user_id=u&key=k&x=1", "key")
            .await
    };
    add().await.problem(404, "not-found");
    records.create("k", i64::MAX).await;
    add().await.problem(422, "out-of-range");
    records.increment("k", -10).await.expect(200);
    let added = add().await.expect(200);
    assert_eq!(added.header("idempotent-replayed"), "");
    assert_eq!(added.json(), record("k", i64::MAX - 9));
}

#[tokio::test]
async fn parallel_requests_with_one_key_count_once() {
    let records = Records::start().await;
    records.create("k", 0).await;
    for round in 1..=10 {
        let key = format!("round {round}").replace(' ', "-");
        let ask = || records.ask_once("increment-value", "user_id=u&key=k&x=1", &key);
        let answers = tokio::join!(ask(), ask(), ask(), ask(), ask(), ask());
        let answers = <[_; 6]>::from(answers);
        for answer in &answers {
            assert_eq!(
                (answer.status, answer.json()),
                (200, record("k", round)),
                "{answer:?}"
            );
        }
        let first = |answer: &&_| -> bool {
            let answer: &::harness::http::Answer = answer;
            answer.header("idempotent-replayed").is_empty()
        };
        assert_eq!(answers.iter().filter(first).count(), 1, "{answers:?}");
    }
}

#[tokio::test]
async fn claims_are_kept_for_two_days() {
    let records = Records::start().await;
    let mut session = records.session().await;
    // More than one round of the sweep, and one that another session keeps locked.
    let many = "INSERT INTO claims SELECT n::text, '', 0, now() - interval '49 hours'
        FROM generate_series(1, 12000) AS n";
    sqlx::query(many).execute(&mut session).await.unwrap();
    let mut lock = records.session().await;
    let mut lock = lock.begin().await.unwrap();
    sqlx::query("SELECT FROM claims WHERE key = '7' FOR UPDATE")
        .execute(&mut *lock)
        .await
        .unwrap();
    for (key, hours) in [("old", 49), ("young", 47)] {
        let insert = "INSERT INTO claims VALUES ($1, '', 0, now() - make_interval(hours => $2))";
        let insert = sqlx::query(insert).bind(key).bind(hours);
        insert.execute(&mut session).await.unwrap();
    }
    let database = records.database.clone();
    let mut reader =
        Reader::from_source(move |name| (name == "DATABASE_URL").then(|| database.clone()));
    let config = Config::read(&mut reader).unwrap();
    let store = RecordStore::new(&config);
    store
        .open(config.database_start_timeout, &Shutdown::new())
        .await
        .unwrap();
    store.sweep_claims().await.unwrap();
    let kept: Result<Vec<String>, _> = query_scalar("SELECT key FROM claims ORDER BY key")
        .fetch_all(&mut session)
        .await;
    assert_eq!(kept.unwrap(), ["7", "young"]);
}
