//! Errors as clients see them: RFC 9457 `application/problem+json`, the same shape for every one of
//! them.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use poem::error::ResponseError;
use poem::http::{HeaderName, HeaderValue, StatusCode, header};
use poem::{IntoResponse, Response};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiResponse, Object};
use serde::Serialize;

use crate::redis::RedisError;

/// Media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A kind of problem: everything that is the same each time it happens.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Last segment of its `type`, and its page under `/problems/`.
    pub slug: &'static str,
    /// HTTP status.
    pub status: StatusCode,
    /// One line for people.
    pub title: &'static str,
    /// What the client can do about it.
    pub advice: &'static str,
}

/// A problem that happened.
#[derive(Debug)]
pub struct Problem {
    kind: &'static Kind,
    detail: String,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
    allow: Option<HeaderValue>,
}

/// One field that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Object)]
pub struct FieldError {
    /// JSON pointer to the field, such as `#/price`.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

/// A problem as it stands in the body.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Problem")]
pub struct ProblemBody {
    /// The kind of problem: `/problems/{slug}` is a page about it.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    kind: String,
    /// The kind, in words.
    title: String,
    /// HTTP status.
    status: u16,
    /// What happened this time.
    detail: String,
    /// The path that was asked for.
    instance: String,
    /// Quote this when asking for help.
    request_id: String,
    /// Every field that is wrong, where that is the problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<FieldError>>,
}

macro_rules! kinds {
    ($($name:ident $slug:literal $status:ident $title:literal $advice:literal)*) => {
        $(
            #[doc = $title]
            pub static $name: Kind =
                Kind { slug: $slug, status: StatusCode::$status, title: $title, advice: $advice };
        )*
        /// Every kind there is.
        pub static KINDS: &[&Kind] = &[$(&$name),*];
    };
}

kinds! {
    MALFORMED_BODY "malformed-body" BAD_REQUEST "The body is not JSON"
        "Send one JSON object."
    INVALID_PARAMETER "invalid-parameter" BAD_REQUEST "A parameter is invalid"
        "The detail names the parameter and what it must look like."
    INVALID_CURSOR "invalid-cursor" BAD_REQUEST "The cursor is invalid"
        "Take cursors only from the Link header of an earlier page."
    NOT_FOUND "not-found" NOT_FOUND "There is nothing here"
        "Check the path and the id."
    PRODUCT_NOT_FOUND "product-not-found" NOT_FOUND "There is no such product"
        "Order a product that GET /products of the inventory service lists."
    METHOD_NOT_ALLOWED "method-not-allowed" METHOD_NOT_ALLOWED "This method is not allowed here"
        "The Allow header lists the methods that are."
    REQUEST_TIMEOUT "request-timeout" REQUEST_TIMEOUT "The request took too long to arrive"
        "Send the whole body without pauses."
    INSUFFICIENT_STOCK "insufficient-stock" CONFLICT "Not enough stock"
        "Order fewer, or try again once there is more."
    ORDER_NOT_CANCELLABLE "order-not-cancellable" CONFLICT "The order can no longer be cancelled"
        "Only a pending order can be cancelled."
    IDEMPOTENCY_IN_PROGRESS "idempotency-in-progress" CONFLICT
        "The first request with this idempotency key is still running"
        "Send the same request again after the time in Retry-After."
    PRECONDITION_FAILED "precondition-failed" PRECONDITION_FAILED "It has changed in the meantime"
        "Get it again, look at what changed, and send the new ETag in If-Match."
    BODY_TOO_LARGE "body-too-large" PAYLOAD_TOO_LARGE "The body is too large"
        "No request needs more than 16 KiB."
    UNSUPPORTED_MEDIA_TYPE "unsupported-media-type" UNSUPPORTED_MEDIA_TYPE "This media type is not understood"
        "Send application/json."
    VALIDATION_FAILED "validation-failed" UNPROCESSABLE_ENTITY "Some fields are invalid"
        "The list of errors names every field and what is wrong with it."
    IDEMPOTENCY_KEY_REUSED "idempotency-key-reused" UNPROCESSABLE_ENTITY
        "The idempotency key belongs to another request"
        "Use a new Idempotency-Key for a new intent."
    PRECONDITION_REQUIRED "precondition-required" PRECONDITION_REQUIRED
        "This change must name the version it is meant for"
        "Get it first, and send its ETag in If-Match."
    RATE_LIMITED "rate-limited" TOO_MANY_REQUESTS "Too many requests from this address"
        "Try again after the time in Retry-After. The RateLimit headers tell what is left."
    INTERNAL "internal" INTERNAL_SERVER_ERROR "Something went wrong here"
        "Try again; if it stays, quote the request_id."
    BAD_UPSTREAM "bad-upstream" BAD_GATEWAY "The inventory service answered nonsense"
        "No order was made. Try again later."
    NOT_READY "not-ready" SERVICE_UNAVAILABLE "This process is not ready"
        "Try again in a moment; the detail says what is missing."
    STORE_UNAVAILABLE "store-unavailable" SERVICE_UNAVAILABLE "The store cannot be reached"
        "Try again. With an Idempotency-Key nothing happens twice."
    INVENTORY_UNAVAILABLE "inventory-unavailable" SERVICE_UNAVAILABLE "The inventory service cannot be reached"
        "No order was made. Try again after the time in Retry-After."
    OVERLOADED "overloaded" SERVICE_UNAVAILABLE "Too many requests at once"
        "Try again after the time in Retry-After."
    DEADLINE_EXCEEDED "deadline-exceeded" GATEWAY_TIMEOUT "The request took too long"
        "Try again. With an Idempotency-Key nothing happens twice."
}

/// What a client is asked to wait when a store is away, in whole seconds.
pub const RETRY_AFTER: Duration = Duration::from_secs(5);

impl Problem {
    /// A problem of this kind; `detail` tells what happened this time.
    pub fn new(kind: &'static Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), retry_after: None, allow: None }
    }

