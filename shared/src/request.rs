//! What every request goes through before and after its handler: an id, a trace, limits, one shape
//! for errors, one line in the log.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use poem::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use poem::{Addr, Endpoint, IntoResponse, Middleware, Request, Response};

mod body;
mod explain;

use crate::admission::{Admission, Lease};
use crate::allow::AllowedMethods;
use crate::cors::Origins;
use crate::idempotency::IDEMPOTENCY_KEY;
use crate::problem::{INVALID_PARAMETER, METHOD_NOT_ALLOWED, Problem};
use crate::rate_limit::{RateLimit, Standing};
use crate::settings::HttpSettings;
use crate::trace::{RequestId, TraceParent};

pub use body::MAX_BODY_BYTES;

/// Paths that are always answered, and of which no log is full.
const PROBES: [&str; 3] = ["/livez", "/readyz", "/metrics"];

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
#[derive(Clone)]
pub struct Envelope(Arc<Rules>);

/// An endpoint in its envelope. Answers every request, errors included.
pub struct Enveloped<E> {
    endpoint: E,
    rules: Arc<Rules>,
}

/// What holds for every request.
struct Rules {
    allowed: AllowedMethods,
    origins: Origins,
    admission: Admission,
    rate_limit: Option<RateLimit>,
    require_idempotency_key: bool,
}

/// What was asked for.
struct Asked {
    method: Method,
    path: String,
}

impl Envelope {
    /// An envelope for endpoints whose methods are listed in `allowed`.
    pub fn new(allowed: AllowedMethods, settings: &HttpSettings) -> Self {
        Self(Arc::new(Rules {
            allowed,
            origins: settings.cors_origins.clone(),
            admission: Admission::new(settings.max_requests),
            rate_limit: settings.rate_limit.map(RateLimit::new),
            require_idempotency_key: settings.require_idempotency_key,
        }))
    }
}

impl<E: Endpoint> Middleware<E> for Envelope {
    type Output = Enveloped<E>;

    fn transform(&self, endpoint: E) -> Enveloped<E> {
        Enveloped { endpoint, rules: self.0.clone() }
    }
}

impl<E: Endpoint> Endpoint for Enveloped<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let started = Instant::now();
        let context = RequestContext::of(&request);
        let asked =
            Asked { method: request.method().clone(), path: request.uri().path().to_owned() };
        let cross_origin = self.rules.origins.of(&request);
        let standing = self.rules.count(&request, &asked);
        request.set_data(context.clone());
        let answer = match standing.as_ref().and_then(Standing::refusal) {
            Some(refusal) => Err(refusal),
            None => self.answer(request, &asked).await,
        };
        let mut response =
            answer.unwrap_or_else(|problem| self.rules.refuse(problem, &asked, &context));
        log(&asked, response.status(), started.elapsed(), &context);
        let headers = response.headers_mut();
        if let Some(standing) = standing {
            standing.finish(headers);
        }
        cross_origin.finish(headers);
        context.finish(headers);
        Ok(response)
    }
}

impl<E: Endpoint> Enveloped<E> {
    async fn answer(&self, mut request: Request, asked: &Asked) -> Result<Response, Problem> {
        body::buffer_body(&mut request).await?;
        self.rules.demand_key(&request, asked)?;
        let lease =
            if asked.is_probe() { Lease::unlimited() } else { self.rules.admission.enter()? };
        request.set_data(lease.clone());
        // A panic was logged where it happened; the client gets an answer all the same.
        let call = AssertUnwindSafe(self.endpoint.call(request)).catch_unwind();
        match lease.run(call).await? {
            Ok(Ok(response)) => Ok(response.into_response()),
            Ok(Err(error)) => Err(explain::explain(error)),
            Err(_panic) => Err(explain::panicked()),
        }
    }
}

impl Rules {
    /// Counts a request against the quota of its client, where there is one. What a browser asks by
    /// itself before a request is no request of the client: refused, it would hide the reason.
    fn count(&self, request: &Request, asked: &Asked) -> Option<Standing> {
        let counts = !asked.is_probe() && asked.method != Method::OPTIONS;
        let limit = self.rate_limit.as_ref().filter(|_| counts)?;
        Some(limit.count(client_address(request)?))
    }

    /// Refuses a request that must have an idempotency key and has none.
    fn demand_key(&self, request: &Request, asked: &Asked) -> Result<(), Problem> {
        let demanded = self.require_idempotency_key
            && asked.method == Method::POST
            && self.allowed.has(&asked.path, &asked.method);
        if !demanded || request.headers().contains_key(IDEMPOTENCY_KEY) {
            return Ok(());
        }
        let detail = "Idempotency-Key: must be given; make a new one for each intent";
        Err(Problem::new(&INVALID_PARAMETER, detail))
    }

    /// The answer to a request that was not understood, or could not be fulfilled.
    fn refuse(&self, problem: Problem, asked: &Asked, context: &RequestContext) -> Response {
        if problem.kind() != &METHOD_NOT_ALLOWED {
            return problem.respond(&asked.path, context.request_id.as_str());
        }
        let allow = self.allowed.of(&asked.path);
        let mut response = if asked.method == Method::OPTIONS {
            // Every path that exists may be asked what it allows.
            StatusCode::NO_CONTENT.into_response()
        } else {
            problem.respond(&asked.path, context.request_id.as_str())
        };
        response.headers_mut().insert(header::ALLOW, allow);
        response
    }
}

impl Asked {
    fn is_probe(&self) -> bool {
        PROBES.contains(&self.path.as_str())
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

    /// What an answer tells about its request, and what holds where a handler says nothing else.
    fn finish(&self, headers: &mut HeaderMap) {
        for (name, value) in
            [(X_REQUEST_ID, self.request_id.as_str()), (TRACEPARENT, self.traceparent.as_str())]
        {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let caching = headers.entry(header::CACHE_CONTROL);
        caching.or_insert(HeaderValue::from_static("no-store"));
    }
}

fn client_address(request: &Request) -> Option<IpAddr> {
    match &request.remote_addr().0 {
        Addr::SocketAddr(address) => Some(address.ip()),
        _ => None,
    }
}

/// The access log: target `http`, so that `RUST_LOG=info,http=warn` keeps only what went wrong.
/// Probes are silent.
fn log(asked: &Asked, status: StatusCode, took: Duration, context: &RequestContext) {
    let Asked { method, path } = asked;
    // Microseconds are as far as anybody looks.
    let ms = (took.as_secs_f64() * 1_000_000.0).round() / 1_000.0;
    let (status, request_id) = (status.as_u16(), context.request_id.as_str());
    let trace_id = context.traceparent.trace_id();
    if asked.is_probe() {
        tracing::debug!(target: "http", %method, path, status, ms, request_id, trace_id, "probe");
    } else if status >= 500 {
        tracing::warn!(target: "http", %method, path, status, ms, request_id, trace_id, "request failed");
    } else {
        tracing::info!(target: "http", %method, path, status, ms, request_id, trace_id, "request");
    }
}
