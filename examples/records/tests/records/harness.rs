//! Processes of records on private servers.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::harness::http::{Answer, Method, Site};
use ::harness::member::Member;
use ::harness::postgres::Postgres;
use ::harness::program;
use ::harness::redis::Redis;
use proof::proxy::Proxy;
use serde_json::{Value, json};
use shared::redis::{Command, Redis as Client, Reply};
use sqlx::{Connection, PgConnection, query_scalar};
use stack::wait::eventually;
use tokio::time::timeout;

/// Longer than any test runs.
pub(crate) const LONG: (&str, &str) = ("CACHE_TTL", "1h");

/// Waits for the cache also while a compiler runs beside the tests. Not for tests whose cache is gone.
pub(crate) const PATIENT: [(&str, &str); 2] = [LONG, ("CACHE_TIMEOUT", "5s")];

/// A database, a cache, and one process in front of them.
pub(crate) struct Records {
    pub(crate) postgres: Arc<Postgres>,
    pub(crate) redis: Redis,
    /// The address of the database.
    pub(crate) database: String,
    pub(crate) process: Process,
    /// Does everything in the cache.
    client: Client,
}

/// One process of records, and a client of it.
pub(crate) struct Process {
    pub(crate) member: Member,
    site: Site,
}

impl Deref for Records {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.process
    }
}

impl Records {
    /// Starts a process on the server that the tests share.
    pub(crate) async fn start() -> Self {
        Self::start_on(Postgres::shared().await.unwrap(), &PATIENT).await
    }

    /// Starts a process with these settings, on a server of its own that the test may kill.
    pub(crate) async fn start_alone(settings: &[(&str, &str)]) -> Self {
        let postgres = Arc::new(Postgres::start().await.unwrap());
        Self::start_on(postgres, settings).await
    }

    /// Starts a process with these settings.
    pub(crate) async fn start_on(postgres: Arc<Postgres>, settings: &[(&str, &str)]) -> Self {
        let database = postgres.create_database().await.unwrap();
        let redis = Redis::start().await.unwrap();
        let process = Process::start(&database, &redis.url(), settings).await;
        process.member.wait_ready().await.unwrap();
        Self {
            client: Client::worker(&redis.url().parse().unwrap()),
            postgres,
            redis,
            database,
            process,
        }
    }

    /// Starts another process on the same database, which reaches the cache at this address.
    pub(crate) async fn beside(&self, redis: &str, settings: &[(&str, &str)]) -> Process {
        let process = Process::start(&self.database, redis, settings).await;
        process.member.wait_ready().await.unwrap();
        process
    }

    /// Sends a command to the cache.
    pub(crate) async fn cached(&self, command: Command) -> Reply {
        self.client.run(command).await.unwrap()
    }

    /// The keys in the cache.
    pub(crate) async fn keys(&self) -> Vec<String> {
        let keys = self.cached(Command::new("KEYS").arg("record:*")).await;
        keys.texts().unwrap()
    }

    /// How often the cache was told this command.
    pub(crate) async fn calls(&self, command: &str) -> u64 {
        let stats = self.cached(Command::new("INFO").arg("commandstats")).await;
        let stats = stats.text().unwrap();
        let line = format!("cmdstat_{command}:calls=");
        let found = stats.lines().find_map(|stat| stat.strip_prefix(&line));
        found.map_or(0, |calls| calls.split(',').next().unwrap().parse().unwrap())
    }

    /// The address of the cache through this proxy.
    pub(crate) fn through(&self, proxy: &Proxy) -> String {
        let (server, link) = (self.redis.port(), proxy.port());
        let url = self.redis.url();
        url.replace(&format!(":{server}"), &format!(":{link}"))
    }

    /// How many sessions of the database wait for a lock.
    pub(crate) async fn waiting(&self) -> i64 {
        let count = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let mut session = self.session().await;
        let count = query_scalar(count).fetch_one(&mut session);
        timeout(Duration::from_secs(10), count)
            .await
            .unwrap()
            .unwrap()
    }

    /// A session of the database.
    pub(crate) async fn session(&self) -> PgConnection {
        // Without the box, each future of a test would have the size of this one.
        Box::pin(PgConnection::connect(&self.database))
            .await
            .unwrap()
    }
}

impl Process {
    /// Starts a process, and does not wait for it.
    pub(crate) async fn start(database: &str, redis: &str, settings: &[(&str, &str)]) -> Self {
        let servers = [("DATABASE_URL", database), ("REDIS_URL", redis)];
        let settings = [&servers, settings].concat();
        let binary = binary().await;
        let member = Member::start("records serve", &binary, &["serve"], &settings);
        let member = member.await.unwrap();
        Self {
            site: member.site(),
            member,
        }
    }

    /// Sends a request with these parameters.
    pub(crate) async fn ask(&self, method: Method, path: &str, query: &str) -> Answer {
        let path = format!("/{path}/?{query}");
        self.site.ask(method, &path, &[]).await
    }

    /// The same, with an idempotency key.
    pub(crate) async fn ask_once(&self, path: &str, query: &str, key: &str) -> Answer {
        let path = format!("/{path}/?{query}");
        let headers = [("idempotency-key", key)];
        self.site.ask(Method::POST, &path, &headers).await
    }

    pub(crate) async fn post(&self, path: &str, query: &str) -> Answer {
        self.ask(Method::POST, path, query).await
    }

    /// Creates a record of the user `u`.
    pub(crate) async fn create(&self, key: &str, value: i64) {
        let query = format!("user_id=u&key={key}&value={value}");
        let created = self.post("create-record", &query).await.expect(201);
        assert_eq!(created.json(), record(key, value));
    }

    pub(crate) async fn get(&self, key: &str) -> Answer {
        let query = format!("user_id=u&key={key}");
        self.ask(Method::GET, "get-record", &query).await
    }

    pub(crate) async fn increment(&self, key: &str, x: i64) -> Answer {
        let query = format!("user_id=u&key={key}&x={x}");
        self.post("increment-value", &query).await
    }

    /// The value of a record, and whether it was found in the cache.
    pub(crate) async fn read(&self, key: &str) -> (i64, bool) {
        read(&self.get(key).await)
    }

    /// Reads a record until its value is found in the cache, and answers it.
    pub(crate) async fn cache(&self, key: &str) -> i64 {
        eventually("a hit", async || {
            let (value, is_hit) = self.read(key).await;
            is_hit.then_some(value)
        })
        .await
    }

    /// Sends GET to any path.
    pub(crate) async fn page(&self, path: &str) -> Answer {
        self.site.get(path).await
    }

    /// Sends any request.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.site.request(method, path)
    }
}

/// The program, compiled once.
pub(crate) async fn binary() -> PathBuf {
    let built = tokio::task::spawn_blocking(|| program::build(&["records"])).await;
    let [records] = built.unwrap().unwrap();
    records
}

/// The body of a record of the user `u`.
pub(crate) fn record(key: &str, value: i64) -> Value {
    json!({ "user_id": "u", "key": key, "value": value })
}

/// The value in an answer to `get-record`, and whether it was found in the cache.
pub(crate) fn read(answer: &Answer) -> (i64, bool) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    let is_hit = match body["cache"].as_str() {
        Some("cache_hit") => true,
        Some("cache_miss") => false,
        other => panic!("{other:?}"),
    };
    (body["value"].as_i64().unwrap(), is_hit)
}
