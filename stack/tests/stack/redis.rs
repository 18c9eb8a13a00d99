//! One private store: it survives kills, refuses clients without a user, and keeps each user within
//! its rights.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use stack::credentials::User;
use stack::redis::{Owner, RedisOptions, RedisServer};

async fn start(store: Owner, dir: &std::path::Path) -> RedisServer {
    let options = RedisOptions::private(store, dir.join("store"));
    let options = options.await.unwrap();
    RedisServer::start(options).await.unwrap()
}

/// Sends inline commands as `user`, and returns all answers.
fn ask(redis: &RedisServer, user: User, commands: &[&str]) -> String {
    let url = redis.url(user);
    let password = url.split([':', '@']).nth(2).unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", redis.port())).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let text = format!(
        "AUTH {} {password}\r\n{}\r\nQUIT\r\n",
        user.name(),
        commands.join("\r\n")
    );
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test]
async fn data_passwords_and_port_survive_a_kill_and_a_stop() {
    let dir = tempfile::tempdir().unwrap();
    let redis = start(Owner::Inventory, dir.path()).await;
    let (url, pid) = (redis.url(User::Operator), redis.pid());
    assert!(ask(&redis, User::Operator, &["SET product:1 kept"]).contains("+OK"));
    redis.kill();
    redis.restart().await.unwrap();
    assert_ne!(redis.pid(), pid);
    assert_eq!(redis.url(User::Operator), url);
    redis.stop().await.unwrap();
    redis.restart().await.unwrap();
    assert!(ask(&redis, User::Operator, &["GET product:1"]).contains("kept"));
}

/// A function writes several keys at once. The append-only file has them as a transaction.
#[tokio::test]
async fn a_transaction_survives_a_restart_although_every_client_needs_a_user() {
    let dir = tempfile::tempdir().unwrap();
    let redis = start(Owner::Payments, dir.path()).await;
    let together = ["MULTI", "SET order:1 kept", "SET order:2 kept", "EXEC"];
    assert!(ask(&redis, User::Operator, &together).contains("*2\r\n+OK\r\n+OK"));
    redis.stop().await.unwrap();
    redis.restart().await.unwrap();
    assert!(ask(&redis, User::Operator, &["EXISTS order:1 order:2"]).contains(":2"));
}

