//! Accepting HTTP connections.
//!
//! The framework's own server waits for ever for the rest of a half-sent request, has no limit on
//! connections and spins when descriptors run out. This loop has none of that, and serves the same
//! endpoints.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use poem::endpoint::make_sync;
use poem::http::{HeaderValue, Uri, header};
use poem::web::{Data, Html};
use poem::{EndpointExt, handler};
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;

use crate::admission::Alarm;
use crate::health::Readiness;
use crate::json::Json;
use crate::problem::{self, NOT_FOUND, NOT_READY, Problem, RETRY_AFTER};
use crate::request::{Caller, Gate};
use crate::routes::Routes;
use crate::settings::HttpSettings;
use crate::shutdown::{DRAIN_LIMIT, Shutdown};

/// Longest time for a request head to arrive; an idle connection is closed after it as well.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time for a client to take the next piece of an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a request head.
const MAX_HEAD_BYTES: usize = 16 * 1024;
/// Pause after a failed accept: when descriptors run out, trying at once only burns the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a process says about itself.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct About {
    /// The service.
    pub service: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The commit it was built from.
    pub commit: &'static str,
    /// Which of its processes this is.
    pub process: &'static str,
}

/// Serves `routes` until the process is to stop, and for the time of the drain delay after that, so
/// that whoever sends requests here may notice first. Then finishes the requests that are under
/// way.
pub async fn serve(
    listener: TcpListener,
    routes: Routes,
    settings: HttpSettings,
    shutdown: Shutdown,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    let gate = Arc::new(Gate::new(routes, &settings));
    let places = Arc::new(Semaphore::new(settings.max_connections.get().into()));
    let graceful = GracefulShutdown::new();
    let mut end = pin!(async {
        shutdown.cancelled().await;
        tokio::time::sleep(settings.drain_delay).await;
    });
    tracing::info!(%address, "listening");
    while let Some((stream, peer, place)) = accept(&listener, &places, &mut end).await {
        let caller = Arc::new(Caller { local: address, peer, alarm: Alarm::default() });
        let (gate, shutdown) = (gate.clone(), shutdown.clone());
        let service = service_fn(move |request| {
            let (gate, caller, shutdown) = (gate.clone(), caller.clone(), shutdown.clone());
            // The connection moves what it is given about; this way it is a pointer.
            Box::pin(async move {
                Ok::<_, Infallible>(answer(&gate, request, &caller, &shutdown).await)
            })
        });
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(WRITE_TIMEOUT));
        let stream = TokioIo::new(Box::pin(stream));
        let connection = connection_builder().serve_connection(stream, service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // Whatever ends a connection early is the client's business, and the client knows.
            let _ = connection.await;
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(DRAIN_LIMIT, graceful.shutdown()).await.is_err() {
        tracing::warn!("stopped with requests under way");
    }
    Ok(())
}

async fn answer(
    gate: &Gate,
    request: hyper::Request<Incoming>,
    caller: &Caller,
    shutdown: &Shutdown,
) -> hyper::Response<BoxBody<Bytes, io::Error>> {
    let mut response: hyper::Response<_> = gate.answer(request, caller).await.into();
    if shutdown.is_cancelled() {
        // The next request of this client goes to a process that stays.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Routes that every process has: probes, what it is, and the pages about problems.
pub fn with_pages(routes: Routes, readiness: Readiness, about: About) -> Routes {
    routes
        .page("/livez", livez)
        .page("/readyz", readyz.data(readiness))
        .page("/version", make_sync(move |_| Json(about)))
        .page("/problems/:slug", problem_page)
}

/// More than 100 headers are refused by the library itself; room for another number of them would be
/// made, and moved about, for each request.
fn connection_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        // Head and body of a small answer in one piece are less work than a list of both.
        .writev(false)
        .max_buf_size(MAX_HEAD_BYTES);
    builder
}

/// The next connection and its place, or `None` when the process is to stop.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
    end: &mut (impl Future<Output = ()> + Unpin),
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    loop {
        let accepted = async {
            let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
            listener.accept().await.map(|(stream, peer)| (stream, peer, place))
        };
        let accepted = tokio::select! {
            () = &mut *end => return None,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, peer, place)) => {
                // A small answer must not wait for the next one. If this fails the connection is
                // gone already.
                let _ = stream.set_nodelay(true);
                return Some((stream, peer, place));
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
async fn readyz(readiness: Data<&Readiness>) -> Result<&'static str, Problem> {
    match readiness.failures().await {
        failures if failures.is_empty() => Ok("ready"),
        failures => Err(Problem::new(&NOT_READY, failures.join("; ")).retry_after(RETRY_AFTER)),
    }
}

#[handler]
fn problem_page(uri: &Uri) -> Result<Html<String>, Problem> {
    let slug = uri.path().rsplit('/').next().unwrap_or_default();
    problem::page(slug)
        .map(Html)
        .ok_or_else(|| Problem::new(&NOT_FOUND, "there is no such kind of problem"))
}
