//! The peer: the client at the other end of a connection, and what the service knows about the
//! connection.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;

use poem::http::request;
use poem::http::uri::Scheme;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Body, Request, RequestParts};
use tokio::time::Instant;

mod progress;
mod waits;

pub(crate) use progress::{Progress, Stage};
pub(crate) use waits::{Waits, moment};

use crate::http::admission::{ConnectionTimer, Held, Untaken};
use crate::http::scope::RequestScope;

/// The client at the other end of a connection, and the state of the connection.
#[derive(Debug)]
pub struct Peer {
    /// The address of this server that the client called.
    pub local: SocketAddr,
    /// The address of the client.
    pub remote: SocketAddr,
    /// Ends a body or a handler that takes too long.
    pub(crate) timer: ConnectionTimer,
    /// How far the present request has come.
    pub(crate) progress: Progress,
    /// The permit of the answered request, while the answer is on its way.
    pub(crate) held: Held,
    /// The answers that the clients of the same network do not read.
    pub(crate) untaken: Arc<Untaken>,
    /// Since when the connection waits for its client.
    pub(crate) waits: Waits,
    /// Whether the connection is beyond the limit, so that only probes are answered on it.
    pub(crate) only_probes: bool,
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

    /// Ends the wait for the client, because something has arrived. If the connection is being
    /// closed to make room for another, this never returns, and the task is aborted.
    pub(crate) async fn take_up(&self) {
        if !self.waits.end() {
            pending::<()>().await;
        }
    }

    /// The request as handlers see it.
    pub(crate) fn request(
        &self,
        head: request::Parts,
        body: Body,
        scope: &Arc<RequestScope>,
    ) -> Request {
        let (local, remote) = (LocalAddr(self.local.into()), RemoteAddr(self.remote.into()));
        let head = RequestParts::from((head, local, remote, Scheme::HTTP));
        let mut request = Request::from_parts(head, body);
        request.set_data(scope.clone());
        request
    }
}