#[tokio::test]
async fn the_shipped_configuration_is_in_force() {
    let dir = tempfile::tempdir().unwrap();
    let redis = start(Owner::Payments, dir.path()).await;
    let questions = [
        "appendonly",
        "appendfsync",
        "maxmemory-policy",
        "bind",
        "save",
    ]
    .map(|name| format!("CONFIG GET {name}"));
    let answer = ask(
        &redis,
        User::Operator,
        &questions.each_ref().map(String::as_str),
    );
    for expected in ["yes", "always", "noeviction", "127.0.0.1", "save\r\n$0"] {
        assert!(answer.contains(expected), "{expected}: {answer}");
    }
    for file in ["passwords", "users.acl", "operator.password"] {
        let mode = redis
            .dir()
            .join(file)
            .metadata()
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[tokio::test]
async fn each_user_stays_inside_its_bounds() {
    let dir = tempfile::tempdir().unwrap();
    let redis = start(Owner::Payments, dir.path()).await;
    let stranger = {
        let mut stream = TcpStream::connect(("127.0.0.1", redis.port())).unwrap();
        stream.write_all(b"GET order:1\r\nQUIT\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(stranger.contains("-NOAUTH"), "{stranger}");

    let own = [
        "SET order:1 a",
        "XADD order_completed * a b",
        "XADD order_completed:{3} * a b",
        "PING",
        "INFO server",
    ];
    let answer = ask(&redis, User::Payments, &own);
    assert!(
        !answer.contains("-NOPERM") && !answer.contains("-ERR"),
        "{answer}"
    );
    for refused in [
        "SET product:1 a",
        "FLUSHALL",
        "CONFIG GET dir",
        "KEYS *",
        "ACL LIST",
    ] {
        assert!(
            ask(&redis, User::Payments, &[refused]).contains("-NOPERM"),
            "{refused}"
        );
    }
}

/// The reader of a stream has the rights that it needs on the server, and no right that fills it.
#[tokio::test]
async fn a_reader_writes_nothing_and_makes_no_key() {
    let cases = [
        (
            Owner::Payments,
            User::Inventory,
            "order_completed",
            "inventory-group",
        ),
        (
            Owner::Inventory,
            User::Payments,
            "refund_order",
            "payment-group",
        ),
    ];
    for (store, user, stream, group) in cases {
        let dir = tempfile::tempdir().unwrap();
        let redis = start(store, dir.path()).await;
        let granted = [
            format!("XGROUP CREATE {stream} {group} 0 MKSTREAM"),
            format!("XREADGROUP GROUP {group} one COUNT 1 STREAMS {stream} >"),
            format!("XAUTOCLAIM {stream} {group} one 0 0"),
            format!("XACK {stream} {group} 0-1"),
            format!("XRANGE {stream} - +"),
            format!("XINFO CONSUMERS {stream} {group}"),
            format!("XGROUP DELCONSUMER {stream} {group} one"),
            "INFO server".to_owned(),
            "PING".to_owned(),
        ];
        let answer = ask(&redis, user, &granted.each_ref().map(String::as_str));
        assert!(
            !answer.contains("-NOPERM") && !answer.contains("-ERR"),
            "{answer}"
        );
        let own = ask(&redis, User::Operator, &["DBSIZE"]);
        for refused in [
            format!("XADD {stream} * a b"),
            format!("XTRIM {stream} MAXLEN 0"),
            format!("XDEL {stream} 0-1"),
            format!("XSETID {stream} 9-9"),
            format!("XGROUP SETID {stream} {group} $"),
            format!("XGROUP DESTROY {stream} {group}"),
            format!("DEL {stream}"),
            format!("EXPIRE {stream} 1"),
            format!("XGROUP CREATE {stream}:{{3}} {group} 0 MKSTREAM"),
            format!("XGROUP CREATE {stream}x {group} 0 MKSTREAM"),
            "XGROUP CREATE changes any 0 MKSTREAM".to_owned(),
            "XREADGROUP GROUP any one STREAMS changes >".to_owned(),
            "XRANGE changes - +".to_owned(),
            "SET confirm:{3} value".to_owned(),
            "SET order:1 value".to_owned(),
            "GET order:1".to_owned(),
            "PUBLISH confirm value".to_owned(),
            "FCALL any 0".to_owned(),
            "EVAL return 0".to_owned(),
            "FUNCTION FLUSH".to_owned(),
            "WAIT 1 1000".to_owned(),
            "KEYS *".to_owned(),
            "SCAN 0".to_owned(),
            "CONFIG GET dir".to_owned(),
            "ACL LIST".to_owned(),
            "CLIENT KILL ID 1".to_owned(),
            "FLUSHALL".to_owned(),
            "SHUTDOWN".to_owned(),
        ] {
            let answer = ask(&redis, user, &[&refused]);
            assert!(answer.contains("-NOPERM"), "{refused}: {answer}");
        }
        assert_eq!(ask(&redis, User::Operator, &["DBSIZE"]), own);
    }
}

#[tokio::test]
async fn a_paused_store_answers_again_when_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let redis = start(Owner::Inventory, dir.path()).await;
    redis.pause();
    let mut stream = TcpStream::connect(("127.0.0.1", redis.port())).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    assert!(
        stream.read(&mut [0; 16]).is_err(),
        "the store answered while it was paused"
    );
    redis.resume();
    redis.wait_ready().await.unwrap();
}

#[tokio::test]
async fn a_server_that_cannot_start_shows_why() {
    let dir = tempfile::tempdir().unwrap();
    let redis = start(Owner::Inventory, dir.path()).await;
    let options = RedisOptions::private(Owner::Payments, dir.path().join("other"));
    let options = options.await.unwrap();
    let error = RedisServer::launch(options, redis.port())
        .unwrap()
        .wait_ready()
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("payments redis") && error.contains("Address already in use"),
        "{error}"
    );
}
