//! The Redis client fails quickly, reconnects by itself, and tells "not now" from "never".

use std::time::Duration;

use futures_util::future::join_all;
use shared::redis::{COMMAND_TIMEOUT, Code, Command, Redis, RedisError, Reply};
use shared::stream::group::Pace;
use stack::credentials::User;
use stack::wait::{eventually, wait_for};
use tokio::time::Instant;

use crate::harness::{Stores, assert_unknown, membership, url};
use crate::script::DONE;

/// What a busy machine may add to a limit.
pub(crate) const MARGIN: Duration = Duration::from_millis(500);
/// The store or the wire is back, and so must their clients be.
pub(crate) const BACK: Duration = Duration::from_secs(2);

pub(crate) fn get() -> Command {
    Command::new("GET").key("product:1")
}

/// Waits until the client is answered again.
pub(crate) async fn answered(redis: &Redis, limit: Duration) -> Reply {
    let back = wait_for("the client", limit, async || redis.run(get()).await.ok());
    back.await.unwrap()
}

/// A client that has just proved to work.
async fn client(stores: &Stores) -> Redis {
    let redis = Redis::worker(&url(&stores.own, User::Inventory));
    let set = Command::new("SET").key("product:1").arg("kept");
    redis.run(set).await.unwrap();
    redis
}

/// Asserts that a command fails in time, and that its outcome is unknown.
async fn assert_fails_in_time(redis: &Redis) {
    let started = Instant::now();
    assert_unknown(&redis.run(get()).await.unwrap_err());
    let took = started.elapsed();
    assert!(took < COMMAND_TIMEOUT + MARGIN, "{took:?}");
}

#[tokio::test]
async fn a_client_survives_the_death_of_its_server() {
    let stores = Stores::start().await;
    let redis = client(&stores).await;
    for _ in 0..2 {
        stores.own.kill();
        for _ in 0..3 {
            assert_fails_in_time(&redis).await;
        }
        stores.own.restart().await.unwrap();
        let back = answered(&redis, BACK).await;
        assert_eq!(back.text().unwrap(), "kept");
    }
}

#[tokio::test]
async fn commands_fail_in_time_while_the_server_is_frozen_and_work_again_after() {
    let stores = Stores::start().await;
    let redis = client(&stores).await;
    stores.own.pause();
    let frozen = Instant::now();
    // Longer than the client needs to find that the connection is unresponsive. So both kinds of
    // failure occur.
    while frozen.elapsed() < Duration::from_secs(5) {
        assert_fails_in_time(&redis).await;
    }
    stores.own.resume();
    let back = answered(&redis, BACK).await;
    assert_eq!(back.text().unwrap(), "kept");
}

#[tokio::test]
async fn a_client_may_be_made_before_its_server() {
    let stores = Stores::start().await;
    stores.own.kill();
    let redis = Redis::worker(&url(&stores.own, User::Inventory));
    redis.run(get()).await.unwrap_err();
    stores.own.restart().await.unwrap();
    answered(&redis, BACK).await;
}

#[tokio::test]
async fn a_blocked_read_ends_by_its_block() {
    let stores = Stores::start().await;
    let block = Duration::from_millis(300);
    let reader = Redis::reader(&url(&stores.streams, User::Inventory), block);
    let (member, mut pace) = (membership("one"), Pace::cautious());
    member.ensure_group(&stores.emitter).await.unwrap();
    for _ in 0..3 {
        let started = Instant::now();
        let entries = member
            .read_new(&reader, &mut pace, 10, block)
            .await
            .unwrap();
        assert_eq!(entries, []);
        let took = started.elapsed();
        assert!(
            (block..block + Duration::from_secs(1)).contains(&took),
            "{took:?}"
        );
    }
    let (entries, _) = tokio::join!(
        member.read_new(&reader, &mut pace, 10, block),
        stores.emit([DONE])
    );
    assert_eq!(entries.unwrap().len(), 1, "a new entry ends the read");
}

#[tokio::test]
async fn a_blocked_read_does_not_hold_up_the_commands_of_others() {
    let stores = Stores::start().await;
    let block = Duration::from_secs(1);
    let reader = Redis::reader(&url(&stores.streams, User::Inventory), block);
    let (member, mut pace) = (membership("one"), Pace::cautious());
    member.ensure_group(&stores.emitter).await.unwrap();
    let started = Instant::now();
    let others = async {
        for _ in 0..100 {
            stores.emitter.run(Command::new("PING")).await.unwrap();
        }
        started.elapsed()
    };
    let (_, took) = tokio::join!(member.read_new(&reader, &mut pace, 1, block), others);
    assert!(took < block, "{took:?}");
}

