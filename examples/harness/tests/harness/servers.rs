//! Servers: they start without being installed, keep their data over kills, and leave nothing behind.

use std::path::Path;
use std::time::Duration;

use harness::broker::Broker;
use harness::postgres::Postgres;
use harness::redis::Redis;
use sqlx::{Connection, PgConnection};
use stack::wait::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A Kafka request for the versions that a broker speaks, with its length before it.
const API_VERSIONS: &[u8] = b"\0\0\0\x0b\0\x12\0\0\0\0\0\x07\0\x01t";
const ACL: &str = "# A comment.\nuser default off ~* &* +@all\nuser operator on >@OPERATOR_PASSWORD@ ~* &* +@all\n\
    user items on >@ITEMS_PASSWORD@ ~item:* -@all +ping +get\n";

async fn session(url: &str) -> PgConnection {
    PgConnection::connect(url).await.unwrap()
}

async fn value_of_x(url: &str) -> i32 {
    let mut session = session(url).await;
    let query = sqlx::query_scalar("SELECT x FROM kept");
    query.fetch_one(&mut session).await.unwrap()
}

#[tokio::test]
async fn postgres_keeps_its_data_over_kills_and_each_test_has_a_database() {
    let postgres = Postgres::start().await.unwrap();
    let [one, other] = [
        postgres.create_database().await.unwrap(),
        postgres.create_database().await.unwrap(),
    ];
    assert_ne!(one, other);
    let create = "CREATE TABLE kept (x INT); INSERT INTO kept VALUES (7)";
    let mut first = session(&one).await;
    sqlx::raw_sql(create).execute(&mut first).await.unwrap();
    for _ in 0..3 {
        postgres.kill();
        assert!(PgConnection::connect(&one).await.is_err());
        postgres.restart().await.unwrap();
        assert_eq!(value_of_x(&one).await, 7);
    }
    let query = sqlx::query("SELECT x FROM kept");
    let missing = query.fetch_one(&mut session(&other).await).await;
    assert!(missing.is_err());
}

#[tokio::test]
async fn postgres_asks_for_its_password() {
    let postgres = Postgres::shared().await.unwrap();
    let url = postgres.url();
    let (password, _) = url["postgres://operator:".len()..].split_once('@').unwrap();
    let wrong = url.replace(password, "wrong");
    let error = PgConnection::connect(&wrong).await.unwrap_err().to_string();
    assert!(error.contains("password authentication failed"), "{error}");
    let again = Postgres::shared().await.unwrap();
    assert_eq!(again.url(), url, "tests share the server");
}

#[tokio::test]
async fn a_dropped_postgres_leaves_no_process_and_no_folder() {
    let postgres = Postgres::start().await.unwrap();
    let _session = session(&postgres.url()).await;
    let folder = postgres.dir().to_owned();
    let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(folder.join("data/PG_VERSION").is_file());
    drop(postgres);
    assert!(!folder.exists());
    eventually("no process in the folder", async || !is_named(&name)).await;
}

/// Whether a process has this word in its command line, or works in a folder of that name.
pub(crate) fn is_named(word: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .map(|entry| entry.path())
        .any(|process: std::path::PathBuf| {
            let line = std::fs::read_to_string(process.join("cmdline")).unwrap_or_default();
            let folder = std::fs::read_link(process.join("cwd")).unwrap_or_default();
            line.contains(word) || folder.components().any(|part| part.as_os_str() == word)
        })
}

async fn answers_api_versions(broker: &Broker) -> bool {
    let Ok(mut stream) = TcpStream::connect(broker.brokers()).await else {
        return false;
    };
    ask_api_versions(&mut stream).await
}

async fn ask_api_versions(stream: &mut TcpStream) -> bool {
    let mut answer = [0; 8];
    let exchange = async {
        stream.write_all(API_VERSIONS).await?;
        stream.read_exact(&mut answer).await
    };
    let exchange = timeout(Duration::from_secs(10), exchange).await;
    // The answer repeats the number of the request behind its length.
    exchange.is_ok_and(|answer| answer.is_ok()) && answer[4..] == [0, 0, 0, 7]
}

#[tokio::test]
async fn a_killed_broker_cuts_its_connections_and_answers_again_after_its_restart() {
    let broker = Broker::start().await.unwrap();
    assert!(answers_api_versions(&broker).await);
    for _ in 0..3 {
        let mut stream = TcpStream::connect(broker.brokers()).await.unwrap();
        assert!(ask_api_versions(&mut stream).await);
        broker.kill();
        let mut rest = Vec::new();
        let end = timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
        assert!(end.is_ok(), "the connection is cut");
        eventually("a closed port", async || {
            TcpStream::connect(broker.brokers()).await.is_err()
        })
        .await;
        broker.restart().await.unwrap();
        assert!(answers_api_versions(&broker).await);
    }
}

async fn ask(url: &str, words: &[&str]) -> redis::RedisResult<Option<String>> {
    let client = redis::Client::open(url)?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let mut command = redis::cmd(words[0]);
    words[1..].iter().for_each(|word| {
        command.arg(*word);
    });
    command.query_async(&mut connection).await
}

#[tokio::test]
async fn redis_keeps_its_data_over_kills_and_each_user_within_its_rights() {
    let redis = Redis::with_acl(ACL).await.unwrap();
    let (operator, items) = (redis.url(), redis.url_of("items"));
    ask(&operator, &["SET", "item:1", "kept"]).await.unwrap();
    redis.kill();
    assert!(ask(&operator, &["PING"]).await.is_err());
    redis.restart().await.unwrap();
    let kept = ask(&items, &["GET", "item:1"]).await.unwrap();
    assert_eq!(kept.as_deref(), Some("kept"));
    let refused = ask(&items, &["SET", "item:1", "x"]).await.unwrap_err();
    assert_eq!(refused.code(), Some("NOPERM"), "{refused}");
}

#[tokio::test]
async fn an_acl_file_without_an_operator_is_refused() {
    let refused = Redis::with_acl("user items on >@ITEMS_PASSWORD@ ~* +@all").await;
    let error = refused.err().unwrap().to_string();
    assert!(error.contains("no user operator"), "{error}");
}

#[test]
fn a_wheel_is_fetched_where_the_machine_has_no_server() {
    let store = tempfile::tempdir().unwrap();
    let path = std::env::join_paths([Path::new("/nonexistent")]).unwrap();
    let finder = harness::postgres::Finder {
        path,
        debian: "/nonexistent".into(),
        store: store.path().to_owned(),
        python: "python3".into(),
    };
    let found = finder.find().unwrap();
    assert!(
        found
            .postgres
            .starts_with(store.path().canonicalize().unwrap())
    );
    assert_eq!(found.version, "PostgreSQL 18.6");
}
