//! The todos in Postgres. `api` reads them, and `worker` alone changes them.

use std::iter;
use std::sync::Arc;
use std::time::Duration;

use postgres::{Connections, Limits, StoreError};
use shared::base::shutdown::Shutdown;
use shared::http::page::Limit;
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::QueryAs;
use sqlx::{FromRow, Postgres, query_as};
use tokio::time::timeout;

mod apply;

pub use apply::{Applied, Step};

use crate::config::DatabaseSettings;
use crate::domain::{ChangeId, Description, Position, Title, Todo, TodoId};
use crate::kafka::Receipt;

/// The todos in Postgres. Cheap to clone.
#[derive(Clone)]
pub struct TodoStore {
    connections: Arc<Connections>,
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

static MIGRATIONS: Migrator = sqlx::migrate!();

const LIMITS: Limits = Limits {
    service: "todos",
    // Postgres allows 100 in all by default.
    connections: 10,
    connect: Duration::from_secs(2),
    answer: Duration::from_secs(8),
    // A process that freezes inside its transaction would keep the row of its position locked.
    server: Duration::from_secs(5),
};
/// Longest wait for the answer to a question of a client, a connection included.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(3);

impl TodoStore {
    /// The store in this database. It connects when it is first asked.
    pub fn new(settings: &DatabaseSettings) -> Self {
        let connections = Arc::new(Connections::new(&settings.url, LIMITS));
        Self { connections }
    }

    /// Waits until the database is there, and brings its tables up to date. Gives up after the last
    /// attempt of `settings`. Returns `Ok` as well when the process stops.
    pub async fn open(
        &self,
        settings: &DatabaseSettings,
        shutdown: &Shutdown,
    ) -> anyhow::Result<()> {
        let waits = iter::repeat_n(settings.retry_delay, settings.attempts - 1);
        let opening = self
            .connections
            .open(&MIGRATIONS, "SELECT 'open'", waits, shutdown);
        opening.await.map(drop)
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        in_time(self.connections.ping()).await
    }

    /// A todo, and the change that created it.
    pub async fn find(&self, id: TodoId) -> Result<Option<Stored>, StoreError> {
        let find = query_as::<_, Row>(
            "SELECT id::text, title, description, completed, created_by::text FROM todos
             WHERE id = $1::uuid",
        );
        let rows = self.ask(find.bind(id.to_string())).await?;
        rows.into_iter().next().map(Row::stored).transpose()
    }

    /// Up to `limit` todos behind the todo `after`, by their ids.
    pub async fn list(&self, after: Option<TodoId>, limit: Limit) -> Result<Vec<Todo>, StoreError> {
        let limit = i64::try_from(limit.get()).unwrap_or(i64::MAX);
        let list = query_as::<_, Row>(
            "SELECT id::text, title, description, completed, created_by::text FROM todos
             WHERE $1::uuid IS NULL OR id > $1::uuid ORDER BY id LIMIT $2",
        );
        let list = list.bind(after.map(|id| id.to_string())).bind(limit);
        let rows = self.ask(list).await?;
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
        Ok(Look::Applied(self.find(id).await?))
    }

    /// How far a partition was applied.
    pub async fn position(&self, partition: i32) -> Result<Position, StoreError> {
        let find = query_as::<_, (i64, String)>(
            "SELECT next_offset, fingerprint FROM positions WHERE partition = $1",
        );
        let mut rows = self.ask(find.bind(partition)).await?;
        let (next_offset, fingerprint) = rows.pop().unwrap_or_default();
        Ok(Position {
            next_offset,
            fingerprint,
        })
    }

    /// Asks one question, and answers its rows.
    async fn ask<O>(
        &self,
        question: QueryAs<'_, Postgres, O, PgArguments>,
    ) -> Result<Vec<O>, StoreError>
    where
        O: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        in_time(self.connections.fetch(question)).await
    }
}

impl Row {
    fn stored(self) -> Result<Stored, StoreError> {
        let no_id = |_| StoreError::Broken("an id is not a UUID".to_owned());
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

/// Waits for the answer to a question of a client, a connection included.
async fn in_time<T>(answer: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let late = || format!("no answer within {QUESTION_TIMEOUT:?}");
    let answer = timeout(QUESTION_TIMEOUT, answer).await;
    answer.unwrap_or_else(|_| Err(StoreError::Unavailable(late())))
}
