//! Private servers, and the two processes on them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use harness::broker::Broker;
use harness::http::{Answer, Method, Site};
use harness::member::Member;
use harness::postgres::Postgres;
use harness::program;
use serde_json::Value;
use sqlx::postgres::PgPool;
use tokio::sync::OnceCell;

/// `todos serve` and `todos consume`, with a broker and a database of their own.
pub(crate) struct System {
    pub(crate) serve: Member,
    pub(crate) consume: Member,
    pub(crate) site: Site,
    pub(crate) broker: Broker,
    pub(crate) postgres: Arc<Postgres>,
    pub(crate) database_url: String,
}

/// Topic partitions in tests, unless a test says otherwise.
pub(crate) const PARTITIONS: i32 = 3;
/// Longest time until the broker has a message, so that a test of an outage is short.
pub(crate) const PUBLISH_TIMEOUT: Duration = Duration::from_millis(1_500);

impl System {
    /// Starts everything.
    pub(crate) async fn start() -> Self {
        Self::start_on(Postgres::shared().await.unwrap()).await
    }

    /// Starts everything, on a server that the test may kill.
    pub(crate) async fn start_on(postgres: Arc<Postgres>) -> Self {
        Self::start_with(postgres, &[]).await
    }

    /// Starts everything, with more settings.
    pub(crate) async fn start_with(postgres: Arc<Postgres>, more: &[(&str, &str)]) -> Self {
        let broker = Broker::start().await.unwrap();
        let database_url = postgres.create_database().await.unwrap();
        let (brokers, program) = (broker.brokers(), todos().await);
        let env = settings(&database_url, &brokers, more);
        let serve = Member::start("todos serve", &program, &["serve"], &env);
        let consume = Member::start("todos consume", &program, &["consume"], &env);
        let (serve, consume) = (serve.await.unwrap(), consume.await.unwrap());
        serve.wait_ready().await.unwrap();
        consume.wait_ready().await.unwrap();
        Self {
            site: serve.site(),
            serve,
            consume,
            broker,
            postgres,
            database_url,
        }
    }

    /// Another consumer in the same group.
    pub(crate) async fn another_consumer(&self) -> Member {
        let brokers = self.broker.brokers();
        let env = settings(&self.database_url, &brokers, &[]);
        let program = todos().await;
        let consume = Member::start("another consumer", &program, &["consume"], &env).await;
        let consume = consume.unwrap();
        consume.wait_ready().await.unwrap();
        consume
    }

    /// The database, as its operator sees it.
    pub(crate) async fn database(&self) -> PgPool {
        PgPool::connect(&self.database_url).await.unwrap()
    }

    /// PUT with a body.
    pub(crate) async fn put(&self, path: impl Into<String>, body: Value) -> Answer {
        let (path, body) = (path.into(), body.to_string());
        self.site.send(Method::PUT, &path, &[], &body).await
    }

    /// Creates a todo, which can be read afterwards, and answers its id.
    pub(crate) async fn create(&self, title: &str) -> String {
        let body = serde_json::json!({ "title": title }).to_string();
        self.site
            .post("/todos/?wait=applied", body)
            .await
            .created_id()
    }

    /// The titles of all todos, in order.
    pub(crate) async fn titles(&self) -> Vec<String> {
        let todos = self.site.items("/todos/").await;
        let title = |todo: &Value| todo["title"].as_str().unwrap().to_owned();
        let mut titles: Vec<String> = todos.iter().map(title).collect();
        titles.sort_unstable();
        titles
    }
}

/// The program, which is built once.
pub(crate) async fn todos() -> PathBuf {
    static BUILT: OnceCell<PathBuf> = OnceCell::const_new();
    let build = || async {
        let built = tokio::task::spawn_blocking(|| program::build(&["todos"]));
        let [program] = built.await.unwrap().unwrap();
        program
    };
    BUILT.get_or_init(build).await.clone()
}

/// The settings of both processes.
pub(crate) fn settings<'a>(
    database_url: &'a str,
    brokers: &'a str,
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let given = [
        ("DATABASE_URL", database_url),
        ("KAFKA_BROKERS", brokers),
        ("PUBLISH_TIMEOUT", "1500ms"),
        // Without a line for each message, the last lines of the log tell more.
        ("RUST_LOG", "info,todos::worker::report=warn"),
    ];
    given.iter().chain(more).copied().collect()
}
