//! What happens to every request before and after its handler.
//!
//! Before the handler, [`Gate`] gives a request its id and its trace, and applies the limits. After
//! the handler, it gives all errors the same shape and writes one line in the log.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use hyper::body::Incoming;
use poem::http::{HeaderValue, Method, StatusCode, Uri, header};
use poem::{IntoResponse, Response};

mod body;
mod explain;
mod message;
mod target;

use crate::contract::trace::RequestContext;
use crate::http::admission::{Admission, RETRY_AFTER};
use crate::http::cors::{self, Origins};
use crate::http::hosts::Hosts;
use crate::http::idempotency::IDEMPOTENCY_KEY;
use crate::http::problem::{INVALID_PARAMETER, METHOD_NOT_ALLOWED, OVERLOADED, Problem};
use crate::http::public_url::PublicUrl;
use crate::http::rate_limit::{Quota, RateLimit};
use crate::http::routes::{self, Endpoint, NO_STORE, Routes};
use crate::http::settings::HttpSettings;

pub use crate::http::peer::Peer;
pub use crate::http::scope::{RequestScope, TRACEPARENT, X_REQUEST_ID};
use body::Bodies;
pub(crate) use body::too_large;

/// Paths that are answered even when all permits are taken, and are logged at level `debug` only.
const PROBES: [&str; 3] = ["/livez", "/readyz", "/version"];

/// Stands between the connections and the endpoints. Answers every request, errors included.
pub struct Gate {
    routes: Routes,
    origins: Origins,
    exposed_headers: HeaderValue,
    hosts: Hosts,
    admission: Admission,
    public_url: Option<PublicUrl>,
    rate_limit: Option<RateLimit>,
    require_idempotency_key: bool,
    bodies: Bodies,
}

/// What a request asks for.
struct Target<'a> {
    method: Method,
    uri: Uri,
    endpoint: Option<&'a Endpoint>,
}

impl Gate {
    /// A gate in front of these routes.
    pub fn new(routes: Routes, settings: &HttpSettings) -> Self {
        Self {
            exposed_headers: cors::exposed(routes.exposed()),
            routes,
            origins: settings.cors_origins.clone(),
            hosts: Hosts::new(
                settings.allowed_hosts.clone(),
                settings.cors_origins.clone(),
                settings.public_url.clone(),
            ),
            admission: Admission::new(settings.max_requests),
            public_url: settings.public_url.clone(),
            rate_limit: settings.rate_limit.map(RateLimit::new),
            require_idempotency_key: settings.require_idempotency_key,
            bodies: Bodies::new(settings),
        }
    }

    /// The permits for requests.
    pub(crate) fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Answers a request of `peer`. `peer` holds the permit of the request until the answer is
    /// written.
    pub async fn answer(&self, mut request: hyper::Request<Incoming>, peer: &Peer) -> Response {
        let started = Instant::now();
        if let Some(normal) = target::normalised(request.uri()) {
            *request.uri_mut() = normal;
        }
        let target = Target {
            method: request.method().clone(),
            uri: request.uri().clone(),
            endpoint: self.routes.find(request.uri().path()),
        };
        let scope = Arc::new(RequestScope::of(&request, target.endpoint));
        let cross_origin = self.origins.of(&request);
        let quota = self.count(peer, &target);
        let refusal = quota.as_ref().and_then(Quota::refusal);
        let answer = match refusal.or_else(|| {
            target
                .beyond_limit(peer)
                .or_else(|| target.beyond_share(peer))
        }) {
            Some(refusal) => {
                let (head, body) = request.into_parts();
                Box::pin(body::discard(&head.headers, body, peer)).await;
                Err(refusal)
            }
            None => self.ask(request, peer, &target, &scope).await,
        };
        peer.held.keep(&scope.slot);
        let (context, mut caching) = (&scope.context, NO_STORE);
        let mut response = match answer {
            Ok(response) => {
                caching = target
                    .endpoint
                    .map_or(caching, |endpoint| endpoint.caching.clone());
                response
            }
            Err(problem) => target.refuse(
                problem,
                self.public_url.as_ref(),
                context.request_id.as_str(),
            ),
        };
        log(&target, response.status(), started.elapsed(), context);
        let headers = response.headers_mut();
        if let Some(public_url) = &self.public_url {
            public_url.complete(headers);
        }
        if let Some(quota) = quota {
            quota.finish(headers);
        }
        cross_origin.finish(headers, &self.exposed_headers);
        scope.finish(headers);
        headers.entry(header::CACHE_CONTROL).or_insert(caching);
        response
    }

