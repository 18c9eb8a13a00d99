//! What every request goes through before and after its handler: an id, a trace, limits, one shape
//! for errors, one line in the log.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use poem::error::{MethodNotAllowedError, NotFoundError};
use poem::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use poem::{Endpoint, IntoResponse, Middleware, Request, Response};
use poem_openapi::error::{ParseParamError, ParsePathError, ParseRequestPayloadError};

use crate::allow::AllowedMethods;
use crate::problem::{
    BODY_TOO_LARGE, DEADLINE_EXCEEDED, INTERNAL, INVALID_PARAMETER, MALFORMED_BODY,
    METHOD_NOT_ALLOWED, NOT_FOUND, Problem, REQUEST_TIMEOUT, UNSUPPORTED_MEDIA_TYPE,
};
use crate::trace::{RequestId, TraceParent};

/// The largest body, in bytes.
pub const MAX_BODY_BYTES: usize = 16 * 1024;
/// Longest time for a whole body to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time for an answer once the request is complete.
const HANDLER_TIMEOUT: Duration = Duration::from_secs(10);

/// What a client is told about an error that is not its business.
const LOGGED: &str = "an unexpected error; it has been logged";

/// Name of the header that carries the request id.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Name of the header that carries the trace.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Who asks, for logs, events and calls to other services.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The client's `X-Request-Id`, or one made here.
    pub request_id: RequestId,
    /// The client's trace, or a new one.
    pub traceparent: TraceParent,
}

/// The middleware.
#[derive(Clone, Debug)]
pub struct Envelope {
    allowed: Arc<AllowedMethods>,
}

/// An endpoint in its envelope. Answers every request, errors included.
pub struct Enveloped<E> {
    endpoint: E,
    allowed: Arc<AllowedMethods>,
}

impl Envelope {
    /// An envelope for endpoints whose methods are listed in `allowed`.
    pub fn new(allowed: AllowedMethods) -> Self {
        Self { allowed: Arc::new(allowed) }
    }
}

impl<E: Endpoint> Middleware<E> for Envelope {
    type Output = Enveloped<E>;

    fn transform(&self, endpoint: E) -> Enveloped<E> {
        Enveloped { endpoint, allowed: self.allowed.clone() }
    }
}

impl<E: Endpoint> Endpoint for Enveloped<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let started = Instant::now();
        let context = RequestContext::of(&request);
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        request.set_data(context.clone());
        let mut response = match self.answer(request).await {
            Ok(response) => response,
            Err(problem) => {
                let refused = problem.kind() == &METHOD_NOT_ALLOWED;
                let allow = refused.then(|| self.allowed.of(&path)).flatten();
                let problem = allow.into_iter().fold(problem, Problem::allow);
                problem.respond(&path, context.request_id.as_str())
            }
        };
        log(&method, &path, response.status(), started.elapsed(), &context);
        if let Ok(id) = HeaderValue::from_str(context.request_id.as_str()) {
            response.headers_mut().insert(X_REQUEST_ID, id);
        }
        let headers = response.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Ok(response)
    }
}

impl<E: Endpoint> Enveloped<E> {
    async fn answer(&self, mut request: Request) -> Result<Response, Problem> {
        buffer_body(&mut request).await?;
        // A panic was logged where it happened; the client gets an answer all the same.
        let call = AssertUnwindSafe(self.endpoint.call(request)).catch_unwind();
        match tokio::time::timeout(HANDLER_TIMEOUT, call).await {
            Ok(Ok(Ok(response))) => Ok(response.into_response()),
            Ok(Ok(Err(error))) => Err(explain(error)),
            Ok(Err(_panic)) => Err(Problem::new(&INTERNAL, LOGGED)),
            Err(_) => Err(Problem::new(&DEADLINE_EXCEEDED, "no answer within 10 s")),
        }
    }
}

impl RequestContext {
    /// That of a request which says nothing about itself.
    pub fn mint() -> Self {
        Self { request_id: RequestId::mint(), traceparent: TraceParent::mint() }
    }

