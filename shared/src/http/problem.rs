//! Problems: errors as clients see them. All have the same shape, `application/problem+json` (RFC
//! 9457).

use std::fmt;
use std::time::Duration;

use poem::error::ResponseError;
use poem::http::{HeaderValue, header};
use poem::{IntoResponse, Response};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::{Example, Type};
use poem_openapi::{ApiResponse, Object};
use serde::Serialize;

mod kinds;
mod page;
mod told;

pub use kinds::*;
pub(crate) use page::page;
pub use poem::http::StatusCode;
#[cfg(test)]
pub(crate) use told::MAX_TOLD;
pub(crate) use told::{cut, quoted, told};

use crate::contract::id::OrderId;
use crate::http::public_url::PublicUrl;
use crate::redis::RedisError;

/// Media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// A problem that happened.
#[derive(Debug)]
pub struct Problem {
    kind: &'static Kind,
    detail: String,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
    accept_encoding: Option<&'static str>,
}

/// One invalid field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Object)]
#[oai(example)]
pub struct FieldError {
    /// JSON pointer to the field, such as `#/price`.
    pub pointer: String,
    /// What is wrong with the field.
    pub detail: String,
}

/// A problem as the body of an answer.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Problem", skip_serializing_if_is_none, example)]
pub struct ProblemBody {
    /// Address of a page about the kind: `/problems/{slug}`, under the public URL if there is one.
    #[serde(rename = "type")]
    #[oai(rename = "type")]
    kind: String,
    /// The kind, in words.
    title: String,
    /// HTTP status.
    status: u16,
    /// What happened this time.
    detail: String,
    /// The path of the request. A long path is cut.
    instance: String,
    /// Quote this when asking for help.
    request_id: String,
    /// The invalid fields, if that is the problem: at most 50. `detail` says how many more
    /// there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<FieldError>>,
}

/// Most bytes of the path of a request that its answer repeats. Each path of the API is shorter.
const MAX_PATH_BYTES: usize = 500;
/// `Retry-After` of an answer when a store is not available, in whole seconds.
pub const RETRY_AFTER: Duration = Duration::from_secs(5);

impl Problem {
    /// A problem of this kind; `detail` says what happened this time.
    pub fn new(kind: &'static Kind, detail: impl Into<String>) -> Self {
        let (detail, errors) = (detail.into(), Vec::new());
        Self {
            kind,
            detail,
            errors,
            retry_after: None,
            accept_encoding: None,
        }
    }

    /// The problem of a body with invalid fields: those in `errors`, and as many others as `more`
    /// says.
    pub fn invalid_fields(errors: Vec<FieldError>, more: usize) -> Self {
        let listed = errors.len();
        let detail = match (listed, more) {
            (1, 0) => "1 field is invalid".to_owned(),
            (_, 0) => format!("{listed} fields are invalid"),
            _ => format!(
                "{} fields are invalid: {listed} are listed, {more} more are not",
                listed + more
            ),
        };
        Self {
            errors,
            ..Self::new(&VALIDATION_FAILED, detail)
        }
    }

    /// Adds `Retry-After`.
    #[must_use]
    pub fn retry_after(self, wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            ..self
        }
    }

    /// Adds `Accept-Encoding`: the content coding that the body of the request should have.
    #[must_use]
    pub fn accept_encoding(self, coding: &'static str) -> Self {
        Self {
            accept_encoding: Some(coding),
            ..self
        }
    }

    /// The kind of the problem.
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// The answer to a request for `path`. Its references begin with the public URL.
    pub fn respond(self, public_url: Option<&PublicUrl>, path: &str, request_id: &str) -> Response {
        let Self {
            kind,
            retry_after,
            accept_encoding,
            ..
        } = self;
        let mut response = Response::builder()
            .status(kind.status)
            .content_type(PROBLEM_JSON)
            .body(self.body(public_url, path, request_id))
            .into_response();
        let headers = response.headers_mut();
        if let Some(wait) = retry_after {
            // Rounded up, so that a client which waits for this time has waited long enough.
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, seconds.max(1).into());
        }
        if let Some(coding) = accept_encoding {
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(coding));
        }
        response
    }

    /// The body of the answer to a request for `path`.
    pub(crate) fn body(
        self,
        public_url: Option<&PublicUrl>,
        path: &str,
        request_id: &str,
    ) -> Vec<u8> {
        let Kind {
            slug,
            status,
            title,
            ..
        } = self.kind;
        let base = public_url.map_or("", PublicUrl::as_str);
        let body = ProblemBody {
            kind: format!("{base}/problems/{slug}"),
            title: (*title).to_owned(),
            status: status.as_u16(),
            detail: self.detail,
            instance: format!("{base}{}", cut(path, MAX_PATH_BYTES)),
            request_id: request_id.to_owned(),
            errors: (!self.errors.is_empty()).then_some(self.errors),
        };
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

impl From<RedisError> for Problem {
    fn from(error: RedisError) -> Self {
        // The store logs the reason once, so it is not logged for each request.
        if error.did_nothing() {
            return Self::new(&STORE_REFUSED, format!("{error}; nothing was changed"))
                .retry_after(RETRY_AFTER);
        }
        match error {
            RedisError::Unavailable { message, .. } => {
                tracing::debug!(reason = message, "the store is not available");
                Self::new(
                    &STORE_UNAVAILABLE,
                    "the store is not available just now; whether a change was made is unknown",
                )
                .retry_after(RETRY_AFTER)
            }
            RedisError::Refused { message, .. } => {
                tracing::error!(reason = message, "the store refused a command");
                Self::new(&INTERNAL, "an unexpected error; it has been logged")
            }
            error @ RedisError::Malformed { .. } => {
                tracing::error!(%error, "the store holds or answers something unexpected");
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

/// States in the OpenAPI document that every operation may answer with a problem.
impl ApiResponse for Problem {
    fn meta() -> MetaResponses {
        let content = MetaMediaType {
            content_type: PROBLEM_JSON,
            schema: ProblemBody::schema_ref(),
        };
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

impl Example for FieldError {
    fn example() -> Self {
        Self {
            pointer: "#/quantity".to_owned(),
            detail: "is missing".to_owned(),
        }
    }
}

impl Example for ProblemBody {
    fn example() -> Self {
        Self {
            kind: format!("/problems/{}", VALIDATION_FAILED.slug),
            title: VALIDATION_FAILED.title.to_owned(),
            status: VALIDATION_FAILED.status.as_u16(),
            detail: "1 field is invalid".to_owned(),
            instance: "/orders".to_owned(),
            request_id: OrderId::EXAMPLE.to_string(),
            errors: Some(vec![FieldError::example()]),
        }
    }
}