    async fn ask(
        &self,
        request: hyper::Request<Incoming>,
        peer: &Peer,
        target: &Target<'_>,
        scope: &Arc<RequestScope>,
    ) -> Result<Response, Problem> {
        message::check(&request)?;
        self.hosts.check(&request, peer.local)?;
        let has_key = request.headers().contains_key(IDEMPOTENCY_KEY);
        let (head, body) = request.into_parts();
        let body = self.bodies.buffer(body, peer, &scope.slot).await?;
        self.demand_key(has_key, target)?;
        if !target.is_probe() {
            self.admission.enter(&scope.slot)?;
        }
        let answer = routes::call(target.endpoint, peer.request(head, body, scope));
        // The panic is logged where it happens. The client still gets an answer.
        let answer = AssertUnwindSafe(answer).catch_unwind();
        match scope.slot.run(answer, &peer.timer).await? {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(explain::explain(error)),
            Err(_panic) => Err(explain::panicked()),
        }
    }

    /// Counts a request against the quota of its client, if there is a rate limit. Probes do not
    /// count. Nor does `OPTIONS`, which a browser sends before the request of a page: a refused
    /// preflight would hide the reason from the page.
    fn count(&self, peer: &Peer, target: &Target<'_>) -> Option<Quota> {
        let limit = self.rate_limit.as_ref()?;
        let counts = !target.is_probe() && target.method != Method::OPTIONS;
        counts.then(|| limit.count(peer.remote.ip()))
    }

    /// Refuses a request without an idempotency key if `REQUIRE_IDEMPOTENCY_KEY` demands one.
    fn demand_key(&self, has_key: bool, target: &Target<'_>) -> Result<(), Problem> {
        let demanded = self.require_idempotency_key
            && target.method == Method::POST
            && target
                .endpoint
                .is_some_and(|endpoint| endpoint.has(&target.method));
        if !demanded || has_key {
            return Ok(());
        }
        let detail = "Idempotency-Key: must be given; make a new one for each intent";
        Err(Problem::new(&INVALID_PARAMETER, detail))
    }
}

impl Target<'_> {
    fn is_probe(&self) -> bool {
        PROBES.contains(&self.uri.path())
    }

    /// The refusal of anything but a probe, on a connection that is for probes only.
    fn beyond_limit(&self, peer: &Peer) -> Option<Problem> {
        (peer.only_probes && !self.is_probe()).then(|| {
            let detail = "this process, or your address, has all the connections with requests under \
                way that it may have; on any other, only /livez, /readyz and /version are answered";
            Problem::new(&OVERLOADED, detail).retry_after(RETRY_AFTER)
        })
    }

    /// The refusal of anything but a probe, while clients of the same network leave too many
    /// answers unread.
    fn beyond_share(&self, peer: &Peer) -> Option<Problem> {
        (peer.untaken.is_full() && !self.is_probe()).then(|| {
            let detail = "clients of your address leave as many answers unread as one address may \
                have requests under way: read the answers, or close the connections";
            Problem::new(&OVERLOADED, detail).retry_after(RETRY_AFTER)
        })
    }

    /// The answer to a request that ended in a problem.
    fn refuse(
        &self,
        problem: Problem,
        public_url: Option<&PublicUrl>,
        request_id: &str,
    ) -> Response {
        let not_allowed = problem.kind() == &METHOD_NOT_ALLOWED;
        let respond = || problem.respond(public_url, self.uri.path(), request_id);
        let Some(endpoint) = self.endpoint.filter(|_| not_allowed) else {
            return respond();
        };
        let mut response = if self.method == Method::OPTIONS {
            // OPTIONS works on every path that exists: the answer is its `Allow` header.
            StatusCode::NO_CONTENT.into_response()
        } else {
            respond()
        };
        response
            .headers_mut()
            .insert(header::ALLOW, endpoint.allow());
        response
    }
}

/// The access log: target `http`, so that `RUST_LOG=info,http=warn` keeps only what went wrong.
/// Probes are silent.
fn log(target: &Target<'_>, status: StatusCode, took: Duration, context: &RequestContext) {
    let (method, path) = (&target.method, target.uri.path());
    // Milliseconds with three decimals: a microsecond is precise enough for a log.
    let ms = (took.as_secs_f64() * 1_000_000.0).round() / 1_000.0;
    let (status, request_id) = (status.as_u16(), context.request_id.as_str());
    let trace_id = context.traceparent.trace_id();
    if target.is_probe() {
        tracing::debug!(target: "http", %method, path, status, ms, request_id, trace_id, "probe");
    } else if status >= 500 {
        tracing::warn!(target: "http", %method, path, status, ms, request_id, trace_id, "request failed");
    } else {
        tracing::info!(target: "http", %method, path, status, ms, request_id, trace_id, "request");
    }
}