    /// Fields that are invalid, all of them.
    pub fn invalid_fields(errors: Vec<FieldError>) -> Self {
        let detail = match errors.len() {
            1 => "1 field is invalid".to_owned(),
            count => format!("{count} fields are invalid"),
        };
        Self { errors, ..Self::new(&VALIDATION_FAILED, detail) }
    }

    /// Adds `Retry-After`.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// Adds `Allow`.
    #[must_use]
    pub fn allow(self, methods: HeaderValue) -> Self {
        Self { allow: Some(methods), ..self }
    }

    /// Its kind.
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// The answer to a request for `instance`.
    pub fn respond(self, instance: &str, request_id: &str) -> Response {
        let Kind { slug, status, title, .. } = self.kind;
        let body = ProblemBody {
            kind: format!("/problems/{slug}"),
            title: (*title).to_owned(),
            status: status.as_u16(),
            detail: self.detail,
            instance: instance.to_owned(),
            request_id: request_id.to_owned(),
            errors: (!self.errors.is_empty()).then_some(self.errors),
        };
        let body = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = Response::builder()
            .status(*status)
            .content_type(PROBLEM_JSON)
            .body(body)
            .into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let retry_after = self.retry_after.map(|wait| HeaderValue::from(wait.as_secs().max(1)));
        let optional: [(HeaderName, Option<HeaderValue>); 2] =
            [(header::RETRY_AFTER, retry_after), (header::ALLOW, self.allow)];
        for (name, value) in optional {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
        response
    }
}

impl From<RedisError> for Problem {
    fn from(error: RedisError) -> Self {
        match error {
            RedisError::Unavailable(reason) => {
                tracing::warn!(reason, "the store is not available");
                Self::new(
                    &STORE_UNAVAILABLE,
                    "the store cannot be used just now; whether a change was made is unknown",
                )
                .retry_after(RETRY_AFTER)
            }
            RedisError::Refused(reason) => {
                tracing::error!(reason, "the store refused a command");
                Self::new(&INTERNAL, "an unexpected error; it has been logged")
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.title, self.detail)
    }
}

impl std::error::Error for Problem {}

/// Lets handlers return problems as errors. The HTTP layer turns them into responses, since only it
/// knows the path and the request id; [`ResponseError::as_response`] never runs there.
impl ResponseError for Problem {
    fn status(&self) -> StatusCode {
        self.kind.status
    }
}

/// Documents that every operation may answer a problem.
impl ApiResponse for Problem {
    fn meta() -> MetaResponses {
        let content =
            MetaMediaType { content_type: PROBLEM_JSON, schema: ProblemBody::schema_ref() };
        MetaResponses {
            responses: vec![MetaResponse {
                description: "A problem (RFC 9457)",
                status: None,
                status_range: None,
                content: vec![content],
                headers: Vec::new(),
            }],
        }
    }

    fn register(registry: &mut Registry) {
        ProblemBody::register(registry);
    }
}

/// The page about a kind of problem, or `None` where there is no such kind.
pub fn page(slug: &str) -> Option<String> {
    let kind = KINDS.iter().find(|kind| kind.slug == slug)?;
    let Kind { title, status, advice, .. } = kind;
    let name: Cow<'_, str> = status.canonical_reason().unwrap_or_default().into();
    Some(format!("# {title}\n\nStatus {} {name}.\n\n{advice}\n", status.as_u16()))
}
