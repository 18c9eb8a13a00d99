//! The interleavings that leave an old value in an ordinary cache, forced.

use std::time::Duration;

use proof::proxy::{Block, Faults, Moment, Protocol, Proxy, Trap};
use sqlx::Connection;
use stack::client::client;
use stack::wait::eventually;

use crate::harness::{LONG, PATIENT, Records, read};

const LIMIT: Duration = Duration::from_secs(30);

/// One process reads the old value, and stores it only after another process has changed it.
#[tokio::test]
async fn a_fill_that_lost_against_a_change_is_not_stored() {
    let records = Records::start().await;
    let proxy = Proxy::start(Protocol::Redis, records.redis.port(), 1).unwrap();
    let settings = [LONG, ("CACHE_TIMEOUT", "2s")];
    let slow = records.beside(&records.through(&proxy), &settings).await;
    records.create("k", 1).await;

    let mut lock = records.session().await;
    let mut lock = lock.begin().await.unwrap();
    sqlx::query("LOCK TABLE users")
        .execute(&mut *lock)
        .await
        .unwrap();
    let fill = async {
        eventually("the lease of the slow reader", async || {
            !records.keys().await.is_empty()
        })
        .await;
        // From now on the cache does not hear the slow process. Then the database answers.
        let block = Block::ToServer;
        proxy.set(Faults {
            block,
            ..Faults::default()
        });
        lock.rollback().await.unwrap();
    };
    let (answer, ()) = tokio::join!(slow.get("k"), fill);
    assert_eq!(read(&answer), (1, false));

    let before = records.calls("eval").await;
    records.increment("k", 1).await.expect(200);
    assert_eq!(
        records.calls("eval").await,
        before + 2,
        "hold and release of the change, and no fill yet"
    );
    proxy.heal();
    eventually("the late fill", async || {
        records.calls("eval").await > before + 2
    })
    .await;
    assert_eq!(
        records.read("k").await,
        (2, false),
        "the old value is in the cache"
    );
    assert_eq!(records.cache("k").await, 2);
    assert_eq!(slow.read("k").await.0, 2);
}

/// A process commits a change, and is killed before it tells the cache.
#[tokio::test]
async fn a_process_that_is_killed_after_its_commit_leaves_no_old_value() {
    let records = Records::start().await;
    let proxy = Proxy::start(Protocol::Redis, records.redis.port(), 1).unwrap();
    let doomed = records.beside(&records.through(&proxy), &PATIENT).await;
    records.create("k", 1).await;
    assert_eq!(records.cache("k").await, 1);

    let released = proxy.arm(Trap::at("EVAL --[[ release", Moment::Before));
    let url = format!(
        "{}/increment-value/?user_id=u&key=k&x=1",
        doomed.member.url()
    );
    let change = tokio::spawn(client(LIMIT).unwrap().post(url).send());
    released.sprung(LIMIT).await.unwrap();
    doomed.member.kill();
    assert!(change.await.unwrap().is_err(), "the change was answered");

    for _ in 0..10 {
        assert_eq!(records.read("k").await, (2, false));
    }
    // The hold of the dead process ends by itself.
    assert_eq!(records.cache("k").await, 2);
}

/// A change that is under way outlasts another change of the same record. A reader between the two
/// must not store its value, because the process of the first change may die after its commit.
#[tokio::test]
async fn the_end_of_one_change_leaves_the_hold_of_another() {
    let records = Records::start().await;
    let proxy = Proxy::start(Protocol::Redis, records.redis.port(), 1).unwrap();
    let doomed = records.beside(&records.through(&proxy), &PATIENT).await;
    records.create("k", 1).await;

    let mut lock = records.session().await;
    let mut lock = lock.begin().await.unwrap();
    sqlx::query("SELECT FROM users FOR UPDATE")
        .execute(&mut *lock)
        .await
        .unwrap();
    let url = format!(
        "{}/increment-value/?user_id=u&key=k&x=1",
        doomed.member.url()
    );
    let before = records.calls("zadd").await;
    let change = tokio::spawn(client(LIMIT).unwrap().post(url).send());
    eventually("the hold", async || records.calls("zadd").await > before).await;
    // The other change is refused at once, and ends.
    let refused = records.post("create-record", "user_id=u&key=k&value=9");
    refused.await.problem(409, "record-exists");
    assert_eq!(records.read("k").await, (1, false));

    let released = proxy.arm(Trap::at("EVAL --[[ release", Moment::Before));
    lock.rollback().await.unwrap();
    released.sprung(LIMIT).await.unwrap();
    doomed.member.kill();
    change.await.unwrap().unwrap_err();
    for _ in 0..10 {
        assert_eq!(records.read("k").await, (2, false));
    }
}
