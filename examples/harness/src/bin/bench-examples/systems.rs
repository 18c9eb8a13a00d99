//! The examples and the bare server, each with servers of its own, and the calls that are measured.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use harness::broker::Broker;
use harness::member::Member;
use harness::place::Place;
use harness::postgres::Postgres;
use harness::program;
use harness::redis::Redis;
use stack::guard::Farewell;
use stack::load::Request;
use stack::ports::{self, Port};
use stack::process::{Launch, Process};
use stack::wait::eventually;
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;

use crate::bare;

/// More than the measured calls write, so that the queue of items never refuses a write.
const ROOM: [(&str, &str); 3] = [
    ("MAX_QUEUED_WRITES", "10000000"),
    ("MAX_QUEUED_BYTES", "10000000000"),
    ("MAX_STREAM_ENTRIES", "100000000"),
];

/// A call that is measured.
pub(crate) struct Call {
    /// For people.
    pub(crate) name: &'static str,
    /// Where it goes.
    pub(crate) to: SocketAddr,
    pub(crate) request: Request,
    /// The status that each answer has to have.
    pub(crate) expect: u16,
}

/// The running systems. Fields are dropped in this order: the processes before their servers.
pub(crate) struct Systems {
    bare: Process,
    bare_port: Port,
    records: Member,
    items: [Member; 2],
    todos: [Member; 2],
    _redis: [Redis; 2],
    _postgres: Postgres,
    _broker: Broker,
}

impl Systems {
    /// Builds the programs, and starts everything.
    pub(crate) async fn start() -> Result<Self> {
        let build = || program::build(&["records", "items", "todos"]);
        let [records, items, todos] = spawn_blocking(build).await??;
        let (cache, store) = (redis().await?, redis().await?);
        let postgres = Postgres::start_in(Place::private().await?.durable()).await?;
        let broker = Broker::start_in(Place::private().await?).await?;
        let records_database = postgres.ensure_database("records").await?;
        let todos_database = postgres.ensure_database("todos").await?;

        let (cache_url, store_url, brokers) = (cache.url(), store.url(), broker.brokers());
        let records_env = [
            ("DATABASE_URL", records_database.as_str()),
            ("REDIS_URL", &cache_url),
        ];
        let mut items_env = ROOM.to_vec();
        items_env.push(("ITEMS_REDIS_URL", &store_url));
        let todos_env = [
            ("DATABASE_URL", todos_database.as_str()),
            ("KAFKA_BROKERS", &brokers),
        ];
        let records = Member::start("records serve", &records, &["serve"], &records_env).await?;
        let items = [
            Member::start("items serve", &items, &["serve"], &items_env).await?,
            Member::start("items consume", &items, &["consume"], &items_env).await?,
        ];
        let todos = [
            Member::start("todos serve", &todos, &["serve"], &todos_env).await?,
            Member::start("todos consume", &todos, &["consume"], &todos_env).await?,
        ];
        for member in [&records].into_iter().chain(&items).chain(&todos) {
            member.wait_ready().await?;
        }
        let (bare, bare_port) = start_bare().await?;
        Ok(Self {
            bare,
            bare_port,
            records,
            items,
            todos,
            _redis: [cache, store],
            _postgres: postgres,
            _broker: broker,
        })
    }

    /// Writes what is read, and names the calls. The first is that of the bare server.
    pub(crate) async fn calls(&self, bare: &'static str) -> Result<Vec<Call>> {
        anyhow::ensure!(self.bare.is_running(), "the bare server has ended");
        let (records, items, todos) = (&self.records, &self.items[0], &self.todos[0]);
        for key in ["read", "counted"] {
            let path = format!("/create-record/?user_id=bench&key={key}&value=1");
            records.site().post(&path, "").await.expect(201);
        }
        let item = r#"{"value":"0123456789"}"#;
        items.site().post("/items/read?wait=applied", item).await;
        items.site().get("/items/read").await.expect(200);
        let todo = r#"{"title":"Buy tea"}"#;
        let made = todos.site().post("/todos/?wait=applied", todo).await;
        let todo_path = format!("/todos/{}", made.created_id());
        let bare_to = SocketAddr::from(([127, 0, 0, 1], self.bare_port.number()));
        let get = |path: &str| Request::get(path);
        let post = |path: &str, body| Request::plain("POST", path, body);
        let calls = [
            (bare, bare_to, get(bare::PATH), 200),
            (
                "records, cached read",
                address(records)?,
                get("/get-record/?user_id=bench&key=read"),
                200,
            ),
            (
                "records, increment",
                address(records)?,
                post("/increment-value/?user_id=bench&key=counted&x=1", None),
                200,
            ),
            ("items, GET", address(items)?, get("/items/read"), 200),
            (
                "items, POST",
                address(items)?,
                post("/items/written", Some(item)),
                202,
            ),
            ("todos, GET", address(todos)?, get(&todo_path), 200),
            (
                "todos, POST",
                address(todos)?,
                post("/todos/", Some(todo)),
                202,
            ),
        ];
        Ok(calls
            .map(|(name, to, request, expect)| Call {
                name,
                to,
                request,
                expect,
            })
            .into())
    }
}

/// A server that writes everything to the disk, as in production.
async fn redis() -> Result<Redis> {
    Redis::start_in(Place::private().await?.durable(), harness::redis::ACL).await
}

/// Starts this program again as the bare server.
async fn start_bare() -> Result<(Process, Port)> {
    let port = ports::free()?;
    let launch = Launch {
        name: "bare server".to_owned(),
        program: std::env::current_exe().context("cannot tell the path of this program")?,
        args: vec!["--bare".into(), port.number().to_string().into()],
        ..Launch::default()
    };
    let process = Process::start(launch, program::guard(Farewell::Kill)?, None)?;
    eventually("the bare server", async || {
        TcpStream::connect(("127.0.0.1", port.number()))
            .await
            .is_ok()
    })
    .await;
    Ok((process, port))
}

fn address(member: &Member) -> Result<SocketAddr> {
    let address = member.url().strip_prefix("http://").unwrap_or_default();
    address.parse().context("an address")
}
