//! Postgres: one method for each statement. Every wait has a limit.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::Context;
use shared::base::backoff::Backoff;
use shared::base::breaker::Breaker;
use shared::base::shutdown::{Shutdown, sleep_unless};
use shared::store::claim::{Claim, Once};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::query::QueryAs;
use sqlx::{ConnectOptions, FromRow, Postgres, query_as};
use tokio::time::timeout;

use crate::config::DatabaseUrl;
use crate::domain::{Change, RecordId};
use crate::store::error::{OVERFLOW, StoreError, UNIQUE_VIOLATION, code};
use crate::store::statements::{
    CREATE, DECREMENT, DELETE, FIND, FIND_CLAIM, FIND_STALE, FORGET_STALE, IDENTITY, INCREMENT,
    SWEEP_CLAIMS,
};

/// The database of this service.
pub(super) struct Database {
    url: DatabaseUrl,
    pool: PgPool,
    breaker: Breaker,
    /// What names the database in the cache. Set when the database is open.
    identity: OnceLock<String>,
}

/// What a statement wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// The record has this value now.
    Value(i64),
    /// No record was written: there is none, or for a creation there is one already.
    Nothing,
    /// The value would be beyond 64 bits.
    Overflow,
}

/// Why a statement had no result.
enum Failure {
    /// The value would be beyond 64 bits.
    Overflow,
    /// The idempotency key was used before.
    Claimed,
    /// Another reason.
    Error(StoreError),
}

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Longest wait for a free connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest wait for the answer to a statement.
pub(super) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(4);
/// The same, at the server: a statement that this process no longer waits for ends as well.
const SERVER_TIMEOUT: (&str, &str) = ("statement_timeout", "3s");
/// Longest time of one attempt to migrate, also for a migration by another process.
const MIGRATE_TIMEOUT: Duration = Duration::from_mins(1);
/// Waits between two attempts to open the database.
const OPEN_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(100),
    max: Duration::from_secs(5),
};
/// Time between two attempts while the database is down.
const OPEN_FOR: Duration = Duration::from_secs(1);

