//! Each message is applied once, wherever a process dies and wherever Kafka begins.

use std::sync::Arc;

use harness::broker::Broker;
use harness::member::Member;
use serde_json::json;
use sqlx::Executor;
use sqlx::postgres::PgPool;
use stack::wait::eventually;

use crate::audit::Audit;
use crate::system::{PARTITIONS, System, settings, todos};

/// The offset that the group has committed, in each partition.
fn all_committed(system: &System) -> Vec<Option<i64>> {
    let partitions = 0..PARTITIONS;
    partitions
        .map(|partition| system.committed(partition))
        .collect()
}

/// How many statements of others wait for a lock in this database.
async fn waiting(pool: &PgPool) -> i64 {
    let waiting = sqlx::query_scalar(
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
         WHERE NOT granted AND datname = current_database()",
    );
    waiting.fetch_one(pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_the_write_and_the_commit_of_the_offset_changes_nothing() {
    let system = System::start().await;
    let pool = system.database().await;
    let audit = Audit::begin(pool.clone()).await;
    let id = system.create("first").await;
    let path = format!("/todos/{id}");
    eventually("the commit of the first offset", async || {
        all_committed(&system)
            .into_iter()
            .flatten()
            .any(|next| next == 1)
    })
    .await;

    // The consumer has the message and waits inside its transaction.
    let mut gate = pool.begin().await.unwrap();
    gate.execute("LOCK TABLE positions IN EXCLUSIVE MODE")
        .await
        .unwrap();
    system
        .put(&path, json!({ "title": "second" }))
        .await
        .expect(202);
    eventually("the consumer at the gate", async || {
        waiting(&pool).await > 0
    })
    .await;
    // Without the broker, the database commits and Kafka does not.
    system.broker.kill();
    gate.rollback().await.unwrap();
    eventually("the write", async || {
        system.site.get(&path).await.text("title") == "second"
    })
    .await;
    system.consume.kill();
    system.broker.restart().await.unwrap();
    let committed = all_committed(&system);
    assert!(
        committed.iter().flatten().all(|&next| next <= 1),
        "Kafka has the offset of the second message: {committed:?}"
    );

    system.consume.restart().await.unwrap();
    let third = json!({ "title": "third" });
    system.put(&path, third).await.expect(202);
    let expected = ["INSERT first", "UPDATE second", "UPDATE third"];
    audit.expect(&id, &expected.map(str::to_owned)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_inside_the_transaction_loses_nothing_and_doubles_nothing() {
    let system = System::start().await;
    let pool = system.database().await;
    let audit = Audit::begin(pool.clone()).await;
    let id = system.create("first").await;
    let path = format!("/todos/{id}");
    for round in 0..3 {
        let mut gate = pool.begin().await.unwrap();
        gate.execute("LOCK TABLE positions IN EXCLUSIVE MODE")
            .await
            .unwrap();
        let title = json!({ "title": format!("round {round}") });
        system.put(&path, title).await.expect(202);
        eventually("the consumer at the gate", async || {
            waiting(&pool).await > 0
        })
        .await;
        system.consume.kill();
        gate.rollback().await.unwrap();
        system.consume.restart().await.unwrap();
    }
    let last = json!({ "title": "last" });
    system.put(&path, last).await.expect(202);
    let expected = [
        "INSERT first",
        "UPDATE round 0",
        "UPDATE round 1",
        "UPDATE round 2",
        "UPDATE last",
    ];
    audit.expect(&id, &expected.map(str::to_owned)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_freezes_inside_its_transaction_does_not_hold_up_the_next_one() {
    let system = System::start().await;
    let pool = system.database().await;
    let audit = Audit::begin(pool.clone()).await;
    let id = system.create("first").await;
    let path = format!("/todos/{id}");
    let mut gate = pool.begin().await.unwrap();
    gate.execute("LOCK TABLE todos IN EXCLUSIVE MODE")
        .await
        .unwrap();
    let second = json!({ "title": "second" });
    system.put(&path, second).await.expect(202);
    eventually("the consumer at the gate", async || {
        waiting(&pool).await > 0
    })
    .await;
    // Its transaction stays open, and has locked the row of the position.
    system.consume.process().pause();
    gate.rollback().await.unwrap();
    let another = system.another_consumer().await;
    let expected = ["INSERT first", "UPDATE second", "UPDATE third"].map(str::to_owned);
    audit.expect(&id, &expected[..2]).await;

    system.consume.process().resume();
    let third = json!({ "title": "third" });
    system.put(&path, third).await.expect(202);
    audit.expect(&id, &expected).await;
    drop(another);
}

/// A hundred messages take longer than the database has for an answer. Fewer do not.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_database_applies_fewer_messages_at_once() {
    let system = System::start().await;
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN PERFORM pg_sleep(0.2); RETURN NULL; END $$;
        CREATE TRIGGER slow AFTER INSERT ON todos FOR EACH ROW EXECUTE FUNCTION slow();";
    let pool = system.database().await;
    sqlx::raw_sql(slow).execute(&pool).await.unwrap();
    system.consume.stop().await.unwrap();
    let ids = system.produce_todos(0, 100).await;
    system.consume.restart().await.unwrap();
    eventually("the first message", async || {
        let first = system.site.get(&format!("/todos/{}", ids[0])).await;
        first.status == 200
    })
    .await;
    let fast = sqlx::raw_sql("DROP TRIGGER slow ON todos");
    fast.execute(&pool).await.unwrap();
    eventually("the last message", async || {
        let last = system.site.get(&format!("/todos/{}", ids[99])).await;
        last.status == 200
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_todo_stays_deleted_when_the_database_reads_the_log_again_from_a_backup() {
    let system = System::start().await;
    let pool = system.database().await;
    let kept = system.create("kept").await;
    let deleted = system.create("deleted").await;
    pool.execute("CREATE TABLE backup AS TABLE positions")
        .await
        .unwrap();
    let path = format!("/todos/{deleted}?wait=applied");
    system
        .put(&path, json!({ "title": "changed" }))
        .await
        .expect(200);
    system.site.delete(&path).await.expect(204);
    // As if the database had been put back: its positions and its todos are those of before.
    let restore = "BEGIN; TRUNCATE positions; INSERT INTO positions TABLE backup;";
    let row = format!(
        "INSERT INTO todos VALUES ('{deleted}', 'deleted', NULL, false, '{deleted}'); COMMIT;"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("{restore}{row}")))
        .execute(&pool)
        .await
        .unwrap();

    // The next message of the partition lets the consumer see that the position is another one.
    for number in 0..20 {
        system.create(&format!("next {number}")).await;
    }
    eventually("the deletion, applied again", async || {
        system.site.get(&format!("/todos/{deleted}")).await.status == 404
    })
    .await;
    system.site.get(&format!("/todos/{kept}")).await.expect(200);
    assert_eq!(system.titles().await.len(), 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_was_made_anew_is_read_from_its_beginning() {
    let system = System::start().await;
    let old = system.create("old").await;
    for number in 0..12 {
        let change = json!({ "title": format!("old {number}") });
        let path = format!("/todos/{old}?wait=applied");
        system.put(&path, change).await.expect(200);
    }
    // Another broker knows nothing of the topic. Its offsets begin at 0.
    let (serve, consume, broker) = on_another_broker(&system).await;
    let site = serve.site();
    for number in 0..12 {
        let body = json!({ "title": format!("new {number}") }).to_string();
        site.post("/todos/", body).await.expect(202);
    }
    eventually("the todos of the new topic", async || {
        site.items("/todos/").await.len() == 13
    })
    .await;
    let logs = consume.logs();
    assert!(logs.contains("the topic was made anew"), "{logs}");
    drop((serve, consume, broker));
}

/// The same database with another broker.
async fn on_another_broker(system: &System) -> (Member, Member, Arc<Broker>) {
    system.serve.stop().await.unwrap();
    system.consume.stop().await.unwrap();
    let broker = Broker::start().await.unwrap();
    let (brokers, program) = (broker.brokers(), todos().await);
    let env = settings(&system.database_url, &brokers, &[]);
    let serve = Member::start("todos serve", &program, &["serve"], &env);
    let consume = Member::start("todos consume", &program, &["consume"], &env);
    let (serve, consume) = (serve.await.unwrap(), consume.await.unwrap());
    serve.wait_ready().await.unwrap();
    consume.wait_ready().await.unwrap();
    (serve, consume, Arc::new(broker))
}
