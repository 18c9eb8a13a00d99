//! Postgres: one method for each statement.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use postgres::{Connections, DatabaseUrl, Limits, Link, StoreError};
use shared::base::backoff::Backoff;
use shared::base::shutdown::Shutdown;
use shared::store::claim::{Claim, Once};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::QueryAs;
use sqlx::{FromRow, Postgres, query_as};

use crate::domain::{Change, RecordId, Written};
use crate::store::statements::{
    CREATE, DECREMENT, DELETE, FIND, FIND_CLAIM, FIND_STALE, FORGET_STALE, IDENTITY, INCREMENT,
    NOTE_STALE, SWEEP_CLAIMS, SWEPT,
};

/// The database of this service.
pub(super) struct Database {
    connections: Connections,
    /// What names the database in the cache. Set when the database is open.
    identity: OnceLock<String>,
}

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Longest wait for a free connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Longest wait for the answer to a statement.
pub(super) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(4);
/// The same, at the server.
const SERVER_TIMEOUT: Duration = Duration::from_secs(3);
/// Most rounds of one sweep of claims.
const MAX_SWEEPS: usize = 100;
/// The code (SQLSTATE) of a number that does not fit.
const OVERFLOW: &str = "22003";
/// The code of an idempotency key that was used before.
const UNIQUE_VIOLATION: &str = "23505";
/// Waits between two attempts to open the database.
const OPEN_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(100),
    max: Duration::from_secs(5),
};

impl Database {
    pub(super) fn new(url: &DatabaseUrl, connections: u32) -> Self {
        let limits = Limits {
            service: "records",
            connections,
            connect: CONNECT_TIMEOUT,
            answer: STATEMENT_TIMEOUT,
            server: SERVER_TIMEOUT,
        };
        Self {
            connections: Connections::new(url, limits),
            identity: OnceLock::new(),
        }
    }

    pub(super) async fn open(&self, patience: Duration, stop: &Shutdown) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        let waits = (1..).map(|failures| OPEN_BACKOFF.wait(failures));
        let waits = waits.take_while(|_| Instant::now() < deadline);
        let opening = self.connections.open(&MIGRATIONS, IDENTITY, waits, stop);
        if let Some(identity) = opening.await? {
            self.identity.get_or_init(|| identity);
        }
        Ok(())
    }

    /// What names the database in the cache.
    pub(super) fn identity(&self) -> Result<&str, StoreError> {
        let unknown = || StoreError::Unavailable("it has not been opened yet".to_owned());
        self.identity.get().map(String::as_str).ok_or_else(unknown)
    }

    /// Waits for a connection, for one change.
    pub(super) async fn connect(&self) -> Result<Link, StoreError> {
        self.connections.connect().await
    }

    pub(super) async fn find_record(&self, id: &RecordId) -> Result<Option<i64>, StoreError> {
        let found = self.connections.fetch(of(FIND, id)).await?;
        Ok(found.first().map(|&(value,)| value))
    }

    pub(super) async fn delete_record(
        &self,
        link: Link,
        id: &RecordId,
        is_stale: bool,
    ) -> Result<bool, StoreError> {
        let delete = of(DELETE, id).bind(is_stale);
        Ok(!self.write(link, delete).await?.is_empty())
    }

    /// Changes a record, and writes the claim of its request. A repeated request finds its claim,
    /// and gets the answer that the claim recorded, in any state of the record.
    pub(super) async fn change_record(
        &self,
        link: Link,
        id: &RecordId,
        change: Change,
        claim: Option<&Claim>,
        is_stale: bool,
    ) -> Result<Once<Written>, StoreError> {
        let (statement, number) = match change {
            Change::Create(value) => (CREATE, value),
            Change::Increment(number) => (INCREMENT, number),
            Change::Decrement(number) => (DECREMENT, number),
        };
        let statement = of(statement, id)
            .bind(is_stale)
            .bind(number)
            .bind(claim.map(|claim| claim.key().hash()))
            .bind(claim.map(Claim::fingerprint));
        let written = match self.write(link, statement).await {
            Ok(rows) => match rows.first() {
                Some(&(value,)) => return Ok(Once::Now(Written::Value(value))),
                None => Written::Nothing,
            },
            Err(error) => match error.code() {
                UNIQUE_VIOLATION => Written::Nothing,
                OVERFLOW => Written::Overflow,
                _ => return Err(error),
            },
        };
        // An earlier request with this key may have made the change.
        let unknown = |error| match error {
            StoreError::Unavailable(reason) => StoreError::Unknown(reason),
            error => error,
        };
        let before = self.find_claim(claim).await.map_err(unknown)?;
        Ok(before.unwrap_or(Once::Now(written)))
    }

    /// Notes that a record is stale in the cache.
    pub(super) async fn note_stale(&self, id: &RecordId) -> Result<(), StoreError> {
        let note = of::<(i64,)>(NOTE_STALE, id);
        self.connections.fetch(note).await?;
        Ok(())
    }

    /// Records that are stale in the cache, each with the number of its last such change.
    pub(super) async fn find_stale(&self) -> Result<Vec<(String, String, i64)>, StoreError> {
        self.connections.fetch(query_as(FIND_STALE)).await
    }

    /// Forgets changes whose records were removed from the cache.
    pub(super) async fn forget_stale(&self, changes: Vec<i64>) -> Result<(), StoreError> {
        let forget = query_as(FORGET_STALE).bind(changes);
        self.connections.fetch::<(i64,)>(forget).await?;
        Ok(())
    }

    pub(super) async fn sweep_claims(&self) -> Result<(), StoreError> {
        for _ in 0..MAX_SWEEPS {
            let sweep = query_as::<_, (i64,)>(SWEEP_CLAIMS);
            if self.connections.fetch(sweep).await?.len() < SWEPT {
                break;
            }
        }
        Ok(())
    }

    /// Whether the database answers, for people.
    pub(super) async fn state(&self) -> Result<String, String> {
        let answer = self.connections.ping().await;
        answer.map_err(|error| error.to_string())?;
        Ok("ok".to_owned())
    }

    /// Writes over this connection, and answers the value that was written or deleted.
    async fn write(
        &self,
        link: Link,
        statement: QueryAs<'_, Postgres, (i64,), PgArguments>,
    ) -> Result<Vec<(i64,)>, StoreError> {
        let write = async |connection: &mut PgConnection| statement.fetch_all(connection).await;
        self.connections.run(link, write).await
    }

    async fn find_claim(&self, claim: Option<&Claim>) -> Result<Option<Once<Written>>, StoreError> {
        let Some(claim) = claim else { return Ok(None) };
        let find = query_as(FIND_CLAIM).bind(claim.key().hash());
        let found: Vec<(String, i64)> = self.connections.fetch(find).await?;
        Ok(found.first().map(|(fingerprint, answer)| {
            if fingerprint == claim.fingerprint() {
                Once::Before(Written::Value(*answer))
            } else {
                Once::KeyReused
            }
        }))
    }
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
