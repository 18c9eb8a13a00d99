//! The connections of a process. Every wait has a limit, and a database that is down is left alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use shared::base::breaker::Breaker;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgPool, PgPoolOptions, PgRow};
use sqlx::query::QueryAs;
use sqlx::{ConnectOptions, FromRow, Postgres, query_as};
use tokio::time::timeout;

use crate::error::{READ_ONLY, StoreError, code, is_alive};
use crate::url::DatabaseUrl;

/// The limits of the connections of a process.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The name of the service, for people who look at the sessions of the server.
    pub service: &'static str,
    /// The largest number of connections.
    pub connections: u32,
    /// Longest wait for a free connection.
    pub connect: Duration,
    /// Longest wait for the answer to a statement, or for the end of a transaction.
    pub answer: Duration,
    /// Longest time that the server works on a statement, or waits for the next statement of a
    /// transaction. So what this process no longer waits for ends as well, and so do its locks.
    pub server: Duration,
}

/// The connections of a process. Each is made when it is needed.
pub struct Connections {
    pub(crate) url: DatabaseUrl,
    pub(crate) limits: Limits,
    pool: PgPool,
    breaker: Breaker,
    lent: Arc<Lent>,
}

/// A connection that is lent to one piece of work. It goes back to the pool with its value.
pub struct Link {
    connection: PoolConnection<Postgres>,
    /// Whether other work may use the connection.
    is_usable: bool,
    /// Longest wait for the connection to be found usable.
    limit: Duration,
    lent: Arc<Lent>,
}

/// How many connections are lent just now, and how many ever were.
#[derive(Default)]
struct Lent {
    now: AtomicUsize,
    ever: AtomicUsize,
}

/// Time between two attempts while the database is down.
const OPEN_FOR: Duration = Duration::from_secs(1);

impl Connections {
    /// Connections to this database, within these limits.
    pub fn new(url: &DatabaseUrl, limits: Limits) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(limits.connections)
            .acquire_timeout(limits.connect);
        Self {
            url: url.clone(),
            limits,
            pool: pool.connect_lazy_with(options(url, limits.service, limits.server)),
            breaker: Breaker::new(OPEN_FOR),
            lent: Arc::default(),
        }
    }

    /// Waits for a connection.
    pub async fn connect(&self) -> Result<Link, StoreError> {
        if !self.breaker.admits(Instant::now()) {
            let reason = "it failed several times a moment ago".to_owned();
            return Err(StoreError::Unavailable(reason));
        }
        let before = self.lent.ever.load(Ordering::SeqCst);
        let is_idle = self.lent.now.load(Ordering::SeqCst) == 0;
        // The box keeps the futures small that wait for this one.
        match Box::pin(self.pool.acquire()).await {
            Ok(connection) => Ok(Link::new(connection, self.limits.answer, &self.lent)),
            Err(error) => {
                let error = StoreError::unsent(&error);
                // Connections that are lent meanwhile tell themselves whether the database answers:
                // it may be one locked row that all of them wait for.
                if is_idle && self.lent.ever.load(Ordering::SeqCst) == before {
                    self.failed(&error);
                }
                Err(error)
            }
        }
    }

    /// Does work over this connection: one statement, or one transaction.
    pub async fn run<T>(
        &self,
        mut link: Link,
        work: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T>,
    ) -> Result<T, StoreError> {
        // The box keeps the futures small that wait for this one.
        let work = Box::pin(work(&mut link.connection));
        let answer = timeout(self.limits.answer, work).await;
        let error = match answer.unwrap_or_else(|_| Err(no_answer())) {
            Ok(done) => {
                self.answers();
                return Ok(done);
            }
            Err(error) => error,
        };
        let (failure, is_alive) = (StoreError::sent(&error), is_alive(&error));
        if is_alive {
            self.answers();
        } else {
            self.failed(&failure);
        }
        // The answer may still be on its way, for a request that is gone. After a refused change,
        // the next connection may lead to a server that takes changes.
        if !is_alive || code(&error) == READ_ONLY {
            link.close();
        }
        Err(failure)
    }

    /// Asks one question, and answers its rows. A lost answer counts as "not available": nobody has
    /// to know whether the statement was carried out.
    pub async fn fetch<O>(
        &self,
        statement: QueryAs<'_, Postgres, O, PgArguments>,
    ) -> Result<Vec<O>, StoreError>
    where
        O: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let link = self.connect().await?;
        let rows = self.run(link, async |connection| {
            statement.fetch_all(connection).await
        });
        rows.await.map_err(StoreError::of_read)
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.fetch::<(i32,)>(query_as("SELECT 1")).await.map(drop)
    }

    fn answers(&self) {
        if self.breaker.succeeded() {
            tracing::info!("{} answers again", self.url);
        }
    }

    fn failed(&self, error: &StoreError) {
        if self.breaker.failed(Instant::now()) {
            let url = &self.url;
            tracing::warn!(%error, "{url} is left alone, except for an attempt each {OPEN_FOR:?}");
        }
    }
}

impl Link {
    fn new(connection: PoolConnection<Postgres>, limit: Duration, lent: &Arc<Lent>) -> Self {
        lent.ever.fetch_add(1, Ordering::SeqCst);
        lent.now.fetch_add(1, Ordering::SeqCst);
        Self {
            connection,
            is_usable: true,
            limit,
            lent: lent.clone(),
        }
    }

    /// Closes the connection, instead of giving it back.
    fn close(&mut self) {
        self.is_usable = false;
        self.connection.close_on_drop();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let lent = self.lent.clone();
        if !self.is_usable {
            lent.now.fetch_sub(1, Ordering::SeqCst);
            return;
        }
        // The pool asks the server first. Without this limit, a server that is silent would keep
        // the place of the connection for as long as TCP waits.
        let back = timeout(self.limit, self.connection.return_to_pool());
        tokio::spawn(async move {
            // A limit that was reached has closed the connection.
            let _ = back.await;
            lent.now.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// How connections are made. The server ends a statement that takes longer than `limit`.
pub(crate) fn options(url: &DatabaseUrl, service: &str, limit: Duration) -> PgConnectOptions {
    let limit = format!("{}ms", limit.as_millis());
    url.options()
        .application_name(service)
        .options([
            ("statement_timeout", &*limit),
            ("idle_in_transaction_session_timeout", &limit),
            ("client_min_messages", "warning"),
        ])
        .disable_statement_logging()
}

/// The error of a database that does not answer in time.
pub(crate) fn no_answer() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}
