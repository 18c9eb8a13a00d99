//! Answers of the API, status by status.

use poem_openapi::ApiResponse;
use shared::http::conditional::ETag;
use shared::http::json::Json;

use super::body::{ItemBody, TicketBody};

/// A write that was queued.
#[derive(ApiResponse)]
pub(super) enum WriteResponse {
    /// With `wait=applied`: the write has ended. It was applied, or it failed.
    #[oai(status = 200)]
    Ended(
        Json<TicketBody>,
        /// Where the ticket is.
        #[oai(header = "Location")]
        String,
        /// `true` when the same request was made before with this key: nothing was queued now.
        #[oai(header = "Idempotent-Replayed")]
        Option<bool>,
    ),
    /// The write is queued.
    #[oai(status = 202)]
    Queued(
        Json<TicketBody>,
        /// Where the ticket is.
        #[oai(header = "Location")]
        String,
        /// `true` when the same request was made before with this key: nothing was queued now, and
        /// this is the ticket as it was queued.
        #[oai(header = "Idempotent-Replayed")]
        Option<bool>,
    ),
}

/// An item.
#[derive(ApiResponse)]
pub(super) enum GetResponse {
    /// The item.
    #[oai(status = 200)]
    Found(
        Json<ItemBody>,
        /// The version of the item.
        #[oai(header = "ETag")]
        ETag,
    ),
    /// The item still has a version that the client has.
    #[oai(status = 304)]
    NotModified(
        /// The version of the item.
        #[oai(header = "ETag")]
        ETag,
    ),
}
