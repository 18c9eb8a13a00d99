//! The server: it accepts HTTP connections and gives each a task of its own.
//!
//! The framework's own server has three faults. It waits for ever for the rest of a half-sent
//! request. It has no limit on connections. It spins when file descriptors run out. This server
//! replaces it, and serves the same endpoints.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use poem::endpoint::make_sync;
use poem::http::Uri;
use poem::web::{Data, Html};
use poem::{EndpointExt, IntoResponse, Response, handler};
use serde::Serialize;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

mod connection;
mod connection_limit;
mod drain;
mod malformed;
mod pace;
mod terms;
mod wire;

#[cfg(test)]
pub(super) use wire::{KEPT_HEAD, MAX_PIECE};

pub(crate) use connection_limit::PROBE_CONNECTIONS;

use crate::base::health::Readiness;
use crate::base::shutdown::{DRAIN_LIMIT, Shutdown};
use crate::http::html;
use crate::http::json::Json;
use crate::http::problem::{self, Kind, NOT_FOUND, NOT_READY, Problem, RETRY_AFTER};
use crate::http::request::Gate;
use crate::http::routes::Routes;
use crate::http::server::connection::Attendant;
use crate::http::server::connection_limit::ConnectionLimit;
use crate::http::settings::HttpSettings;

/// Most bytes of a request head.
pub(super) const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Most headers of a request. The limit is the HTTP library's own: with any other limit, the library
/// would allocate memory for the headers of each request.
const MAX_HEADERS: usize = 100;
/// Most unsent bytes of answers that the kernel keeps for a connection whose client does not read.
/// Bytes that were sent and not yet confirmed do not count, so the limit slows no client that
/// reads.
#[cfg(target_os = "linux")]
pub(super) const MAX_UNSENT: u32 = 8 * 1024;
/// Most bytes of requests that the kernel keeps for a connection until the service reads them.
/// The kernel doubles the number, to have room for its own bookkeeping.
pub(super) const MAX_UNREAD: u32 = 16 * 1024;
/// Most connections that wait in the kernel to be accepted.
const BACKLOG: u32 = 1024;
/// Pause after a failed accept. When file descriptors run out, trying again at once would only use
/// up the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a process says about itself.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct About {
    /// Name of the service.
    pub service: &'static str,
    /// Version of the service.
    pub version: &'static str,
    /// The commit that the service was built from.
    pub commit: &'static str,
    /// Which process of the service this is.
    pub process: &'static str,
}

/// The kinds of problems that have a page under `/problems/`.
#[derive(Clone)]
struct Kinds(Arc<[&'static Kind]>);

/// Opens the listener. Each connection inherits its limits, so they are set before it listens: a
/// connection that came earlier would have no limits.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?;
    socket.set_recv_buffer_size(MAX_UNREAD)?;
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(&socket).set_tcp_notsent_lowat(MAX_UNSENT)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves `routes` until the process is told to stop, and for the drain delay after that. In this
/// time clients and load balancers notice that the process is leaving. Then the server finishes the
/// requests under way, for at most [`DRAIN_LIMIT`].
pub async fn serve(
    listener: TcpListener,
    routes: Routes,
    settings: HttpSettings,
    shutdown: Shutdown,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let gate = Gate::new(routes, &settings);
    let limit = Arc::new(ConnectionLimit::new(&settings));
    let (connections, _) = watch::channel(());
    let mut end = pin!(async {
        shutdown.cancelled().await;
        tokio::time::sleep(settings.drain_delay).await;
    });
    let attendant = Arc::new(Attendant::new(gate, &settings, shutdown.clone()));
    tracing::info!(%address, "listening");
    while let Some((stream, remote)) = accept(&listener, &mut end).await {
        // Without a permit, the connection is closed here.
        let Some((peer, permit)) = limit.enter(address, remote) else {
            continue;
        };
        let id = permit.id();
        let connection = attendant
            .clone()
            .attend(stream, peer, connections.subscribe());
        let task = tokio::spawn(async move {
            connection.await;
            drop(permit);
        });
        limit.serve(id, &task.abort_handle());
    }
    drop(listener);
    connections.send_replace(());
    if tokio::time::timeout(DRAIN_LIMIT, connections.closed())
        .await
        .is_err()
    {
        tracing::warn!("stopped with requests under way");
    }
    Ok(())
}

/// Adds the routes of every process: the probes, `/version`, and a page about each kind of problem.
pub fn with_pages(routes: Routes, readiness: Readiness, about: About) -> Routes {
    let kinds = Kinds(routes.kinds());
    routes
        .page("/livez", livez)
        .page("/readyz", readyz.data(readiness))
        .page("/version", make_sync(move |_| Json(about)))
        .page("/problems/:slug", problem_page.data(kinds))
}

/// Accepts the next connection. `None` once `end` is over.
async fn accept(
    listener: &TcpListener,
    end: &mut (impl Future<Output = ()> + Unpin),
) -> Option<(TcpStream, SocketAddr)> {
    loop {
        let accepted = tokio::select! {
            () = &mut *end => return None,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, remote)) => {
                // Without Nagle's algorithm a small answer is sent at once. If this fails, the
                // connection is gone already.
                let _ = stream.set_nodelay(true);
                return Some((stream, remote));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

#[handler]
fn livez() -> &'static str {
    "ok"
}

#[handler]
async fn readyz(uri: &Uri, readiness: Data<&Readiness>) -> Result<String, Problem> {
    let failures = readiness.failures().await;
    let mut query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let is_verbose = query.any(|(name, _)| name == "verbose");
    let found = if is_verbose {
        readiness.verbose(&failures).await
    } else {
        failures.clone()
    };
    if !failures.is_empty() {
        return Err(Problem::new(&NOT_READY, found.join("; ")).retry_after(RETRY_AFTER));
    }
    Ok(found
        .into_iter()
        .chain(["ready".to_owned()])
        .collect::<Vec<_>>()
        .join("\n"))
}

#[handler]
fn problem_page(uri: &Uri, Data(kinds): Data<&Kinds>) -> Result<Response, Problem> {
    let slug = uri.path().rsplit('/').next().unwrap_or_default();
    let page = problem::page(&kinds.0, slug)
        .ok_or_else(|| Problem::new(&NOT_FOUND, "there is no such kind of problem"))?;
    let policy = html::still(&page);
    let mut response = Html(page).into_response();
    html::protect(response.headers_mut(), policy);
    Ok(response)
}
