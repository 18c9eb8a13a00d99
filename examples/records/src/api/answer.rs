//! Answers of the API, status by status.

use poem_openapi::ApiResponse;
use shared::http::json::Json;

use super::body::{FoundBody, RecordBody};

#[derive(ApiResponse)]
pub(super) enum CreateResponse {
    /// The record was created.
    #[oai(status = 201)]
    Created(
        Json<RecordBody>,
        /// `true` when the same request was made before with this key: nothing was done now, and
        /// this is the record as it was created.
        #[oai(header = "Idempotent-Replayed")]
        Option<bool>,
    ),
}

#[derive(ApiResponse)]
pub(super) enum GetResponse {
    /// The record, and whether its value was found in the cache.
    #[oai(status = 200)]
    Found(Json<FoundBody>),
}

#[derive(ApiResponse)]
pub(super) enum ChangeResponse {
    /// The record after the change.
    #[oai(status = 200)]
    Changed(
        Json<RecordBody>,
        /// `true` when the same request was made before with this key: nothing was done now, and
        /// this is the record as it stood then.
        #[oai(header = "Idempotent-Replayed")]
        Option<bool>,
    ),
}

#[derive(ApiResponse)]
pub(super) enum DeleteResponse {
    /// The record was deleted.
    #[oai(status = 204)]
    Deleted,
}
