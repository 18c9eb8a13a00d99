//! Applies messages: the effects and the new position are one transaction.

use postgres::StoreError;
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::TodoStore;
use crate::domain::{
    Action, Change, Description, DescriptionPatch, Effect, Position, Title, Todo, TodoId, TodoPatch,
};

/// The outcome of an attempt to apply messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// The effects of the changes, one for each.
    Done(Vec<Effect>),
    /// Nothing: the position in the database is another one. Another consumer has moved it, or the
    /// database was restored.
    Moved,
}

/// A step of a partition from one position to another.
#[derive(Clone, Debug)]
pub struct Step<'a> {
    /// The partition.
    pub partition: i32,
    /// The position before the messages.
    pub from: &'a Position,
    /// The position behind the messages.
    pub to: &'a Position,
}

impl TodoStore {
    /// Applies `changes` and moves the position, if the position is still `step.from`. The row of
    /// the position is locked until the end, so a consumer that has lost the partition waits, and
    /// then finds the position moved.
    pub async fn apply(&self, step: Step<'_>, changes: &[&Change]) -> Result<Applied, StoreError> {
        let work = async |connection: &mut PgConnection| {
            let mut transaction = connection.begin().await?;
            if !move_position(&mut transaction, &step).await? {
                return Ok(Applied::Moved);
            }
            let mut effects = Vec::with_capacity(changes.len());
            for change in changes {
                effects.push(apply(&mut transaction, change).await?);
            }
            transaction.commit().await?;
            Ok(Applied::Done(effects))
        };
        let link = self.connections.connect().await?;
        self.connections.run(link, work).await
    }
}

/// Moves the position. `false` if it is not where the step begins.
async fn move_position(connection: &mut PgConnection, step: &Step<'_>) -> sqlx::Result<bool> {
    let moved = sqlx::query(
        "INSERT INTO positions AS kept (partition, next_offset, fingerprint)
         SELECT $1, $2, $3 WHERE $4 = 0 OR EXISTS (SELECT FROM positions WHERE partition = $1)
         ON CONFLICT (partition) DO UPDATE
         SET next_offset = excluded.next_offset, fingerprint = excluded.fingerprint
         WHERE kept.next_offset = $4 AND kept.fingerprint = $5",
    )
    .bind(step.partition)
    .bind(step.to.next_offset)
    .bind(&step.to.fingerprint)
    .bind(step.from.next_offset)
    .bind(&step.from.fingerprint)
    .execute(connection)
    .await?;
    Ok(moved.rows_affected() == 1)
}

async fn apply(connection: &mut PgConnection, change: &Change) -> sqlx::Result<Effect> {
    match &change.action {
        Action::Create(todo) => create(connection, change, todo).await,
        Action::Update(patch) => update(connection, change.id, patch).await,
        Action::Delete => delete(connection, change.id).await,
    }
}

async fn create(
    connection: &mut PgConnection,
    change: &Change,
    todo: &Todo,
) -> sqlx::Result<Effect> {
    let created = sqlx::query(
        "INSERT INTO todos (id, title, description, completed, created_by)
         VALUES ($1::uuid, $2, $3, $4, $5::uuid) ON CONFLICT (id) DO NOTHING",
    )
    .bind(todo.id.to_string())
    .bind(todo.title.as_str())
    .bind(todo.description.as_ref().map(Description::as_str))
    .bind(todo.completed)
    .bind(change.change_id.to_string())
    .execute(connection)
    .await?;
    Ok(match created.rows_affected() {
        0 => Effect::IdTaken,
        _ => Effect::Created,
    })
}

async fn update(
    connection: &mut PgConnection,
    id: TodoId,
    patch: &TodoPatch,
) -> sqlx::Result<Effect> {
    let description = match &patch.description {
        DescriptionPatch::Set(text) => Some(text.as_str()),
        DescriptionPatch::Keep | DescriptionPatch::Remove => None,
    };
    let updated = sqlx::query(
        "UPDATE todos SET title = coalesce($2, title),
         description = CASE WHEN $3 THEN $4 ELSE description END,
         completed = coalesce($5, completed) WHERE id = $1::uuid",
    )
    .bind(id.to_string())
    .bind(patch.title.as_ref().map(Title::as_str))
    .bind(patch.description != DescriptionPatch::Keep)
    .bind(description)
    .bind(patch.completed)
    .execute(connection)
    .await?;
    Ok(match updated.rows_affected() {
        0 => Effect::Missing,
        _ => Effect::Updated,
    })
}

async fn delete(connection: &mut PgConnection, id: TodoId) -> sqlx::Result<Effect> {
    let deleted = sqlx::query("DELETE FROM todos WHERE id = $1::uuid")
        .bind(id.to_string())
        .execute(connection)
        .await?;
    Ok(match deleted.rows_affected() {
        0 => Effect::Missing,
        _ => Effect::Deleted,
    })
}
