//! How a start waits for the database, and brings its tables up to date.

use std::time::Duration;

use anyhow::{bail, ensure};
use shared::base::shutdown::{Shutdown, sleep_unless};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnection, PgPoolOptions};
use sqlx::{Connection, query_scalar};
use tokio::time::timeout;

use crate::connections::{Connections, no_answer, options};

/// Longest time of one attempt to migrate, also for a migration by another process.
const MIGRATE_TIMEOUT: Duration = Duration::from_mins(1);
/// The encoding that a database must have, so that it takes every text.
const ENCODING: &str = "UTF8";

impl Connections {
    /// Migrates the database, or waits for another process that migrates it. Then asks `question`,
    /// and answers its text. Before each further attempt comes one of `waits`: after the last of
    /// them, or after an error that stays, the start fails. Answers `None` when the process stops.
    pub async fn open(
        &self,
        migrations: &Migrator,
        question: &'static str,
        mut waits: impl Iterator<Item = Duration>,
        stop: &Shutdown,
    ) -> anyhow::Result<Option<String>> {
        let mut attempt = 0_u32;
        loop {
            attempt += 1;
            let error = match self.migrate(migrations, question).await {
                Ok(answer) => return Ok(Some(answer)),
                Err(error) => error,
            };
            let wait = if may_pass(&error) { waits.next() } else { None };
            let Some(wait) = wait else {
                bail!("cannot open {}: {error}", self.url);
            };
            tracing::warn!(attempt, %error, "cannot open {} yet", self.url);
            if !sleep_unless(stop, wait).await {
                return Ok(None);
            }
        }
    }

    async fn migrate(
        &self,
        migrations: &Migrator,
        question: &'static str,
    ) -> anyhow::Result<String> {
        let options = options(&self.url, self.limits.service, MIGRATE_TIMEOUT);
        // The pool would only tell that it has waited in vain. A connection beside the pool tells the
        // reason.
        let reach = async {
            let mut connection = PgConnection::connect_with(&options).await?;
            let encoding = query_scalar("SHOW server_encoding");
            encoding.fetch_one(&mut connection).await
        };
        let encoding = timeout(self.limits.answer, reach).await;
        let encoding: String = encoding.unwrap_or_else(|_| Err(no_answer()))?;
        ensure!(
            encoding == ENCODING,
            "its encoding is {encoding}, not {ENCODING}"
        );
        let pool = PgPoolOptions::new().max_connections(1);
        let pool = pool.connect_lazy_with(options);
        let work = async {
            // Under an advisory lock, so that of several processes one migrates and the others
            // wait.
            migrations.run(&pool).await?;
            Ok(query_scalar(question).fetch_one(&pool).await?)
        };
        let answer = timeout(MIGRATE_TIMEOUT, work).await;
        answer.unwrap_or_else(|_| Err(no_answer().into()))
    }
}

/// Whether another attempt may succeed.
fn may_pass(error: &anyhow::Error) -> bool {
    match error.downcast_ref() {
        Some(MigrateError::Execute(_) | MigrateError::ExecuteMigration(..)) => true,
        Some(_) => false,
        None => error.is::<sqlx::Error>(),
    }
}
