//! The scope of one request: what a handler may know about the request beside its body.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use poem::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::base::pieces::Pieces;
use crate::contract::trace::{RequestContext, RequestId, TraceParent};
use crate::http::admission::Slot;
use crate::http::routes::Endpoint;

/// The scope of one request. Handlers receive it as `Data<&Arc<RequestScope>>`.
#[derive(Debug)]
pub struct RequestScope {
    /// The id and the trace of the request.
    pub context: RequestContext,
    /// The permit of the request, and its deadline.
    pub slot: Slot,
    /// Which segments of the path are parameters.
    parameters: Arc<[usize]>,
}

/// Name of the header that carries the request id.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Name of the header that carries the trace.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Most bytes that the log shows of a header that was replaced.
const MAX_LOGGED: usize = 200;

impl RequestScope {
    /// The scope of a request to `endpoint`.
    pub(crate) fn of<B>(request: &hyper::Request<B>, endpoint: Option<&Endpoint>) -> Self {
        Self {
            context: read_context(request.headers()),
            slot: Slot::new(),
            parameters: endpoint.map_or_else(Arc::default, |endpoint| endpoint.parameters.clone()),
        }
    }

    /// A parameter as it stands in the path, with its escapes. The first parameter has the number
    /// 0.
    pub(crate) fn parameter<'a>(&self, path: &'a str, number: usize) -> Option<&'a str> {
        Pieces::<b'/'>::of(path).nth(*self.parameters.get(number)?)
    }

    /// Adds the id and the trace of the request to the headers of its answer.
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

/// Reads the id and the trace from the headers of a request. Makes new ones if the headers have
/// none.
pub(crate) fn read_context(headers: &HeaderMap) -> RequestContext {
    RequestContext {
        request_id: given(headers, &X_REQUEST_ID, RequestId::mint),
        traceparent: given(headers, &TRACEPARENT, TraceParent::mint),
    }
}

/// The value that a client gives in a header. An invalid value, or two values, do not fail the
/// request: the value is replaced by a new one. The answer has the new value, and the log has both.
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
