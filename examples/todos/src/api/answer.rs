//! Answers of the API, status by status.

use poem_openapi::ApiResponse;
use shared::http::json::Json;

use super::body::TodoBody;

#[derive(ApiResponse)]
pub(super) enum CreateResponse {
    /// The todo was created, and can be read.
    #[oai(status = 201)]
    Created(
        Json<TodoBody>,
        /// Where the todo is.
        #[oai(header = "Location")]
        String,
        /// `true` when the same request was made before with this key: nothing was published now.
        #[oai(header = "Idempotent-Replayed")]
        Option<bool>,
    ),
    /// The broker has the todo. It can be read once the consumer has applied it. If the client gave
    /// the id, and the change of another client with this id comes first, this todo is not created.
    #[oai(status = 202)]
    Accepted(
        Json<TodoBody>,
        /// Where the todo will be.
        #[oai(header = "Location")]
        String,
        /// `true` when the same request was made before with this key: nothing was published now.
        #[oai(header = "Idempotent-Replayed")]
        Option<bool>,
    ),
}

#[derive(ApiResponse)]
pub(super) enum ListResponse {
    /// A page of todos.
    #[oai(status = 200)]
    Page(
        Json<Vec<TodoBody>>,
        /// The next page, as `<path>; rel="next"`; absent on the last one.
        #[oai(header = "Link")]
        Option<String>,
    ),
}

#[derive(ApiResponse)]
pub(super) enum UpdateResponse {
    /// The todo after the change.
    #[oai(status = 200)]
    Changed(Json<TodoBody>),
    /// The broker has the change. This is the todo as it was read, with the change. Other changes
    /// that the broker has may come before.
    #[oai(status = 202)]
    Accepted(Json<TodoBody>),
}

#[derive(ApiResponse)]
pub(super) enum DeleteResponse {
    /// The broker has the deletion. The todo can be read until the consumer has applied it.
    #[oai(status = 202)]
    Accepted,
    /// The todo is deleted.
    #[oai(status = 204)]
    Deleted,
}
