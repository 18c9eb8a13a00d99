//! The todos in Postgres. `api` reads them, and `worker` alone changes them.

use std::time::Duration;

use anyhow::bail;
use shared::base::shutdown::{Shutdown, sleep_unless};
use shared::http::page::Limit;
use sqlx::postgres::{PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, FromRow};
use tokio::time::timeout;

mod apply;
mod error;

pub use apply::{Applied, Step};
pub use error::StoreError;

use crate::config::DatabaseSettings;
use crate::domain::{ChangeId, Description, Position, Title, Todo, TodoId};
use crate::kafka::Receipt;

/// The todos in Postgres. Cheap to clone.
#[derive(Clone)]
pub struct TodoStore {
    pool: PgPool,
}

/// A todo, and the change that created it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The todo.
    pub todo: Todo,
    /// The change that created it.
    pub created_by: ChangeId,
}

/// What a client that waits for its message finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// The message was not applied yet.
    NotYet,
    /// The message was applied. This is the todo now, if there is one.
    Applied(Option<Stored>),
}

/// A row of the table `todos`.
#[derive(FromRow)]
struct Row {
    id: String,
    title: String,
    description: Option<String>,
    completed: bool,
    created_by: String,
}

/// Most connections of a process. Postgres allows 100 in all by default.
const MAX_CONNECTIONS: u32 = 10;
/// Longest wait for a connection.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest time that Postgres works on a statement before it breaks the statement off, and longest
/// time that it waits for the next statement of a transaction. A process that freezes inside its
/// transaction would keep the row of its position locked.
const STATEMENT_TIMEOUT: &str = "5s";
/// Longest wait for an answer, a connection included. A server that is silent never answers.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);
/// Longest wait for the answer to a question of a client, a connection included.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(3);

/// The encoding that a database must have, so that it takes every text.
const ENCODING: &str = "UTF8";

impl TodoStore {
    /// The store in this database. It connects when it is first asked.
    pub fn new(settings: &DatabaseSettings) -> Self {
        let options = settings.url.options().clone();
        let options = options
            .application_name("todos")
            .options([
                ("statement_timeout", STATEMENT_TIMEOUT),
                ("idle_in_transaction_session_timeout", STATEMENT_TIMEOUT),
                ("client_min_messages", "warning"),
            ])
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .acquire_timeout(CONNECTION_TIMEOUT)
            .connect_lazy_with(options);
        Self { pool }
    }

    /// Waits until the database is there, and brings its tables up to date. Gives up after the last
    /// attempt of `settings`. Returns `Ok` as well when the process stops.
    pub async fn open(
        &self,
        settings: &DatabaseSettings,
        shutdown: &Shutdown,
    ) -> anyhow::Result<()> {
        let DatabaseSettings {
            url,
            attempts,
            retry_delay,
        } = settings;
        let mut reason = String::new();
        for attempt in 1..=*attempts {
            match self.migrate().await {
                Ok(()) => return Ok(()),
                Err(error) => reason = error.to_string(),
            }
            tracing::warn!(attempt, attempts, "not ready: {reason}");
            if attempt < *attempts && !sleep_unless(shutdown, *retry_delay).await {
                return Ok(());
            }
        }
        bail!(
            "gave up on the database {url} after {attempts} attempts, {retry_delay:?} apart: {reason}"
        )
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let answer = sqlx::query("SELECT 1").execute(&self.pool);
        within(QUESTION_TIMEOUT, answer).await.map(drop)
    }

    /// A todo, if it exists.
    pub async fn find(&self, id: TodoId) -> Result<Option<Todo>, StoreError> {
        Ok(self.find_stored(id).await?.map(|stored| stored.todo))
    }

    /// A todo, and the change that created it.
    pub async fn find_stored(&self, id: TodoId) -> Result<Option<Stored>, StoreError> {
        let row = sqlx::query_as::<_, Row>(
            "SELECT id::text, title, description, completed, created_by::text FROM todos
             WHERE id = $1::uuid",
        )
        .bind(id.to_string())
        .fetch_optional(&self.pool);
        let row = within(QUESTION_TIMEOUT, row).await?;
        row.map(Row::stored).transpose()
    }

    /// Up to `limit` todos behind the todo `after`, by their ids.
    pub async fn list(&self, after: Option<TodoId>, limit: Limit) -> Result<Vec<Todo>, StoreError> {
        let limit = i64::try_from(limit.get()).unwrap_or(i64::MAX);
        let rows = sqlx::query_as::<_, Row>(
            "SELECT id::text, title, description, completed, created_by::text FROM todos
             WHERE $1::uuid IS NULL OR id > $1::uuid ORDER BY id LIMIT $2",
        )
        .bind(after.map(|id| id.to_string()))
        .bind(limit)
        .fetch_all(&self.pool);
        let rows = within(QUESTION_TIMEOUT, rows).await?;
        rows.into_iter().map(|row| Ok(row.stored()?.todo)).collect()
    }

    /// The todo, once the message of this receipt was applied.
    pub async fn look(&self, receipt: Receipt, id: TodoId) -> Result<Look, StoreError> {
        if receipt.offset < 0 {
            // The broker has the message, but the client library does not know where.
            return Ok(Look::NotYet);
        }
        if self.position(receipt.partition).await?.next_offset <= receipt.offset {
            return Ok(Look::NotYet);
        }
        // This question follows the answer to the first, so it sees the effect of the message.
        Ok(Look::Applied(self.find_stored(id).await?))
    }

    /// How far a partition was applied.
    pub async fn position(&self, partition: i32) -> Result<Position, StoreError> {
        let row = sqlx::query_as::<_, (i64, String)>(
            "SELECT next_offset, fingerprint FROM positions WHERE partition = $1",
        )
        .bind(partition)
        .fetch_optional(&self.pool);
        let row = within(QUESTION_TIMEOUT, row).await?;
        let (next_offset, fingerprint) = row.unwrap_or_default();
        Ok(Position {
            next_offset,
            fingerprint,
        })
    }

    /// Brings the tables up to date.
    async fn migrate(&self) -> Result<(), StoreError> {
        // The pool tries again while the server refuses connections, and then only says that it
        // has waited in vain. One connection beside the pool tells the reason.
        let options = self.pool.connect_options();
        let reach = async { PgConnection::connect_with(&options).await?.close().await };
        within(ANSWER_TIMEOUT, reach).await?;
        let encoding =
            sqlx::query_scalar::<_, String>("SHOW server_encoding").fetch_one(&self.pool);
        let encoding = within(ANSWER_TIMEOUT, encoding).await?;
        if encoding != ENCODING {
            let refused = format!("its encoding is {encoding}, not {ENCODING}");
            return Err(StoreError::Refused(refused));
        }
        let migrations = sqlx::migrate!();
        within(ANSWER_TIMEOUT, async {
            Ok(migrations.run(&self.pool).await?)
        })
        .await
    }
}

impl Row {
    fn stored(self) -> Result<Stored, StoreError> {
        let no_id = |_| StoreError::Refused("an id in the database is not a UUID".to_owned());
        let todo = Todo {
            id: self.id.parse().map_err(no_id)?,
            title: Title::stored(self.title),
            description: self.description.map(Description::stored),
            completed: self.completed,
        };
        let created_by = self.created_by.parse().map_err(no_id)?;
        Ok(Stored { todo, created_by })
    }
}

/// Waits for the answer of the database for at most `limit`.
async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = sqlx::Result<T>>,
) -> Result<T, StoreError> {
    match timeout(limit, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(StoreError::Unavailable(format!(
            "no answer within {limit:?}"
        ))),
    }
}