    fn of(request: &Request) -> Self {
        let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
        let request_id =
            text(X_REQUEST_ID).and_then(|text| text.parse().ok()).unwrap_or_else(RequestId::mint);
        let traceparent =
            text(TRACEPARENT).and_then(|text| text.parse().ok()).unwrap_or_else(TraceParent::mint);
        Self { request_id, traceparent }
    }
}

/// Reads the body before the handler runs, within its limits of size and time, so that no handler
/// can forget them.
async fn buffer_body(request: &mut Request) -> Result<(), Problem> {
    let too_large =
        || Problem::new(&BODY_TOO_LARGE, format!("the limit is {MAX_BODY_BYTES} bytes"));
    let declared =
        request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    match declared.map(str::parse::<usize>) {
        Some(Ok(0)) => return Ok(()),
        Some(Ok(length)) if length > MAX_BODY_BYTES => return Err(too_large()),
        None if !request.headers().contains_key(header::TRANSFER_ENCODING) => return Ok(()),
        _ => {}
    }
    let read = request.take_body().into_bytes_limit(MAX_BODY_BYTES);
    let bytes = match tokio::time::timeout(BODY_TIMEOUT, read).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(poem::error::ReadBodyError::PayloadTooLarge)) => return Err(too_large()),
        Ok(Err(error)) => return Err(Problem::new(&MALFORMED_BODY, error.to_string())),
        Err(_) => {
            return Err(Problem::new(&REQUEST_TIMEOUT, "the body did not arrive within 10 s"));
        }
    };
    request.set_body(bytes);
    Ok(())
}

/// Finds the problem behind an error of the framework.
fn explain(error: poem::Error) -> Problem {
    let error = match error.downcast::<Problem>() {
        Ok(problem) => return problem,
        Err(error) => error,
    };
    if error.is::<NotFoundError>() {
        return Problem::new(&NOT_FOUND, "there is no such path");
    }
    if error.is::<ParsePathError>() || error.is::<poem::error::ParsePathError>() {
        return Problem::new(&NOT_FOUND, "there is no such id");
    }
    if error.is::<MethodNotAllowedError>() {
        return Problem::new(&METHOD_NOT_ALLOWED, "see the Allow header");
    }
    if let Some(ParseParamError { name, reason }) = error.downcast_ref() {
        return Problem::new(&INVALID_PARAMETER, format!("{name}: {reason}"));
    }
    if let Some(ParseRequestPayloadError { reason }) = error.downcast_ref() {
        return Problem::new(&MALFORMED_BODY, reason.clone());
    }
    match error.status() {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            Problem::new(&UNSUPPORTED_MEDIA_TYPE, error.to_string())
        }
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(&BODY_TOO_LARGE, error.to_string()),
        status if status.is_client_error() => Problem::new(&INVALID_PARAMETER, error.to_string()),
        _ => {
            tracing::error!(%error, "unexpected error");
            Problem::new(&INTERNAL, LOGGED)
        }
    }
}

/// The access log: target `http`, so that `RUST_LOG=info,http=warn` keeps only what went wrong.
/// Probes are silent.
fn log(method: &Method, path: &str, status: StatusCode, took: Duration, context: &RequestContext) {
    // Microseconds are as far as anybody looks.
    let ms = (took.as_secs_f64() * 1_000_000.0).round() / 1_000.0;
    let (status, request_id) = (status.as_u16(), context.request_id.as_str());
    let trace_id = context.traceparent.trace_id();
    if matches!(path, "/livez" | "/readyz") {
        tracing::debug!(target: "http", %method, path, status, ms, request_id, trace_id, "probe");
    } else if status >= 500 {
        tracing::warn!(target: "http", %method, path, status, ms, request_id, trace_id, "request failed");
    } else {
        tracing::info!(target: "http", %method, path, status, ms, request_id, trace_id, "request");
    }
}
