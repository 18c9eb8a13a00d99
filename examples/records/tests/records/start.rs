//! How a process starts: migrations, patience, and settings.

use std::time::Duration;

use ::harness::http::Method;
use ::harness::postgres::Postgres;
use ::harness::redis::Redis;
use shared::redis::{Code, Command, Redis as Client};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use stack::ports;
use stack::subprocess;
use stack::wait::eventually;

use crate::harness::{Process, Records, binary};

const LIMIT: Duration = Duration::from_mins(1);

#[tokio::test]
async fn processes_that_start_at_the_same_time_migrate_once() {
    let postgres = Postgres::shared().await.unwrap();
    let (database, redis) = (
        postgres.create_database().await.unwrap(),
        Redis::start().await.unwrap(),
    );
    let url = redis.url();
    let start = || Process::start(&database, &url, &[]);
    let processes = <[_; 4]>::from(tokio::join!(start(), start(), start(), start()));
    for process in &processes {
        process.member.wait_ready().await.unwrap();
    }
    processes[0].create("k", 1).await;
    for process in &processes {
        assert_eq!(process.read("k").await.0, 1);
    }
}

#[tokio::test]
async fn a_start_waits_for_the_database_and_then_fails_with_one_line() {
    let (redis, port) = (Redis::start().await.unwrap(), ports::free().unwrap());
    let database = format!("postgres://u:s3cret@127.0.0.1:{}/counters", port.number());
    let patience = [("DATABASE_START_TIMEOUT", "3s")];
    let process = Process::start(&database, &redis.url(), &patience).await;
    eventually("its listener", async || {
        process.request(Method::GET, "/livez").send().await.is_ok()
    })
    .await;
    let ready = process.page("/readyz").await;
    ready.problem(503, "not-ready");
    process.get("k").await.assert_unavailable("store-refused");
    let ended = process.member.process().wait(LIMIT).await.unwrap();
    assert_eq!(ended.code(), Some(1));
    process.member.process().drain_output().await;
    let log = process.member.logs();
    let last = log.lines().last().unwrap();
    let expected = format!(
        "cannot open the database counters at 127.0.0.1:{}: ",
        port.number()
    );
    assert!(last.starts_with(&expected), "{log}");
    assert!(!log.contains("s3cret"), "{log}");
}

#[tokio::test]
async fn a_start_goes_on_when_the_database_comes_within_the_time() {
    let records = Records::start_alone(&[]).await;
    records.create("k", 1).await;
    records.postgres.kill();
    let process = Process::start(&records.database, &records.redis.url(), &[]).await;
    eventually("its first attempt", async || {
        process.member.logs().contains("cannot open")
    })
    .await;
    records.postgres.restart().await.unwrap();
    process.member.wait_ready().await.unwrap();
    assert_eq!(process.read("k").await.0, 1);
}

#[tokio::test]
async fn a_database_of_a_later_build_is_refused() {
    let records = Records::start().await;
    let mut session = records.session().await;
    let later = "INSERT INTO _sqlx_migrations VALUES (9999, 'later', now(), true, '', 0)";
    sqlx::query(later).execute(&mut session).await.unwrap();
    let process = Process::start(&records.database, &records.redis.url(), &[]).await;
    let ended = process.member.process().wait(LIMIT).await.unwrap();
    assert_eq!(ended.code(), Some(1));
    process.member.process().drain_output().await;
    let log = process.member.logs();
    assert!(
        log.lines().last().unwrap().contains("migration 9999"),
        "{log}"
    );
}