/// After a refusal a consumer makes the event a dead letter. After any other error it waits and
/// tries again.
#[tokio::test]
async fn an_answer_that_says_not_now_is_told_from_one_that_says_never() {
    let stores = Stores::start().await;
    let down = provoke(&stores, "CLUSTERDOWN").await;
    assert!(
        matches!(down, RedisError::Unavailable { .. })
            && down.is(Code::ClusterDown)
            && !down.did_nothing()
            && down.to_string().contains("CLUSTERDOWN"),
        "{down:?}"
    );
    for code in [
        "BUSY",
        "LOADING",
        "MASTERDOWN",
        "MISCONF",
        "NOAUTH",
        "NOIDENTITY",
        "NOPERM",
        "NOREPLICAS",
        "OOM",
        "READONLY",
        "TRYAGAIN",
        "UNBLOCKED",
        "WRONGPASS",
    ] {
        let error = provoke(&stores, code).await;
        assert!(error.did_nothing(), "{code}: {error:?}");
        assert!(error.to_string().contains(code), "{error}");
    }
    for (text, expected) in [
        ("ERR", Code::Err),
        ("WRONGTYPE", Code::WrongType),
        ("NOGROUP", Code::NoGroup),
        ("BUSYGROUP", Code::BusyGroup),
        ("BUSYKEY", Code::Other),
        ("NOSCRIPT", Code::Other),
        ("MYOWN", Code::Other),
    ] {
        let error = provoke(&stores, text).await;
        let RedisError::Refused { code, message } = &error else {
            panic!("{text}: {error:?}");
        };
        assert_eq!(*code, expected);
        assert!(message.starts_with(text), "{text}: {message}");
    }
}

#[tokio::test]
async fn refusals_of_a_real_server_are_told_apart_too() {
    let stores = Stores::start().await;
    let operator = &stores.operator;
    let set = |key: &str| Command::new("SET").key(key).arg("x");
    operator.run(set("text")).await.unwrap();
    let error = operator
        .run(Command::new("HGETALL").key("text"))
        .await
        .unwrap_err();
    assert!(error.is(Code::WrongType), "{error:?}");
    let error = membership("one")
        .read_own_pending(operator, &mut Pace::cautious(), "0")
        .await
        .unwrap_err();
    assert!(error.is(Code::NoGroup), "{error:?}");
    let error = operator.run(Command::new("NONSENSE")).await.unwrap_err();
    assert!(
        matches!(
            &error,
            RedisError::Refused {
                code: Code::Err,
                ..
            }
        ),
        "{error:?}"
    );

    let owner = Redis::worker(&url(&stores.own, User::Inventory));
    let error = owner.run(Command::new("FLUSHALL")).await.unwrap_err();
    assert!(error.is(Code::NoPerm) && error.did_nothing(), "{error:?}");
    let full = Command::new("CONFIG").args(["SET", "maxmemory", "1"]);
    operator.run(full).await.unwrap();
    let error = operator.run(set("more")).await.unwrap_err();
    assert!(error.is(Code::Oom) && error.did_nothing(), "{error:?}");
}

#[tokio::test]
async fn a_client_waits_until_its_login_is_accepted() {
    let stores = Stores::start().await;
    let revoke = Command::new("ACL").args(["SETUSER", "inventory", "off"]);
    stores.operate(revoke).await;
    let redis = Redis::worker(&url(&stores.own, User::Inventory));
    let error = redis.run(get()).await.unwrap_err();
    assert_unknown(&error);
    let grant = Command::new("ACL").args(["SETUSER", "inventory", "on"]);
    stores.operate(grant).await;
    eventually("the login", async || redis.run(get()).await.is_ok()).await;
}

#[tokio::test]
async fn clones_share_a_connection_and_each_gets_its_own_answers() {
    let stores = Stores::start().await;
    let redis = client(&stores).await;
    let echoes = (0..2_000).map(|number: i64| {
        let (redis, key) = (redis.clone(), format!("product:{number}"));
        async move {
            let set = Command::new("SET").key(key.as_str()).arg(number);
            redis.run(set).await.unwrap();
            let get = redis.run(Command::new("GET").key(key)).await.unwrap();
            assert_eq!(get.int().unwrap(), number);
        }
    });
    join_all(echoes).await;
}

/// Makes the server answer with this error code.
async fn provoke(stores: &Stores, code: &str) -> RedisError {
    let script = format!("return redis.error_reply('{code} because of a test')");
    let eval = Command::new("EVAL").arg(script).arg(0);
    // Some codes make the client reconnect. A client that reconnects must not lose the next answer.
    let redis = Redis::worker(&url(&stores.own, User::Operator));
    redis.run(Command::new("PING")).await.unwrap();
    redis.run(eval).await.unwrap_err()
}
