//! Answers of the API, status by status.

use poem_openapi::ApiResponse;
use shared::http::conditional::ETag;
use shared::http::json::Json;

use super::body::{MovementBody, ProductBody};

#[derive(ApiResponse)]
pub(super) enum CreateResponse {
    /// The product was created.
    #[oai(status = 201)]
    Created(
        Json<ProductBody>,
        /// Where the product is.
        #[oai(header = "Location")]
        String,
        /// The version of the product.
        #[oai(header = "ETag")]
        ETag,
        /// `true` when the same request was made before with this key: nothing was done now, and
        /// this is the product as it was created.
        #[oai(header = "Idempotent-Replayed")]
        Option<bool>,
    ),
}

#[derive(ApiResponse)]
pub(super) enum ListResponse {
    /// A page of products.
    #[oai(status = 200)]
    Page(
        Json<Vec<ProductBody>>,
        /// The next page, as `<path>; rel="next"`; absent on the last one. A page may be short, or
        /// empty, and still have a next one.
        #[oai(header = "Link")]
        Option<String>,
    ),
}

#[derive(ApiResponse)]
pub(super) enum GetResponse {
    /// The product.
    #[oai(status = 200)]
    Found(
        Json<ProductBody>,
        /// The version of the product.
        #[oai(header = "ETag")]
        ETag,
    ),
    /// The product still has a version that the client has.
    #[oai(status = 304)]
    NotModified(
        /// The version of the product.
        #[oai(header = "ETag")]
        ETag,
    ),
}

#[derive(ApiResponse)]
pub(super) enum ChangeResponse {
    /// The product as it stands now.
    #[oai(status = 200)]
    Changed(
        Json<ProductBody>,
        /// The version of the product.
        #[oai(header = "ETag")]
        ETag,
    ),
}

#[derive(ApiResponse)]
pub(super) enum RestockResponse {
    /// The product with the pieces that arrived.
    #[oai(status = 200)]
    Restocked(
        Json<ProductBody>,
        /// The version of the product.
        #[oai(header = "ETag")]
        ETag,
        /// `true` when the same request was made before with this key: nothing was done now, and
        /// this is the product as it stood then.
        #[oai(header = "Idempotent-Replayed")]
        Option<bool>,
    ),
}

#[derive(ApiResponse)]
pub(super) enum DeleteResponse {
    /// Deleted. Orders in flight for it are refunded.
    #[oai(status = 204)]
    Deleted,
}

#[derive(ApiResponse)]
pub(super) enum MovementsResponse {
    /// A page of movements, the newest first.
    #[oai(status = 200)]
    Page(
        Json<Vec<MovementBody>>,
        /// The next page, as `<path>; rel="next"`; absent on the last one.
        #[oai(header = "Link")]
        Option<String>,
    ),
}
