//! Postgres: one method for each statement.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::Context;
use shared::base::backoff::Backoff;
use shared::base::shutdown::{Shutdown, sleep_unless};
use shared::store::claim::{Claim, Once};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::QueryAs;
use sqlx::{FromRow, Postgres, query_as};
use tokio::time::timeout;

use crate::config::DatabaseUrl;
use crate::domain::{Change, RecordId};
use crate::store::connections::{self, Connections, Failure, Link};
use crate::store::error::StoreError;
use crate::store::statements::{
    CREATE, DECREMENT, DELETE, FIND, FIND_CLAIM, FIND_STALE, FORGET_STALE, IDENTITY, INCREMENT,
    NOTE_STALE, SWEEP_CLAIMS, SWEPT,
};

/// The database of this service.
pub(super) struct Database {
    url: DatabaseUrl,
    connections: Connections,
    /// What names the database in the cache. Set when the database is open.
    identity: OnceLock<String>,
}

/// What a statement wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// The record has this value now.
    Value(i64),
    /// No record was written: the record is missing, or the name of a new one is taken.
    Nothing,
    /// The value would be beyond 64 bits.
    Overflow,
}

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Longest time of one attempt to migrate, also for a migration by another process.
const MIGRATE_TIMEOUT: Duration = Duration::from_mins(1);
/// Most rounds of one sweep of claims.
const MAX_SWEEPS: usize = 100;
/// Waits between two attempts to open the database.
const OPEN_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(100),
    max: Duration::from_secs(5),
};

impl Database {
    pub(super) fn new(url: &DatabaseUrl, connections: u32) -> Self {
        Self {
            url: url.clone(),
            connections: Connections::new(url, connections),
            identity: OnceLock::new(),
        }
    }

    /// Migrates the database, or waits for another process that migrates it.
    pub(super) async fn open(&self, patience: Duration, stop: &Shutdown) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        for failures in 1.. {
            let attempt = timeout(MIGRATE_TIMEOUT, self.migrate()).await;
            let error =
                match attempt.unwrap_or(Err(MigrateError::Execute(connections::no_answer()))) {
                    Ok(identity) => {
                        self.identity.get_or_init(|| identity);
                        return Ok(());
                    }
                    Err(error) => error,
                };
            let is_lasting = !matches!(
                error,
                MigrateError::Execute(_) | MigrateError::ExecuteMigration(..)
            );
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
        let pool = connections::open_one(&self.url).await?;
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

    /// Waits for a connection, for one change.
    pub(super) async fn connect(&self) -> Result<Link, StoreError> {
        self.connections.connect().await
    }

    pub(super) async fn find_record(&self, id: &RecordId) -> Result<Option<i64>, StoreError> {
        let found = self.connections.fetch(of(FIND, id)).await;
        let found = found.map_err(|failure| StoreError::from(failure).of_read())?;
        Ok(found.first().map(|&(value,)| value))
    }

    pub(super) async fn delete_record(
        &self,
        link: Link,
        id: &RecordId,
        is_stale: bool,
    ) -> Result<bool, StoreError> {
        let deleted = self
            .connections
            .fetch_over::<(i64,)>(link, of(DELETE, id).bind(is_stale))
            .await?;
        Ok(!deleted.is_empty())
    }

    pub(super) async fn create_record(
        &self,
        link: Link,
        id: &RecordId,
        value: i64,
        claim: Option<&Claim>,
        is_stale: bool,
    ) -> Result<Once<Written, i64>, StoreError> {
        let create = of(CREATE, id).bind(is_stale).bind(value);
        self.write(link, create, claim).await
    }

    pub(super) async fn change_value(
        &self,
        link: Link,
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
        self.write(link, change, claim).await
    }

    /// Notes that a record is stale in the cache.
    pub(super) async fn note_stale(&self, id: &RecordId) -> Result<(), StoreError> {
        let note = of::<(i64,)>(NOTE_STALE, id);
        self.connections.fetch(note).await?;
        Ok(())
    }

    /// Records that are stale in the cache, each with the number of its last such change.
    pub(super) async fn find_stale(&self) -> Result<Vec<(String, String, i64)>, StoreError> {
        Ok(self.connections.fetch(query_as(FIND_STALE)).await?)
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
        match self
            .connections
            .fetch::<(String,)>(query_as(IDENTITY))
            .await
        {
            Ok(_) => Ok("ok".to_owned()),
            Err(failure) => Err(StoreError::from(failure).to_string()),
        }
    }

    /// Writes a record, and the claim of its request. A repeated request finds its claim, and gets
    /// the answer that the claim recorded, in any state of the record.
    async fn write(
        &self,
        link: Link,
        statement: QueryAs<'_, Postgres, (i64,), PgArguments>,
        claim: Option<&Claim>,
    ) -> Result<Once<Written, i64>, StoreError> {
        let statement = statement
            .bind(claim.map(|claim| claim.key().hash()))
            .bind(claim.map(Claim::fingerprint));
        let written = match self.connections.fetch_over(link, statement).await {
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
        let found: Vec<(String, i64)> = self.connections.fetch(find).await?;
        Ok(found.first().map(|(fingerprint, answer)| {
            if fingerprint == claim.fingerprint() {
                Once::Before(*answer)
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
