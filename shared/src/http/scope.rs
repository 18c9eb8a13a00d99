//! One request under way: who asks, and what a handler may know about that.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use poem::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::contract::trace::{RequestContext, RequestId, TraceParent};
use crate::http::admission::Slot;
use crate::http::routes::Endpoint;

/// One request under way. Handlers are given it as `Data<&Arc<RequestScope>>`.
#[derive(Debug)]
pub struct RequestScope {
    /// Who asks.
    pub context: RequestContext,
    /// The permit of the request, and its deadline.
    pub slot: Slot,
    /// Which segments of its path are parameters.
    parameters: Arc<[usize]>,
}

/// Name of the header that carries the request id.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Name of the header that carries the trace.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Bytes of a header that is replaced which the log shows.
const MAX_LOGGED: usize = 200;

impl RequestScope {
    /// A request, and what there is at its path.
    pub(crate) fn of<B>(request: &hyper::Request<B>, endpoint: Option<&Endpoint>) -> Self {
        Self {
            context: read_context(request.headers()),
            slot: Slot::new(),
            parameters: endpoint.map_or_else(Arc::default, |endpoint| endpoint.parameters.clone()),
        }
    }

    /// A parameter of the path, as it stands there: the first one has the number 0.
    pub(crate) fn parameter<'a>(&self, path: &'a str, number: usize) -> Option<&'a str> {
        path.split('/').nth(*self.parameters.get(number)?)
    }

    /// What an answer tells about its request.
    pub(crate) fn finish(&self, headers: &mut HeaderMap) {
        let RequestContext {
            request_id,
            traceparent,
        } = &self.context;
        for (name, value) in [
            (X_REQUEST_ID, request_id.as_str()),
            (TRACEPARENT, traceparent.as_str()),
        ] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
    }
}

/// The context in the headers of a request. What they do not say is made here.
pub(crate) fn read_context(headers: &HeaderMap) -> RequestContext {
    RequestContext {
        request_id: given(headers, &X_REQUEST_ID, RequestId::mint),
        traceparent: given(headers, &TRACEPARENT, TraceParent::mint),
    }
}

/// What a client says in a header, once. Something else there keeps no request from its answer: it
/// is replaced, the answer tells by what, and the log tells what it was.
fn given<T: FromStr + Display>(headers: &HeaderMap, name: &HeaderName, mint: fn() -> T) -> T {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else {
        return mint();
    };
    let text = first.to_str().ok().filter(|_| values.next().is_none());
    text.and_then(|text| text.parse().ok()).unwrap_or_else(|| {
        let (minted, bytes) = (mint(), first.as_bytes());
        let found = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_LOGGED)]);
        let header = name.as_str();
        tracing::info!(target: "http", header, ?found, by = %minted, "replaced what a client sent");
        minted
    })
}
