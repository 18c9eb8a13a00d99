//! The cache loses everything while a change is under way: its hold among the rest.

use ::harness::relay::Relay;
use proof::proxy::{Protocol, Proxy};
use shared::redis::Command;
use sqlx::{Connection, PgConnection};
use stack::ports;
use stack::wait::eventually;

use crate::harness::{LONG, PATIENT, Process, Records, record};

/// Longer than the default, and shorter than a change may wait for a lock.
const SETTINGS: [(&str, &str); 2] = [LONG, ("CACHE_TIMEOUT", "500ms")];
const INCREMENT: &str = "user_id=u&key=k&x=1";

/// Waits until a change of the record is at its lock.
async fn change_waits(records: &Records) {
    eventually("the change in the database", async || {
        records.waiting().await > 0
    })
    .await;
}

/// The cache comes back empty, and another process fills in the old value.
async fn lose_hold(records: &Records) {
    records.cached(Command::new("FLUSHALL")).await;
    assert_eq!(records.cache("k").await, 1);
}

async fn lock_records(session: &mut PgConnection) -> sqlx::Transaction<'_, sqlx::Postgres> {
    let mut lock = session.begin().await.unwrap();
    sqlx::query("SELECT FROM users FOR UPDATE")
        .execute(&mut *lock)
        .await
        .unwrap();
    lock
}

/// Changes the record. The cache loses the hold, and does not hear of the commit.
async fn lose_release(records: &Records, cut_off: &Process, proxy: &Proxy) {
    let holds = records.calls("zadd").await;
    let mut session = records.session().await;
    let lock = lock_records(&mut session).await;
    let lose = async {
        change_waits(records).await;
        assert_eq!(records.calls("zadd").await, holds + 1, "no hold");
        lose_hold(records).await;
        proxy.refuse();
        lock.rollback().await.unwrap();
    };
    let (changed, ()) = tokio::join!(cut_off.increment("k", 1), lose);
    assert_eq!(changed.expect(200).json(), record("k", 2));
    assert_eq!(cut_off.read("k").await, (2, false));
}

/// The process of the change cannot reach the cache any more when it has committed.
#[tokio::test]
async fn a_lost_hold_and_a_lost_release_leave_no_old_value() {
    let records = Records::start().await;
    let proxy = Proxy::start(Protocol::Redis, records.redis.port(), 1).unwrap();
    let cut_off = records.beside(&records.through(&proxy), &SETTINGS).await;
    records.create("k", 1).await;
    Box::pin(lose_release(&records, &cut_off, &proxy)).await;
    eventually("the removal", async || records.read("k").await.0 == 2).await;
    assert_eq!(records.cache("k").await, 2);
}

/// The same, and the database does not take the note either. The process makes the removal itself.
#[tokio::test]
async fn a_lost_hold_a_lost_release_and_a_refused_note_leave_no_old_value() {
    let records = Records::start().await;
    let proxy = Proxy::start(Protocol::Redis, records.redis.port(), 1).unwrap();
    let cut_off = records.beside(&records.through(&proxy), &SETTINGS).await;
    records.create("k", 1).await;
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
            AS 'BEGIN RAISE ''no notes''; END';
        CREATE TRIGGER refuse BEFORE INSERT ON stale FOR EACH ROW EXECUTE FUNCTION refuse()";
    let mut session = records.session().await;
    sqlx::raw_sql(refuse).execute(&mut session).await.unwrap();
    Box::pin(lose_release(&records, &cut_off, &proxy)).await;
    assert_eq!(records.read("k").await, (1, true), "nobody was told");
    proxy.heal();
    eventually("the removal", async || {
        assert_eq!(
            cut_off.read("k").await.0,
            2,
            "a process reads what it wrote"
        );
        records.read("k").await.0 == 2
    })
    .await;
    assert_eq!(records.cache("k").await, 2);
}

/// The connection to the database breaks, and then the change is committed.
async fn lose_outcome(is_hold_lost: bool) {
    let records = Records::start().await;
    let port = ports::free().unwrap();
    let relay = Relay::open(port.number(), records.postgres.port())
        .await
        .unwrap();
    let (server, link) = (records.postgres.port(), port.number());
    let database = records
        .database
        .replace(&format!(":{server}"), &format!(":{link}"));
    let cut_off = Process::start(&database, &records.redis.url(), &PATIENT).await;
    cut_off.member.wait_ready().await.unwrap();
    records.create("k", 1).await;
    let mut session = records.session().await;
    let lock = lock_records(&mut session).await;
    let lose = async {
        change_waits(&records).await;
        if is_hold_lost {
            lose_hold(&records).await;
        }
        relay.close();
    };
    let change = cut_off.ask_once("increment-value", INCREMENT, "key");
    let (changed, ()) = tokio::join!(change, lose);
    changed.assert_unavailable("store-unavailable");
    lock.rollback().await.unwrap();
    // Without the hold, an old value stays until the process removes it.
    eventually("the new value", async || records.read("k").await.0 == 2).await;
    relay.reopen().await.unwrap();
    let repeated = async || {
        let repeated = cut_off.ask_once("increment-value", INCREMENT, "key").await;
        (repeated.status == 200).then_some(repeated)
    };
    let repeated = eventually("the database", repeated).await;
    assert_eq!(repeated.header("idempotent-replayed"), "true");
    assert_eq!(repeated.json(), record("k", 2));
    assert_eq!(records.read("k").await.0, 2);
    assert_eq!(cut_off.read("k").await.0, 2);
}

#[tokio::test]
async fn a_change_whose_outcome_is_lost_is_answered_when_it_is_repeated() {
    Box::pin(lose_outcome(false)).await;
}

#[tokio::test]
async fn a_lost_hold_and_a_lost_outcome_leave_no_old_value() {
    Box::pin(lose_outcome(true)).await;
}
