//! One connection, from its first byte to its last.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::Request;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use poem::http::{HeaderMap, HeaderName, HeaderValue, Version, header};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::MAX_HEAD_BYTES;
use super::terms::Terms;
use super::wire::Wire;
use crate::base::shutdown::Shutdown;
use crate::http::peer::{Peer, Stage};
use crate::http::request::Gate;
use crate::http::settings::HttpSettings;

/// The service keeps an idle connection this much longer than it tells the client. So a request
/// that the client sends in the last moment still arrives.
const IDLE_GRACE: Duration = Duration::from_secs(1);
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// Serves the connections of a process. Its parts are shared by all of them.
pub(super) struct Attendant {
    gate: Gate,
    terms: Arc<Terms>,
    builder: http1::Builder,
    /// Value of the `Keep-Alive` header: how long an idle connection is kept.
    keep_alive: HeaderValue,
    shutdown: Shutdown,
}

impl Attendant {
    pub(super) fn new(gate: Gate, settings: &HttpSettings, shutdown: Shutdown) -> Self {
        let (head, idle) = (settings.header_timeout, settings.keep_alive_timeout);
        let keep_alive = format!("timeout={}", idle.as_secs());
        let public_url = settings.public_url.clone();
        let (idle, admission) = (idle + IDLE_GRACE, gate.admission().clone());
        Self {
            gate,
            terms: Arc::new(Terms {
                head,
                idle,
                admission,
                max_body_bytes: settings.max_body_bytes,
                public_url,
            }),
            builder: builder(),
            keep_alive: HeaderValue::from_str(&keep_alive).unwrap_or(HeaderValue::from_static("")),
            shutdown,
        }
    }

    /// Serves a connection until the client closes it, it fails, or `end` changes because the
    /// process stops.
    pub(super) async fn attend(
        self: Arc<Self>,
        stream: TcpStream,
        peer: Arc<Peer>,
        mut end: watch::Receiver<()>,
    ) {
        let mut wire = Wire::new(stream, peer.clone(), self.terms.clone());
        let service = service_fn(|request| {
            let (attendant, peer) = (self.clone(), peer.clone());
            // The HTTP library moves this future about. In a box, it moves one pointer.
            Box::pin(async move { Ok::<_, Infallible>(attendant.answer(request, &peer).await) })
        });
        let outcome = {
            let io = TokioIo::new(&mut wire);
            let mut connection = std::pin::pin!(self.builder.serve_connection(io, service));
            tokio::select! {
                biased;
                outcome = &mut connection => outcome,
                _ = end.changed() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        };
        // The client notices a connection that ends early, so there is nothing to log.
        let _ = wire.end(outcome).await;
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        peer: &Peer,
    ) -> hyper::Response<BoxBody<Bytes, io::Error>> {
        // The next request begins, so the previous answer is written and its permit is free.
        peer.held.release();
        peer.take_up().await;
        let may_stay = may_stay(request.version(), request.headers());
        let whole = request.body().is_end_stream();
        peer.progress
            .set(if whole { Stage::Whole } else { Stage::Body });
        let mut response: hyper::Response<_> = self.gate.answer(request, peer).await.into();
        if response.body().size_hint().exact().is_none() {
            // A live stream would keep the permit for ever. Live streams have a limit of their own.
            peer.held.release();
        }
        let whole = peer.progress.answer();
        let headers = response.headers_mut();
        let is_guest = peer.only_probes || peer.untaken.is_full();
        if !whole || is_guest || self.shutdown.is_cancelled() {
            // The connection is closed for one of three reasons. The unread rest of the body would
            // look like the next request. Other clients need the permit. Or this process stops, and
            // the next request has to go to another process.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        } else if may_stay {
            headers.insert(header::CONNECTION, HeaderValue::from_static("keep-alive"));
            headers.insert(KEEP_ALIVE, self.keep_alive.clone());
        }
        response
    }
}

/// The settings of the HTTP library. Its limit of [`super::MAX_HEADERS`] stays.
fn builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // A client that closes its sending side still waits for the answer.
        .half_close(true)
        // `Wire` has this limit.
        .header_read_timeout(None)
        // Sends a body from the memory it lies in. Otherwise the library would copy head and body
        // into a buffer that each connection keeps for its whole life.
        .writev(true)
        .max_buf_size(MAX_HEAD_BYTES);
    builder
}

/// Whether the client may send another request on this connection, by its `Connection` header.
fn may_stay(version: Version, headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONNECTION).iter();
    let mut says = |option: &str| {
        values.any(|value| {
            let mut options = value.as_bytes().split(|&byte| byte == b',');
            options.any(|found| found.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
        })
    };
    if version == Version::HTTP_10 {
        says("keep-alive")
    } else {
        !says("close")
    }
}
