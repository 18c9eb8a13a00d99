//! One request under way: who asks, and what a handler may know about that.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use poem::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::{TRACEPARENT, X_REQUEST_ID};
use crate::contract::trace::{RequestContext, RequestId, TraceParent};
use crate::http::admission::{Alarm, Held, Lease};
use crate::http::routes::Endpoint;

/// One request under way. Handlers are given it as `Data<&Arc<Visit>>`.
#[derive(Debug)]
pub struct RequestScope {
    /// Who asks.
    pub context: RequestContext,
    /// Its place among the others, and its deadline.
    pub lease: Lease,
    /// Which segments of its path are parameters.
    parameters: Arc<[usize]>,
}

/// The other end of a connection.
#[derive(Debug)]
pub struct Peer {
    /// The address it calls.
    pub local: SocketAddr,
    /// The address it calls from.
    pub remote: SocketAddr,
    /// Ends what takes too long.
    pub(crate) timer: ConnectionTimer,
    /// How far its request has come.
    pub(crate) progress: Progress,
    /// The place of its request, while the answer is on its way.
    pub(crate) held: Held,
    /// What the clients of its network do not take.
    pub(crate) untaken: Arc<Untaken>,
    /// Since when it is waited for.
    pub(crate) waits: Waits,
    /// Whether it is beyond the limit of connections, and may only ask probes.
    pub(crate) only_probes: bool,
}

impl RequestScope {
    /// A request, and what there is at its path.
    pub(crate) fn of<B>(request: &hyper::Request<B>, endpoint: Option<&Endpoint>) -> Self {
        Self {
            context: read_context(request.headers()),
            lease: Lease::new(),
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

impl Peer {
    /// A client at `remote` that calls `local`.
    pub(crate) fn new(
        local: SocketAddr,
        remote: SocketAddr,
        untaken: Arc<Untaken>,
        only_probes: bool,
    ) -> Self {
        let (timer, progress, held) = Default::default();
        let waits = Waits::new(Instant::now());
        Self {
            local,
            remote,
            timer,
            progress,
            held,
            untaken,
            waits,
            only_probes,
        }
    }

    /// Takes up what the client has sent. It does not come back where the connection is being closed
    /// for another one.
    pub(crate) async fn take_up(&self) {
        if !self.waits.end() {
            pending::<()>().await;
        }
    }

    /// A request as handlers see it.
    pub(super) fn request(&self, head: request::Parts, body: Body, scope: &Arc<RequestScope>) -> Request {
        let (local, remote) = (LocalAddr(self.local.into()), RemoteAddr(self.remote.into()));
        let head = RequestParts::from((head, local, remote, Scheme::HTTP));
        let mut request = Request::from_parts(head, body);
        request.set_data(scope.clone());
        request
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
