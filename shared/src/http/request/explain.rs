//! Turns the errors of the framework into problems.

use poem::error::{MethodNotAllowedError, NotFoundError};
use poem::http::StatusCode;
use poem_openapi::error::{ParseParamError, ParseRequestPayloadError};

use crate::http::parameter;
use crate::http::problem::{
    BODY_TOO_LARGE, INTERNAL, INVALID_PARAMETER, MALFORMED_BODY, METHOD_NOT_ALLOWED, NOT_FOUND,
    Problem, UNSUPPORTED_MEDIA_TYPE,
};

/// What a client reads about an error whose details are only for the log.
const LOGGED: &str = "an unexpected error; it has been logged";

/// Finds the problem behind an error of the framework.
pub(super) fn explain(error: poem::Error) -> Problem {
    let error = match error.downcast::<Problem>() {
        Ok(problem) => return problem,
        Err(error) => error,
    };
    if error.is::<NotFoundError>() {
        return Problem::new(&NOT_FOUND, "there is no such path");
    }
    if error.is::<MethodNotAllowedError>() {
        return Problem::new(&METHOD_NOT_ALLOWED, "see the Allow header");
    }
    if let Some(ParseParamError { name, reason }) = error.downcast_ref() {
        return parameter::invalid(name, reason);
    }
    // The texts of the framework are for its programmers, not for clients.
    match error.status() {
        _ if error.is::<ParseRequestPayloadError>() => {
            Problem::new(&MALFORMED_BODY, "the body could not be read")
        }
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(
            &UNSUPPORTED_MEDIA_TYPE,
            "see the OpenAPI document for the media types that are understood",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(&BODY_TOO_LARGE, "the body is too large"),
        status if status.is_client_error() => {
            tracing::info!(%error, "the framework refused a request");
            Problem::new(&INVALID_PARAMETER, "the request could not be read")
        }
        _ => {
            tracing::error!(%error, "unexpected error");
            Problem::new(&INTERNAL, LOGGED)
        }
    }
}

/// The problem of a handler that panicked. The panic was logged where it happened.
pub(super) fn panicked() -> Problem {
    Problem::new(&INTERNAL, LOGGED)
}