#[tokio::test]
async fn help_lists_the_settings_and_every_wrong_one_is_reported() {
    let binary = binary().await;
    let run = |args: &[&str], env: &[(&str, &str)]| {
        let mut command = std::process::Command::new(&binary);
        command.args(args).env_clear().envs(env.iter().copied());
        subprocess::run(&mut command, LIMIT).unwrap()
    };
    let help = run(&["--help"], &[]);
    let names = [
        "DATABASE_URL",
        "DATABASE_CONNECTIONS",
        "DATABASE_START_TIMEOUT",
        "REDIS_URL",
        "CACHE_TTL",
        "CACHE_TIMEOUT",
        "HTTP_ADDR",
    ];
    for name in names {
        assert!(help.stdout.contains(name), "{name}");
    }
    let wrong = [
        ("DATABASE_URL", "mysql://u:s3cret@db"),
        ("DATABASE_CONNECTIONS", "0"),
        ("DATABASE_START_TIMEOUT", "0s"),
        ("REDIS_URL", "db:6379"),
        ("CACHE_TTL", "2d"),
        ("CACHE_TIMEOUT", "6s"),
    ];
    let refused = run(&["serve"], &wrong);
    assert_eq!(refused.status.code(), Some(2));
    for (name, _) in wrong {
        assert!(
            refused.stderr.contains(&format!("{name}: ")),
            "{}",
            refused.stderr
        );
    }
    assert!(!refused.stderr.contains("s3cret"), "{}", refused.stderr);
    for several in [
        "redis-sentinel://a:1?node=b:1&sentinelServiceName=s",
        "redis-cluster://a:1?node=b:1",
    ] {
        let refused = run(&["serve"], &[("REDIS_URL", several)]);
        assert_eq!(refused.status.code(), Some(2), "{several}");
        assert!(
            refused.stderr.contains("one server that keeps no files"),
            "{}",
            refused.stderr
        );
    }
    let openapi = run(&["openapi"], &[]);
    assert!(
        openapi.stdout.contains("\"/get-record/\""),
        "{}",
        openapi.stdout
    );
}

/// The users that Compose and Kubernetes give to the cache.
#[tokio::test]
async fn the_service_has_the_rights_in_the_cache_that_it_needs_and_no_others() {
    let postgres = Postgres::shared().await.unwrap();
    let database = postgres.create_database().await.unwrap();
    let acl = include_str!("../../deploy/users.acl");
    let redis = Redis::with_acl(acl).await.unwrap();
    let url = redis.url_of("records");
    let process = Process::start(&database, &url, &[]).await;
    process.member.wait_ready().await.unwrap();
    process.create("k", 1).await;
    assert_eq!(process.cache("k").await, 1);
    process.increment("k", 1).await.expect(200);
    assert_eq!(process.cache("k").await, 2);
    let ready = process.page("/readyz?verbose").await.expect(200).body;
    assert!(ready.contains("cache: ok"), "{ready}");
    let client = Client::worker(&url.parse().unwrap());
    for (command, key) in [
        ("FLUSHALL", None),
        ("KEYS", Some("*")),
        ("GET", Some("other")),
    ] {
        let command = key.into_iter().fold(Command::new(command), Command::arg);
        let refused = client.run(command).await.unwrap_err();
        assert!(refused.is(Code::NoPerm), "{refused}");
    }
}

/// The role that Compose and Kubernetes give to the service in the database.
#[tokio::test]
async fn the_service_owns_its_database_and_has_no_other_right() {
    let script = include_str!("../../deploy/create-role.sql");
    let postgres = Postgres::start().await.unwrap();
    let mut session = PgConnection::connect(&postgres.url()).await.unwrap();
    let is_sql = |line: &&str| !line.starts_with("--") && !line.starts_with('\\');
    let statements: Vec<&str> = script.lines().filter(is_sql).collect();
    assert!(statements.len() > 2, "{script}");
    for statement in statements {
        let statement = statement.replace(":'password'", "'role-password'");
        let statement = sqlx::raw_sql(AssertSqlSafe(statement));
        statement.execute(&mut session).await.unwrap();
    }
    let server = format!("127.0.0.1:{}", postgres.port());
    let url = format!("postgres://records:role-password@{server}");
    let redis = Redis::start().await.unwrap();
    let process = Process::start(&format!("{url}/records"), &redis.url(), &[]).await;
    process.member.wait_ready().await.unwrap();
    process.create("k", 1).await;
    process.increment("k", 1).await.expect(200);
    assert_eq!(process.cache("k").await, 2);
    let mut role = PgConnection::connect(&format!("{url}/records"))
        .await
        .unwrap();
    for refused in ["CREATE ROLE other", "SELECT * FROM pg_authid"] {
        let error = sqlx::query(refused).execute(&mut role).await.unwrap_err();
        let code = error.as_database_error().unwrap().code();
        assert_eq!(code.as_deref(), Some("42501"), "{error}");
    }
    let other = PgConnection::connect(&format!("{url}/postgres")).await;
    assert!(other.is_err(), "it reaches another database");
}

#[test]
fn compose_and_kubernetes_make_the_same_role() {
    let script = include_str!("../../deploy/create-role.sql");
    let manifest = include_str!("../../deploy/kubernetes/postgres.yaml");
    for line in script.lines().filter(|line| !line.starts_with("--")) {
        assert!(manifest.contains(&format!("\n    {line}\n")), "{line}");
    }
}
