//! The operations on one todo.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::OpenApi;
use shared::http::json::{Body, Json};
use shared::http::parameter::{Path, Query};
use shared::http::problem::{NOT_FOUND, Problem};
use shared::http::request::RequestScope;

use super::answer::{DeleteResponse, UpdateResponse};
use super::body::TodoBody;
use super::params::WaitFor;
use super::{Api, Tag};
use crate::domain::{Action, Change, Todo, TodoId, TodoPatch};
use crate::store::{Look, Stored};

/// The operations on one todo.
pub(super) struct TodoApi(pub(super) Api);

#[OpenApi]
impl TodoApi {
    /// Get a todo.
    #[oai(
        path = "/todos/:todo_id",
        method = "get",
        tag = "Tag::Todos",
        operation_id = "getTodo"
    )]
    async fn get_todo(
        &self,
        /// The id of the todo.
        todo_id: Path<TodoId>,
    ) -> Result<Json<TodoBody>, Problem> {
        Ok(Json(self.find(todo_id.0).await?.into()))
    }

    /// Change a todo.
    ///
    /// Fields that the body does not name stay as they are, also when several clients change
    /// several fields at once. With `wait=applied` the answer is 200 once the change can be read.
    #[oai(
        path = "/todos/:todo_id",
        method = "put",
        tag = "Tag::Todos",
        operation_id = "updateTodo"
    )]
    async fn update_todo(
        &self,
        scope: Data<&Arc<RequestScope>>,
        /// The id of the todo.
        todo_id: Path<TodoId>,
        /// Answer when the change can be read, but after 5 s at the latest.
        wait: Query<Option<WaitFor>>,
        body: Body<TodoPatch>,
    ) -> Result<UpdateResponse, Problem> {
        let (id, patch) = (todo_id.0, body.0);
        let found = self.find(id).await?;
        let permit = self.0.admit(&scope, wait.0)?;
        let change = Change::of(id, Action::Update(patch.clone()));
        let receipt = self.0.publisher.publish(&change, &scope.context).await?;
        match self.0.wait(permit, receipt, id).await {
            Look::NotYet => Ok(UpdateResponse::Accepted(Json(patch.apply(found).into()))),
            Look::Applied(Some(Stored { todo, .. })) => {
                Ok(UpdateResponse::Changed(Json(todo.into())))
            }
            Look::Applied(None) => Err(not_found()),
        }
    }

    /// Delete a todo.
    ///
    /// With `wait=applied` the answer is 204 once the todo is gone.
    #[oai(
        path = "/todos/:todo_id",
        method = "delete",
        tag = "Tag::Todos",
        operation_id = "deleteTodo"
    )]
    async fn delete_todo(
        &self,
        scope: Data<&Arc<RequestScope>>,
        /// The id of the todo.
        todo_id: Path<TodoId>,
        /// Answer when the todo is gone, but after 5 s at the latest.
        wait: Query<Option<WaitFor>>,
    ) -> Result<DeleteResponse, Problem> {
        let id = self.find(todo_id.0).await?.id;
        let permit = self.0.admit(&scope, wait.0)?;
        let change = Change::of(id, Action::Delete);
        let receipt = self.0.publisher.publish(&change, &scope.context).await?;
        Ok(match self.0.wait(permit, receipt, id).await {
            Look::NotYet => DeleteResponse::Accepted,
            Look::Applied(_) => DeleteResponse::Deleted,
        })
    }
}

impl TodoApi {
    async fn find(&self, id: TodoId) -> Result<Todo, Problem> {
        let found = self.0.find(id).await?;
        found.map(|stored| stored.todo).ok_or_else(not_found)
    }
}

fn not_found() -> Problem {
    Problem::new(&NOT_FOUND, "there is no such todo")
}
