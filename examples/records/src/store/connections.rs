//! The connections to Postgres. Every wait has a limit, and a database that is down is left alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use shared::base::breaker::Breaker;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::query::QueryAs;
use sqlx::{ConnectOptions, FromRow, Postgres};
use tokio::time::timeout;

use crate::config::DatabaseUrl;
use crate::store::error::{OVERFLOW, READ_ONLY, StoreError, UNIQUE_VIOLATION, code, is_alive};

/// The connections of this process.
pub(super) struct Connections {
    url: DatabaseUrl,
    pool: PgPool,
    breaker: Breaker,
    /// The largest number of connections.
    most: usize,
    /// Connections that are lent just now.
    lent: Arc<AtomicUsize>,
}

/// A connection that is lent to one statement. It goes back to the pool with its value.
pub(super) struct Link {
    connection: PoolConnection<Postgres>,
    /// Whether another statement may use it.
    is_usable: bool,
    lent: Arc<AtomicUsize>,
}

/// Why a statement had no result.
pub(super) enum Failure {
    /// The value would be beyond 64 bits.
    Overflow,
    /// The idempotency key was used before.
    Claimed,
    /// Another reason.
    Error(StoreError),
}

/// Longest wait for a free connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest wait for the answer to a statement.
pub(super) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(4);
/// The same, at the server: a statement that this process no longer waits for ends as well.
const SERVER_TIMEOUT: &str = "3s";
/// The same for a migration.
const MIGRATION_TIMEOUT: &str = "60s";
/// Time between two attempts while the database is down.
const OPEN_FOR: Duration = Duration::from_secs(1);

impl Connections {
    /// At most this number of connections. Each is made when it is needed.
    pub(super) fn new(url: &DatabaseUrl, most: u32) -> Self {
        Self {
            url: url.clone(),
            pool: pool(most).connect_lazy_with(options(url, SERVER_TIMEOUT)),
            breaker: Breaker::new(OPEN_FOR),
            most: usize::try_from(most).unwrap_or(usize::MAX),
            lent: Arc::default(),
        }
    }

    /// Waits for a connection.
    pub(super) async fn connect(&self) -> Result<Link, StoreError> {
        if !self.breaker.admits(Instant::now()) {
            let reason = "it failed several times a moment ago".to_owned();
            return Err(StoreError::Refused(reason));
        }
        match self.pool.acquire().await {
            Ok(connection) => Ok(Link::new(connection, &self.lent)),
            Err(error) => {
                let error = StoreError::unsent(&error);
                // While all connections are lent, their own statements tell whether the database
                // answers: it may be one locked record that they wait for.
                if self.lent.load(Ordering::Acquire) < self.most {
                    self.failed(&error);
                }
                Err(error)
            }
        }
    }

    /// Runs one statement, and answers its rows.
    pub(super) async fn fetch<O>(
        &self,
        statement: QueryAs<'_, Postgres, O, PgArguments>,
    ) -> Result<Vec<O>, Failure>
    where
        O: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let link = self.connect().await.map_err(Failure::Error)?;
        self.fetch_over(link, statement).await
    }

    /// Runs one statement over this connection, and answers its rows.
    pub(super) async fn fetch_over<O>(
        &self,
        mut link: Link,
        statement: QueryAs<'_, Postgres, O, PgArguments>,
    ) -> Result<Vec<O>, Failure>
    where
        O: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let rows = statement.fetch_all(&mut *link.connection);
        let answer = timeout(STATEMENT_TIMEOUT, rows).await;
        let error = match answer.unwrap_or_else(|_| Err(no_answer())) {
            Ok(rows) => {
                self.answers();
                return Ok(rows);
            }
            Err(error) => error,
        };
        let failure = match &*code(&error) {
            OVERFLOW => Failure::Overflow,
            UNIQUE_VIOLATION => Failure::Claimed,
            _ => Failure::Error(StoreError::sent(&error)),
        };
        match &failure {
            // The answer may still be on its way, for a request that is gone.
            Failure::Error(reason) if !is_alive(&error) => {
                link.close();
                self.failed(reason);
            }
            _ => self.answers(),
        }
        // The next connection may lead to a server that takes changes.
        if code(&error) == READ_ONLY {
            link.close();
        }
        Err(failure)
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
    fn new(connection: PoolConnection<Postgres>, lent: &Arc<AtomicUsize>) -> Self {
        lent.fetch_add(1, Ordering::AcqRel);
        Self {
            connection,
            is_usable: true,
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
        self.lent.fetch_sub(1, Ordering::AcqRel);
        if self.is_usable {
            // The pool asks the server first. Without this limit, a server that is silent would keep
            // the place of the connection for as long as TCP waits.
            let back = self.connection.return_to_pool();
            tokio::spawn(timeout(STATEMENT_TIMEOUT, back));
        }
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Error(error) => error,
            Failure::Overflow => Self::Broken("a number is beyond 64 bits".to_owned()),
            Failure::Claimed => Self::Broken("a name was taken twice".to_owned()),
        }
    }
}

/// A connection for migrations. Closes with its value.
pub(super) async fn open_one(url: &DatabaseUrl) -> sqlx::Result<PgPool> {
    let options = options(url, MIGRATION_TIMEOUT);
    pool(1).connect_with(options).await
}

/// The error of a database that does not answer in time.
pub(super) fn no_answer() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}

fn pool(most: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(most)
        .acquire_timeout(CONNECT_TIMEOUT)
}

/// How connections are made. The server ends a statement that takes longer than `limit`.
fn options(url: &DatabaseUrl, limit: &str) -> PgConnectOptions {
    url.options()
        .application_name("records")
        .options([
            ("statement_timeout", limit),
            ("client_min_messages", "warning"),
        ])
        .disable_statement_logging()
}
