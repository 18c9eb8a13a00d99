//! The other end of a connection.

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
    /// The permit of its request, while the answer is on its way.
    pub(crate) held: Held,
    /// What the clients of its network do not take.
    pub(crate) untaken: Arc<Untaken>,
    /// Since when it is waited for.
    pub(crate) waits: Waits,
    /// Whether it is beyond the limit of connections, and may only ask probes.
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

    /// Takes up what the client has sent. It does not come back where the connection is being closed
    /// for another one.
    pub(crate) async fn take_up(&self) {
        if !self.waits.end() {
            pending::<()>().await;
        }
    }

    /// A request as handlers see it.
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
