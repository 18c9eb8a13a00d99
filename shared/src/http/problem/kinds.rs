//! The kinds of problems that any service may answer.

use poem::http::StatusCode;

/// A kind of problem: everything that is the same each time it happens.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// Last segment of the problem's `type`, and name of the page under `/problems/`.
    pub slug: &'static str,
    /// HTTP status.
    pub status: StatusCode,
    /// The kind in one line, for people.
    pub title: &'static str,
    /// What the client can do about such a problem.
    pub advice: &'static str,
}

/// Declares kinds of problems, and `KINDS`, the list of all declared kinds. A service declares the
/// kinds that only it answers, and hands the list to
/// [`Routes::problems`](crate::http::routes::Routes::problems).
///
/// Each kind has a name, a slug, the name of its status, a title, and an advice for the client.
#[macro_export]
macro_rules! problem_kinds {
    ($($name:ident $slug:literal $status:ident $title:literal $advice:literal)*) => {
        $(
            #[doc = $title]
            pub static $name: $crate::http::problem::Kind = $crate::http::problem::Kind {
                slug: $slug,
                status: $crate::http::problem::StatusCode::$status,
                title: $title,
                advice: $advice,
            };
        )*
        /// All of these kinds.
        pub static KINDS: &[&$crate::http::problem::Kind] = &[$(&$name),*];
    };
}

problem_kinds! {
    MALFORMED_REQUEST "malformed-request" BAD_REQUEST "This is not an HTTP/1.1 request"
        "The detail says what is wrong with it. Send another one over a new connection."
    MALFORMED_BODY "malformed-body" BAD_REQUEST "The body is not JSON"
        "Send one JSON object, in UTF-8."
    INVALID_PARAMETER "invalid-parameter" BAD_REQUEST "A parameter is invalid"
        "The detail names the parameter and what it must look like."
    INVALID_CURSOR "invalid-cursor" BAD_REQUEST "The cursor is invalid"
        "Take cursors only from the Link header of an earlier page."
    FORBIDDEN_ORIGIN "forbidden-origin" FORBIDDEN "Pages of this origin may not change anything here"
        "Call the API from a page of its own, or from an origin that CORS_ORIGINS lists."
    NOT_FOUND "not-found" NOT_FOUND "There is nothing here"
        "Check the path and the id."
    METHOD_NOT_ALLOWED "method-not-allowed" METHOD_NOT_ALLOWED "This method is not allowed here"
        "The Allow header lists the methods that are."
    REQUEST_TIMEOUT "request-timeout" REQUEST_TIMEOUT "The request took too long to arrive"
        "Send the whole body without pauses."
    IDEMPOTENCY_IN_PROGRESS "idempotency-in-progress" CONFLICT
        "The first request with this idempotency key is still running"
        "Send the same request again after the time in Retry-After."
    PRECONDITION_FAILED "precondition-failed" PRECONDITION_FAILED
        "The version does not meet the condition"
        "Read the resource again, look at what changed, and send the new ETag in If-Match."
    TARGET_TOO_LONG "target-too-long" URI_TOO_LONG "The target is too long"
        "Send path and query, and all headers, in at most 16 KiB together."
    HEAD_TOO_LARGE "head-too-large" REQUEST_HEADER_FIELDS_TOO_LARGE "The head of the request is too large"
        "Send path and query, and at most 100 headers, in at most 16 KiB together."
    BODY_TOO_LARGE "body-too-large" PAYLOAD_TOO_LARGE "The body is too large"
        "The detail says how many bytes a body may have. A larger body without Content-Length is refused too."
    UNSUPPORTED_MEDIA_TYPE "unsupported-media-type" UNSUPPORTED_MEDIA_TYPE "This media type is not understood"
        "Send application/json, in UTF-8 and not compressed."
    MISDIRECTED_REQUEST "misdirected-request" MISDIRECTED_REQUEST "This service does not have that name"
        "Call it by localhost, by its address, or by a name that ALLOWED_HOSTS lists."
    VALIDATION_FAILED "validation-failed" UNPROCESSABLE_ENTITY "Some fields are invalid"
        "The list of errors names every field and what is wrong with it."
    IDEMPOTENCY_KEY_REUSED "idempotency-key-reused" UNPROCESSABLE_ENTITY
        "The idempotency key belongs to another request"
        "Use a new Idempotency-Key for a new intent."
    PRECONDITION_REQUIRED "precondition-required" PRECONDITION_REQUIRED
        "This change must name the version it is meant for"
        "Read the resource first, and send its ETag in If-Match."
    RATE_LIMITED "rate-limited" TOO_MANY_REQUESTS "Too many requests from this address"
        "Try again after the time in Retry-After. The RateLimit headers tell what is left."
    INTERNAL "internal" INTERNAL_SERVER_ERROR "Something went wrong here"
        "Try again. If the problem stays, quote the request_id."
    UNKNOWN_TRANSFER_CODING "unknown-transfer-coding" NOT_IMPLEMENTED
        "This transfer coding is not understood"
        "Send the body with Content-Length, or with Transfer-Encoding: chunked and no other coding."
    NOT_READY "not-ready" SERVICE_UNAVAILABLE "This process is not ready"
        "Try again in a moment; the detail says what is missing."
    STORE_UNAVAILABLE "store-unavailable" SERVICE_UNAVAILABLE "The store is not available"
        "Try again. With an Idempotency-Key nothing happens twice."
    STORE_REFUSED "store-refused" SERVICE_UNAVAILABLE "The store refuses to work just now"
        "Nothing was changed. Try again after the time in Retry-After; the detail says what the store lacks."
    OVERLOADED "overloaded" SERVICE_UNAVAILABLE "Too many requests at once"
        "Try again after the time in Retry-After."
    DEADLINE_EXCEEDED "deadline-exceeded" GATEWAY_TIMEOUT "The request took too long"
        "Try again. With an Idempotency-Key nothing happens twice."
}
