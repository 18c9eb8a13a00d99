//! The greeting, and the operations on all todos.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::OpenApi;
use poem_openapi::types::Example;
use shared::http::idempotency::KeyHeader;
use shared::http::json::{Body, Json};
use shared::http::page::{Limit, Listing};
use shared::http::parameter::Query;
use shared::http::problem::{IDEMPOTENCY_KEY_REUSED, Problem};
use shared::http::request::RequestScope;
use shared::store::claim::Claim;

use super::answer::{CreateResponse, ListResponse};
use super::body::{GreetingBody, NewTodo};
use super::params::WaitFor;
use super::problems::{ID_TAKEN, unanswered};
use super::{Api, Tag};
use crate::domain::{Action, Change, ChangeId, Todo, TodoId};
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
        /// One key for one intent: a repeated request is answered like the first. 1 to 255 visible
        /// ASCII characters.
        #[oai(name = "Idempotency-Key")]
        key: KeyHeader,
        body: Body<NewTodo>,
    ) -> Result<CreateResponse, Problem> {
        let claim = key.claim(&body.0.intent());
        let (change_id, is_own_id) = (change_id(claim.as_ref()), body.0.id.is_some());
        let todo = todo(body.0, claim.as_ref());
        let (id, location) = (todo.id, format!("/todos/{}", todo.id));
        // A new id is not taken. So a todo is accepted without the database if it has a new id.
        if (is_own_id || claim.is_some())
            && let Some(Stored { created_by, .. }) = self.0.find(id).await?
        {
            if claim.is_none() || created_by != change_id {
                return Err(taken(id, is_own_id));
            }
            let answer = match wait.0 {
                Some(WaitFor::Applied) => CreateResponse::Created,
                None => CreateResponse::Accepted,
            };
            return Ok(answer(Json(todo.into()), location, Some(true)));
        }
        let permit = self.0.admit(&scope, wait.0)?;
        let change = Change {
            change_id,
            id,
            action: Action::Create(todo.clone()),
        };
        let receipt = self.0.publisher.publish(&change, &scope.context).await?;
        match self.0.wait(permit, receipt, id).await {
            Look::Applied(Some(Stored { created_by, .. })) if created_by != change_id => {
                Err(taken(id, is_own_id))
            }
            Look::Applied(Some(Stored { todo, .. })) => {
                Ok(CreateResponse::Created(Json(todo.into()), location, None))
            }
            // The todo was not applied yet, or another client has deleted it already.
            _ => Ok(CreateResponse::Accepted(Json(todo.into()), location, None)),
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
        let todos = self
            .0
            .store
            .list(after, limit.0)
            .await
            .map_err(unanswered)?;
        let is_full = todos.len() == limit.0.get();
        let next = todos.last().map(|todo| todo.id).filter(|_| is_full);
        let todos = todos.into_iter().map(Into::into).collect();
        Ok(ListResponse::Page(Json(todos), listing.link(limit.0, next)))
    }
}

/// The id of the change that creates a todo. With a key, a repeated request has the same one, and
/// finds it at its todo.
fn change_id(claim: Option<&Claim>) -> ChangeId {
    claim.map_or_else(ChangeId::mint, |claim| {
        ChangeId::of_request(claim.key().hash(), claim.fingerprint())
    })
}

/// The todo. Its id is that of the client; without one, the key leads to the id.
fn todo(new: NewTodo, claim: Option<&Claim>) -> Todo {
    let of_key = || claim.map(|claim| TodoId::of_key(claim.key().hash()));
    Todo {
        id: new.id.or_else(of_key).unwrap_or_else(TodoId::mint),
        title: new.title,
        description: new.description,
        completed: new.completed,
    }
}

/// The refusal of a todo whose id belongs to another one. An id that came from a key shows that the
/// key was used before.
fn taken(id: TodoId, is_own_id: bool) -> Problem {
    if is_own_id {
        Problem::new(&ID_TAKEN, format!("there is a todo with the id {id}"))
    } else {
        let detail = "this key was used with another body";
        Problem::new(&IDEMPOTENCY_KEY_REUSED, detail)
    }
}
