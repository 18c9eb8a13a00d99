//! Reads the body of a request, before its handler runs.

use std::error::Error;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use poem::Body;
use poem::http::{HeaderMap, header};
use tokio::time::Instant;

use crate::http::admission::{LargeBodies, MAX_LARGE_BODIES, RETRY_AFTER, Slot};
use crate::http::peer::{Peer, Stage};
use crate::http::problem::{BODY_TOO_LARGE, MALFORMED_BODY, OVERLOADED, Problem, REQUEST_TIMEOUT};
use crate::http::rate_limit::network;
use crate::http::settings::{HttpSettings, MAX_BODY_BYTES};

/// The limits of all bodies of a process.
pub(super) struct Bodies {
    /// Most bytes of a body that announces its length.
    max: usize,
    /// The permits for bodies beyond [`MAX_BODY_BYTES`].
    large: LargeBodies,
}

/// Why a body cannot be read.
type BoxError = Box<dyn Error + Send + Sync>;

/// Longest time for a whole body to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

impl Bodies {
    /// The limits that the settings state.
    pub(super) fn new(settings: &HttpSettings) -> Self {
        Self {
            max: settings.max_body_bytes,
            large: LargeBodies::new(settings.part(MAX_LARGE_BODIES)),
        }
    }

    /// Reads the body within its limits of size and time. This happens before the handler runs, so
    /// no handler can forget the limits. A body that announces a length beyond the limit is refused
    /// unread. A large body has to announce its length, and its request holds a permit.
    pub(super) async fn buffer(
        &self,
        body: Incoming,
        peer: &Peer,
        slot: &Slot,
    ) -> Result<Body, Problem> {
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > self.max {
            return Err(too_large(self.max));
        }
        if announced > MAX_BODY_BYTES {
            let permit = self.large.enter(network(peer.remote.ip())).ok_or_else(|| {
                let detail = "this process has as many large bodies in memory as it, or your address, may have";
                Problem::new(&OVERLOADED, detail).retry_after(RETRY_AFTER)
            })?;
            slot.hold_body(permit);
        }
        buffer(body, peer, announced.max(MAX_BODY_BYTES)).await
    }
}

async fn buffer(body: Incoming, peer: &Peer, limit: usize) -> Result<Body, Problem> {
    if body.is_end_stream() {
        return Ok(Body::empty());
    }
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large(limit));
    }
    // This future is larger than everything else that a request under way needs, so it is boxed.
    Box::pin(read(body, peer, limit)).await
}

/// Reads the body of a request that was refused for another reason, so that the next request can
/// follow on the same connection. With `Expect: 100-continue` the client waits before it sends the
/// body, so nothing is read and the client never sends it.
pub(super) async fn discard(headers: &HeaderMap, body: Incoming, peer: &Peer) {
    if !headers.contains_key(header::EXPECT) {
        // A body that cannot be read ends the connection.
        let _ = buffer(body, peer, MAX_BODY_BYTES).await;
    }
}

async fn read(body: Incoming, peer: &Peer, limit: usize) -> Result<Body, Problem> {
    let now = Instant::now();
    let deadline = now + BODY_TIMEOUT;
    let read = gather(Limited::new(body, limit));
    peer.waits.begin(now);
    let read = peer.timer.race(|| deadline, read).await;
    peer.take_up().await;
    match read {
        Some(Ok(body)) => {
            peer.progress.set(Stage::Whole);
            Ok(Body::from_bytes(body))
        }
        Some(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(limit)),
        Some(Err(_)) => Err(Problem::new(
            &MALFORMED_BODY,
            "the body did not arrive as announced",
        )),
        None => Err(Problem::new(
            &REQUEST_TIMEOUT,
            format!(
                "the body did not arrive within {} s",
                BODY_TIMEOUT.as_secs()
            ),
        )),
    }
}

/// Gathers the body in one piece. Most bodies arrive in one. Otherwise the pieces are copied as
/// they arrive, because a list of pieces of 1 byte each would take 40 times the memory of the body.
async fn gather(mut body: Limited<Incoming>) -> Result<Bytes, BoxError> {
    let (mut first, mut whole) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        // A frame without data holds trailers. The service does not use trailers.
        let piece = frame?.into_data().unwrap_or_default();
        if first.is_empty() {
            first = piece;
            continue;
        }
        if whole.is_empty() {
            whole.extend_from_slice(&first);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(if whole.is_empty() {
        first
    } else {
        whole.freeze()
    })
}

/// The problem of a body that is too large.
pub(crate) fn too_large(limit: usize) -> Problem {
    Problem::new(&BODY_TOO_LARGE, format!("the limit is {limit} bytes"))
}