impl Database {
    pub(super) fn new(url: &DatabaseUrl, connections: u32) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(CONNECT_TIMEOUT)
            .connect_lazy_with(options(url, SERVER_TIMEOUT.1));
        Self {
            url: url.clone(),
            pool,
            breaker: Breaker::new(OPEN_FOR),
            identity: OnceLock::new(),
        }
    }

    /// Migrates the database, or waits for another process that migrates it.
    pub(super) async fn open(&self, patience: Duration, stop: &Shutdown) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        for failures in 1.. {
            let attempt = timeout(MIGRATE_TIMEOUT, self.migrate()).await;
            let error = match attempt.unwrap_or(Err(MigrateError::Execute(no_answer()))) {
                Ok(identity) => {
                    self.identity.get_or_init(|| identity);
                    return Ok(());
                }
                Err(error) => error,
            };
            let is_lasting = !matches!(error, MigrateError::Execute(_));
            if is_lasting || Instant::now() >= deadline {
                return Err(error).with_context(|| format!("cannot open {}", self.url));
            }
            tracing::warn!(%error, "cannot open {} yet", self.url);
            if !sleep_unless(stop, OPEN_BACKOFF.wait(failures)).await {
                break;
            }
        }
        Ok(())
    }

    async fn migrate(&self) -> Result<String, MigrateError> {
        let pool = PgPoolOptions::new().max_connections(1);
        let pool = pool.acquire_timeout(CONNECT_TIMEOUT);
        let pool = pool.connect_with(options(&self.url, "60s")).await?;
        // Under an advisory lock, so that of several processes one migrates and the others wait.
        MIGRATIONS.run(&pool).await?;
        let (identity,) = query_as(IDENTITY).fetch_one(&pool).await?;
        Ok(identity)
    }

    /// What names the database in the cache.
    pub(super) fn identity(&self) -> Result<&str, StoreError> {
        let unknown = || StoreError::Refused("it has not been opened yet".to_owned());
        self.identity.get().map(String::as_str).ok_or_else(unknown)
    }

    pub(super) async fn find_record(&self, id: &RecordId) -> Result<Option<i64>, StoreError> {
        let found = self.fetch(of(FIND, id)).await?;
        Ok(found.first().map(|&(value,)| value))
    }

    pub(super) async fn delete_record(
        &self,
        id: &RecordId,
        is_stale: bool,
    ) -> Result<bool, StoreError> {
        let deleted = self.fetch::<(i64,)>(of(DELETE, id).bind(is_stale)).await?;
        Ok(!deleted.is_empty())
    }

    pub(super) async fn create_record(
        &self,
        id: &RecordId,
        value: i64,
        claim: Option<&Claim>,
        is_stale: bool,
    ) -> Result<Once<Written, i64>, StoreError> {
        let create = of(CREATE, id).bind(is_stale).bind(value);
        self.write(create, claim).await
    }

    pub(super) async fn change_value(
        &self,
        id: &RecordId,
        change: Change,
        claim: Option<&Claim>,
        is_stale: bool,
    ) -> Result<Once<Written, i64>, StoreError> {
        let (statement, number) = match change {
            Change::Increment(number) => (INCREMENT, number),
            Change::Decrement(number) => (DECREMENT, number),
        };
        let change = of(statement, id).bind(is_stale).bind(number);
        self.write(change, claim).await
    }

    /// Records that are stale in the cache, each with the number of its last such change.
    pub(super) async fn find_stale(&self) -> Result<Vec<(String, String, i64)>, StoreError> {
        Ok(self.fetch(query_as(FIND_STALE)).await?)
    }

    /// Forgets changes whose records were removed from the cache.
    pub(super) async fn forget_stale(&self, changes: Vec<i64>) -> Result<(), StoreError> {
        let forget = query_as(FORGET_STALE).bind(changes);
        self.fetch::<(i64,)>(forget).await?;
        Ok(())
    }

    pub(super) async fn sweep_claims(&self) -> Result<(), StoreError> {
        self.fetch::<(i64,)>(query_as(SWEEP_CLAIMS)).await?;
        Ok(())
    }

    /// Whether the database answers, for people.
    pub(super) async fn state(&self) -> Result<String, String> {
        match self.fetch::<(String,)>(query_as(IDENTITY)).await {
            Ok(_) => Ok("ok".to_owned()),
            Err(failure) => Err(StoreError::from(failure).to_string()),
        }
    }

    /// Writes a record, and the claim of its request. A repeated request finds its claim, and gets
    /// the answer that the claim recorded, in any state of the record.
    async fn write(
        &self,
        statement: QueryAs<'_, Postgres, (i64,), PgArguments>,
        claim: Option<&Claim>,
    ) -> Result<Once<Written, i64>, StoreError> {
        let statement = statement
            .bind(claim.map(|claim| claim.key().hash()))
            .bind(claim.map(Claim::fingerprint));
        let written = match self.fetch(statement).await {
            Ok(rows) => match rows.first() {
                Some(&(value,)) => return Ok(Once::Now(Written::Value(value))),
                None => Written::Nothing,
            },
            Err(Failure::Claimed) => Written::Nothing,
            Err(Failure::Overflow) => Written::Overflow,
            Err(Failure::Error(error)) => return Err(error),
        };
        let before = self.find_claim(claim).await?;
        Ok(before.unwrap_or(Once::Now(written)))
    }

    async fn find_claim(
        &self,
        claim: Option<&Claim>,
    ) -> Result<Option<Once<Written, i64>>, StoreError> {
        let Some(claim) = claim else { return Ok(None) };
        let find = query_as(FIND_CLAIM).bind(claim.key().hash());
        let found: Vec<(String, i64)> = self.fetch(find).await?;
        Ok(found.first().map(|(fingerprint, answer)| {
            if fingerprint == claim.fingerprint() {
                Once::Before(*answer)
            } else {
                Once::KeyReused
            }
        }))
    }

    /// Runs one statement, and answers its rows.
    async fn fetch<O>(
        &self,
        statement: QueryAs<'_, Postgres, O, PgArguments>,
    ) -> Result<Vec<O>, Failure>
    where
        O: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        if !self.breaker.admits(Instant::now()) {
            let reason = "it failed several times a moment ago".to_owned();
            return Err(Failure::Error(StoreError::Refused(reason)));
        }
        let mut connection = match self.pool.acquire().await {
            Ok(connection) => connection,
            Err(error) => return Err(self.failed(StoreError::unsent(&error))),
        };
        let answer = timeout(STATEMENT_TIMEOUT, statement.fetch_all(&mut *connection)).await;
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
            _ => match StoreError::sent(&error) {
                error @ StoreError::Broken(_) => Failure::Error(error),
                error => {
                    // The answer may still be on its way, for a request that is gone.
                    connection.close_on_drop();
                    return Err(self.failed(error));
                }
            },
        };
        self.answers();
        Err(failure)
    }

    fn answers(&self) {
        if self.breaker.succeeded() {
            tracing::info!("{} answers again", self.url);
        }
    }

    fn failed(&self, error: StoreError) -> Failure {
        if self.breaker.failed(Instant::now()) {
            tracing::warn!(%error, "{} is left alone, except for an attempt each {OPEN_FOR:?}", self.url);
        }
        Failure::Error(error)
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

/// How connections are made: a statement that takes longer than `limit` is ended by the server.
fn options(url: &DatabaseUrl, limit: &str) -> PgConnectOptions {
    url.options()
        .application_name("records")
        .options([
            (SERVER_TIMEOUT.0, limit),
            ("client_min_messages", "warning"),
        ])
        .disable_statement_logging()
}

/// A statement about one record.
fn of<'q, O>(statement: &'static str, id: &'q RecordId) -> QueryAs<'q, Postgres, O, PgArguments>
where
    O: for<'r> FromRow<'r, PgRow>,
{
    query_as(statement)
        .bind(id.user_id.as_str())
        .bind(id.key.as_str())
}

fn no_answer() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}
