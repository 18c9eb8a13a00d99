//! The greeting, and the operations on all todos.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::types::Example;
use shared::http::json::{Body, Json};
use shared::http::page::{Limit, Listing};
use shared::http::parameter::Query;
use shared::http::problem::Problem;
use shared::http::request::RequestScope;

use super::answer::{CreateResponse, ListResponse};
use super::body::{GreetingBody, NewTodo};
use super::params::WaitFor;
use super::problems::ID_TAKEN;
use super::{Api, Tag};
use crate::domain::{Action, Change, TodoId};
use crate::store::{Look, Stored};

/// The greeting.
pub(super) struct GreetApi;

/// The operations on all todos. Their paths end with a slash.
pub(super) struct TodosApi(pub(super) Api);

#[OpenApi]
#[expect(clippy::unused_async, reason = "operations are async functions")]
impl GreetApi {
    /// Greet.
    #[oai(path = "/", method = "get", tag = "Tag::Todos", operation_id = "greet")]
    async fn greet(&self) -> Result<Json<GreetingBody>, Problem> {
        Ok(Json(GreetingBody::example()))
    }
}

#[OpenApi]
impl TodosApi {
    /// Create a todo.
    ///
    /// The answer is 202 when the broker has the todo. With `wait=applied` the answer is 201 once
    /// the todo can be read, and 409 if another todo has the id. After 5 s it is 202 as well.
    #[oai(
        path = "/todos",
        method = "post",
        tag = "Tag::Todos",
        operation_id = "createTodo"
    )]
    async fn create_todo(
        &self,
        scope: Data<&Arc<RequestScope>>,
        /// Answer when the todo can be read, but after 5 s at the latest.
        wait: Query<Option<WaitFor>>,
        body: Body<NewTodo>,
    ) -> Result<CreateResponse, Problem> {
        let NewTodo { todo, is_own_id } = body.0;
        // A new id is not taken. So a todo without an id is accepted while the database is down.
        if is_own_id && self.0.store.find(todo.id).await?.is_some() {
            return Err(id_taken(todo.id));
        }
        let location = format!("/todos/{}", todo.id);
        let change = Change::of(todo.id, Action::Create(todo.clone()));
        let receipt = self.0.publisher.publish(&change, &scope.context).await?;
        match self.0.wait(&scope, wait.0, receipt, todo.id).await {
            Look::Applied(Some(Stored { created_by, .. })) if created_by != change.change_id => {
                Err(id_taken(todo.id))
            }
            Look::Applied(Some(Stored { todo, .. })) => {
                Ok(CreateResponse::Created(Json(todo.into()), location))
            }
            // The todo was not applied yet, or another client has deleted it already.
            _ => Ok(CreateResponse::Accepted(Json(todo.into()), location)),
        }
    }

    /// List todos.
    ///
    /// They are in the order of their ids. The ids that this service makes are in the order of
    /// time.
    #[oai(
        path = "/todos",
        method = "get",
        tag = "Tag::Todos",
        operation_id = "listTodos"
    )]
    async fn list_todos(
        &self,
        /// Todos on the page, 1 to 100.
        #[oai(default)]
        limit: Query<Limit>,
        /// Where the page begins; take it from `Link`.
        cursor: Query<Option<String>>,
    ) -> Result<ListResponse, Problem> {
        let listing = Listing::at("/todos/");
        let after = listing.position(cursor.0.as_deref())?;
        let todos = self.0.store.list(after, limit.0).await?;
        let is_full = todos.len() == limit.0.get();
        let next = todos.last().map(|todo| todo.id).filter(|_| is_full);
        let todos = todos.into_iter().map(Into::into).collect();
        Ok(ListResponse::Page(Json(todos), listing.link(limit.0, next)))
    }
}

fn id_taken(id: TodoId) -> Problem {
    Problem::new(&ID_TAKEN, format!("there is a todo with the id {id}"))
}
