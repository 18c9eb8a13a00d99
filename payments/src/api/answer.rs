//! Answers of the API, status by status.

use poem_openapi::ApiResponse;
use shared::http::conditional::ETag;
use shared::http::json::Json;

use super::body::OrderBody;

/// An order that was placed.
#[derive(ApiResponse)]
pub(super) enum PlaceResponse {
    /// The order is accepted and will be paid after its delay.
    #[oai(status = 201)]
    Created(
        Json<OrderBody>,
        /// Where the order is.
        #[oai(header = "Location")]
        String,
        /// `true` when the same request was made before with this key: nothing was done now.
        #[oai(header = "Idempotent-Replayed")]
        Option<bool>,
        /// The version of the order.
        #[oai(header = "ETag")]
        ETag,
    ),
}

/// An order.
#[derive(ApiResponse)]
pub(super) enum GetResponse {
    /// The order.
    #[oai(status = 200)]
    Found(
        Json<OrderBody>,
        /// The version of the order.
        #[oai(header = "ETag")]
        ETag,
        /// With `wait`: `true` when nothing will happen to the order any more. `false` means that
        /// the time was up.
        #[oai(header = "Order-Final")]
        Option<bool>,
    ),
    /// The order still has a version that the client has.
    #[oai(status = 304)]
    NotModified(
        /// The version of the order.
        #[oai(header = "ETag")]
        ETag,
        /// With `wait`: `true` when nothing will happen to the order any more.
        #[oai(header = "Order-Final")]
        Option<bool>,
    ),
}

/// An order that was cancelled.
#[derive(ApiResponse)]
pub(super) enum CancelResponse {
    /// The order is cancelled, now or since earlier.
    #[oai(status = 200)]
    Cancelled(
        Json<OrderBody>,
        /// `true` when the same request was made before with this key: nothing was done now.
        #[oai(header = "Idempotent-Replayed")]
        Option<bool>,
        /// The version of the order.
        #[oai(header = "ETag")]
        ETag,
    ),
}

/// A page of orders.
#[derive(ApiResponse)]
pub(super) enum ListResponse {
    /// A page of orders, the newest first.
    #[oai(status = 200)]
    Page(
        Json<Vec<OrderBody>>,
        /// The next page, as `<path>; rel="next"`; absent on the last one. A page may be short, or
        /// empty, and still have a next one.
        #[oai(header = "Link")]
        Option<String>,
    ),
}
