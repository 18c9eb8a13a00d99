//! A store that refuses a command: the error says why, and whether anything was changed.

use futures_util::future::join_all;
use shared::http::problem::{Problem, STORE_REFUSED, STORE_UNAVAILABLE};
use shared::redis::{Code, Command, Redis, RedisError, Reply};
use stack::credentials::User;
use stack::ports;
use stack::wait::eventually;

use crate::harness::{Stores, url};

#[tokio::test]
async fn a_store_that_refuses_says_why_and_that_nothing_was_done() {
    let stores = Stores::start().await;
    let owner = Redis::worker(&url(&stores.own, User::Inventory));
    assert_eq!(owner.try_change(None).await, Ok(()));
    let port = stores.own.port();
    let nowhere = ports::free().unwrap().number().to_string();
    for (refuse, allow, words) in [
        (
            &["CONFIG", "SET", "maxmemory", "1"][..],
            &["CONFIG", "SET", "maxmemory", "0"][..],
            "its server has no memory left for changes (OOM)",
        ),
        (
            &["CONFIG", "SET", "min-replicas-to-write", "1"],
            &["CONFIG", "SET", "min-replicas-to-write", "0"],
            "its server has too few replicas, or its disk is full (NOREPLICAS)",
        ),
        (
            &["ACL", "SETUSER", "inventory", "clearselectors", "-set"],
            &["ACL", "SETUSER", "inventory", "+set", "(+set ~confirm:*)"],
            "its server does not let this user do that (NOPERM)",
        ),
        (
            &["REPLICAOF", "127.0.0.1", &nowhere],
            &["REPLICAOF", "NO", "ONE"],
            "its server is a replica and takes no changes (READONLY)",
        ),
    ] {
        operate(&stores, refuse).await;
        let refused = format!("the store at 127.0.0.1:{port} refuses: {words}");
        assert_eq!(owner.try_change(None).await, Err(refused), "{refuse:?}");
        let set = Command::new("SET").key("product:1").arg("x");
        let error = owner.run(set).await.unwrap_err();
        assert!(error.did_nothing(), "{error:?}");
        assert_eq!(error.to_string(), format!("the store refuses: {words}"));
        let problem = Problem::from(error);
        assert_eq!(problem.kind(), &STORE_REFUSED);
        assert!(
            problem.to_string().ends_with("; nothing was changed"),
            "{problem}"
        );
        operate(&stores, allow).await;
        eventually("the store", async || owner.try_change(None).await.is_ok()).await;
    }
    stores.own.kill();
    let error = owner.run(Command::new("PING")).await.unwrap_err();
    let problem = Problem::from(error);
    assert_eq!(problem.kind(), &STORE_UNAVAILABLE);
    assert!(
        problem
            .to_string()
            .ends_with("whether a change was made is unknown"),
        "{problem}"
    );
}

/// A function can lose a permission in its middle. It may have written before.
#[tokio::test]
async fn a_function_that_is_stopped_half_way_may_have_changed_something() {
    let stores = Stores::start().await;
    let code = "#!lua name=half\nredis.register_function('half', function(keys) \
        redis.call('SET', keys[1], 'x') return redis.call('FLUSHALL') end)";
    operate(&stores, &["FUNCTION", "LOAD", code]).await;
    let owner = Redis::worker(&url(&stores.own, User::Inventory));
    let half = Command::new("FCALL").arg("half").arg(1).key("product:1");
    let error = owner.run(half).await.unwrap_err();
    assert!(
        matches!(error, RedisError::Unavailable { .. }) && !error.did_nothing(),
        "{error:?}"
    );
    assert!(error.is(Code::ScriptForbidden), "{error:?}");
    let words = "its server does not let this user do all that a function does";
    assert!(error.to_string().contains(words), "{error}");
    let written = stores.operate(Command::new("GET").key("product:1")).await;
    assert_eq!(written.text().unwrap(), "x");
}

/// Each command under way gets its own answer, also when the client leaves the server after one of
/// them.
#[tokio::test]
async fn each_command_on_its_way_to_a_replica_gets_its_own_answer() {
    let stores = Stores::start().await;
    let owner = Redis::worker(&url(&stores.own, User::Inventory));
    owner
        .run(Command::new("SET").key("product:1").arg("x"))
        .await
        .unwrap();
    let nowhere = ports::free().unwrap().number().to_string();
    operate(&stores, &["REPLICAOF", "127.0.0.1", &nowhere]).await;
    for _ in 0..20 {
        let set = owner.run(Command::new("SET").key("product:1").arg("y"));
        let get = owner.run(Command::new("GET").key("product:1"));
        let (set, get) = tokio::join!(set, get);
        // Until the client has looked for another primary, an error says that the outcome is
        // unknown.
        if let Err(error) = &get {
            assert!(
                !error.did_nothing(),
                "a read was answered like the write before it: {error}"
            );
        }
        set.unwrap_err();
    }
}

async fn operate(stores: &Stores, words: &[&str]) -> Reply {
    let command = match words {
        ["CONFIG", ..] => Command::new("CONFIG"),
        ["ACL", ..] => Command::new("ACL"),
        ["FUNCTION", ..] => Command::new("FUNCTION"),
        _ => Command::new("REPLICAOF"),
    };
    stores
        .operate(command.args(words[1..].iter().copied()))
        .await
}

/// The queue of a client holds 10,000 commands. The others are never sent.
#[tokio::test]
async fn a_command_for_which_the_client_has_no_room_is_known_to_have_changed_nothing() {
    let stores = Stores::start().await;
    let redis = Redis::worker(&url(&stores.own, User::Inventory));
    let set = || Command::new("SET").key("product:1").arg("x");
    redis.run(set()).await.unwrap();
    stores.own.kill();
    eventually("the client to notice", || async {
        redis.run(set()).await.is_err()
    })
    .await;
    let answers = join_all((0..20_000).map(|_| redis.run(set()))).await;
    let errors: Vec<RedisError> = answers.into_iter().filter_map(Result::err).collect();
    let (crowded, others): (Vec<_>, Vec<_>) = errors
        .into_iter()
        .partition(|error| error.is(Code::Crowded));
    assert!(crowded.len() > 1_000, "{} were refused", crowded.len());
    assert!(crowded.iter().all(RedisError::did_nothing));
    assert!(!others.iter().any(RedisError::did_nothing));
}
