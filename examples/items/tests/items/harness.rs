//! A private system of items: a Redis server, the API, and workers.

use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use harness::http::{Answer, Site};
use harness::member::Member;
use harness::program;
use harness::redis::Redis;
use items::domain::{QueueLimits, TicketLimits};
use items::store::ItemStore;
use serde_json::{Value, json};
use shared::store::partition::Partitions;
use stack::wait::eventually;
use tokio::task::spawn_blocking;

/// The users that are deployed. So the tests run with the rights that the service has.
pub(crate) const USERS: &str = include_str!("../../deploy/users.acl");
/// Far below the default, so that a test does not wait long for the writes of a dead worker.
const RECLAIM_IDLE: &str = "1s";
/// How the tickets of a store without processes are kept.
const KEPT: TicketLimits = TicketLimits {
    longest: Duration::from_hours(24),
    most: 1_000_000,
};
/// Limits that no test reaches by chance.
pub(crate) const LIMITS: QueueLimits = QueueLimits {
    writes: 100_000,
    bytes: 64 * 1024 * 1024,
    entries: 1_000_000,
};

/// A running system, and a client of its API.
pub(crate) struct System {
    pub(crate) redis: Redis,
    pub(crate) api: Member,
    pub(crate) workers: Vec<Member>,
    program: PathBuf,
    settings: Vec<(&'static str, &'static str)>,
    site: Site,
}

impl Deref for System {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl System {
    /// Starts the store, the API and this number of workers, and waits until all are ready.
    pub(crate) async fn start(workers: usize) -> Self {
        Self::start_with(workers, &[]).await
    }

    /// The same, with these settings of all processes.
    pub(crate) async fn start_with(
        workers: usize,
        settings: &[(&'static str, &'static str)],
    ) -> Self {
        let redis = Redis::with_acl(USERS).await.unwrap();
        let program = program().await;
        let url = redis.url_of("items");
        let env = [settings, &[("ITEMS_REDIS_URL", &*url)]].concat();
        let api = Member::start("items serve", &program, &["serve"], &env).await;
        let api = api.unwrap();
        api.wait_ready().await.unwrap();
        let site = api.site();
        let mut system = Self {
            redis,
            api,
            workers: Vec::new(),
            program,
            settings: settings.to_vec(),
            site,
        };
        for _ in 0..workers {
            system.add_worker(&url).await;
        }
        system
    }

    /// Starts one more worker, which finds the store at this address.
    pub(crate) async fn add_worker(&mut self, url: &str) {
        let own = [("ITEMS_REDIS_URL", url), ("RECLAIM_IDLE", RECLAIM_IDLE)];
        let env = [self.settings.as_slice(), &own].concat();
        let worker = Member::start("items consume", &self.program, &["consume"], &env).await;
        let worker = worker.unwrap();
        worker.wait_ready().await.unwrap();
        self.workers.push(worker);
    }

    /// Queues a write, and answers its ticket.
    pub(crate) async fn write(&self, item: &str, value: &str) -> Value {
        let body = json!({ "value": value }).to_string();
        self.post(&format!("/items/{item}"), body)
            .await
            .expect(202)
            .json()
    }

    /// Writes a value and waits until it is applied.
    pub(crate) async fn write_applied(&self, item: &str, value: &str) -> Value {
        let body = json!({ "value": value }).to_string();
        let path = format!("/items/{item}?wait=applied");
        let ticket = self.post(&path, body).await.expect(200).json();
        assert_eq!(ticket["status"], "applied", "{ticket}");
        ticket
    }

    /// The ticket with this id, once its write has ended.
    pub(crate) async fn ended(&self, ticket: &Value) -> Value {
        let path = format!("/tickets/{}?wait=applied", ticket["id"].as_str().unwrap());
        let ended = self.get(&path).await.expect(200).json();
        assert_ne!(ended["status"], "queued", "{ended}");
        ended
    }

    /// The value of an item that exists.
    pub(crate) async fn value(&self, item: &str) -> String {
        self.get(&format!("/items/{item}"))
            .await
            .expect(200)
            .text("value")
    }

    /// Sends a command to the store as its operator.
    pub(crate) async fn operate<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        operate(&self.redis, command).await
    }

    /// Waits until all writes have ended, all entries are acknowledged, and no count of attempts is
    /// left. A worker forgets the counts of others at its next look at the store.
    pub(crate) async fn assert_drained(&self) {
        eventually("no write waits, and no entry is pending", async || {
            let backlog: Vec<String> = self.operate(&["HMGET", "backlog", "writes", "bytes"]).await;
            let (pending, ..): (u64, redis::Value, redis::Value, redis::Value) =
                self.operate(&["XPENDING", "writes", "workers"]).await;
            let attempts: u64 = self.operate(&["HLEN", "attempts"]).await;
            backlog == ["0", "0"] && pending == 0 && attempts == 0
        })
        .await;
    }
}

/// Sends a command to a server as its operator.
pub(crate) async fn operate<T: redis::FromRedisValue>(server: &Redis, command: &[&str]) -> T {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut asked = redis::cmd(command[0]);
    command[1..].iter().for_each(|arg| {
        asked.arg(arg);
    });
    asked.query_async(&mut connection).await.unwrap()
}

/// The program of items, built once.
pub(crate) async fn program() -> PathBuf {
    let built = spawn_blocking(|| program::build(&["items"])).await.unwrap();
    let [program] = built.unwrap();
    program
}

/// A server, and the store as the API and the workers have it, without any process.
pub(crate) async fn lone_store(partitions: Partitions, limits: QueueLimits) -> (Redis, ItemStore) {
    let redis = Redis::with_acl(USERS).await.unwrap();
    let client = shared::redis::Redis::worker(&redis.url_of("items").parse().unwrap());
    let store = ItemStore::new(client, partitions, limits, KEPT);
    store.own.adopt().await.unwrap();
    (redis, store)
}

/// The detail of a problem.
pub(crate) fn detail(answer: &Answer) -> String {
    answer.text("detail")
}
