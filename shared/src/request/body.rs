//! Reading the body of a request.

use std::time::Duration;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use poem::Body;
use poem::http::{HeaderMap, header};
use tokio::time::Instant;

use crate::admission::Alarm;
use crate::problem::{BODY_TOO_LARGE, MALFORMED_BODY, Problem, REQUEST_TIMEOUT};

/// The largest body, in bytes.
pub const MAX_BODY_BYTES: usize = 16 * 1024;
/// Longest time for a whole body to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether a request says that it has a body. One that would be too large is refused unread.
pub(super) fn announced(headers: &HeaderMap) -> Result<bool, Problem> {
    let declared = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    match declared.map(str::parse::<usize>) {
        Some(Ok(length)) if length > MAX_BODY_BYTES => Err(too_large()),
        Some(declared) => Ok(declared != Ok(0)),
        None => Ok(headers.contains_key(header::TRANSFER_ENCODING)),
    }
}

/// Reads the body before the handler runs, within its limits of size and time, so that no handler
/// can forget them.
pub(super) async fn buffer(body: Incoming, alarm: &Alarm) -> Result<Body, Problem> {
    let deadline = Instant::now() + BODY_TIMEOUT;
    let read = Limited::new(body, MAX_BODY_BYTES).collect();
    match alarm.race(|| deadline, read).await {
        Some(Ok(body)) => Ok(Body::from_bytes(body.to_bytes())),
        Some(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Some(Err(_)) => Err(Problem::new(&MALFORMED_BODY, "the body did not arrive as announced")),
        None => Err(Problem::new(&REQUEST_TIMEOUT, "the body did not arrive within 10 s")),
    }
}

fn too_large() -> Problem {
    Problem::new(&BODY_TOO_LARGE, format!("the limit is {MAX_BODY_BYTES} bytes"))
}
