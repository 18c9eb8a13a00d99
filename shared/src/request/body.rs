//! Reading the body of a request.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use poem::Request;
use poem::http::header;

use crate::problem::{BODY_TOO_LARGE, MALFORMED_BODY, Problem, REQUEST_TIMEOUT};

/// The largest body, in bytes.
pub const MAX_BODY_BYTES: usize = 16 * 1024;
/// Longest time for a whole body to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads the body before the handler runs, within its limits of size and time, so that no handler
/// can forget them.
pub(super) async fn buffer_body(request: &mut Request) -> Result<(), Problem> {
    let too_large =
        || Problem::new(&BODY_TOO_LARGE, format!("the limit is {MAX_BODY_BYTES} bytes"));
    let declared =
        request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    match declared.map(str::parse::<usize>) {
        Some(Ok(0)) => return Ok(()),
        Some(Ok(length)) if length > MAX_BODY_BYTES => return Err(too_large()),
        None if !request.headers().contains_key(header::TRANSFER_ENCODING) => return Ok(()),
        _ => {}
    }
    let body: BoxBody<Bytes, std::io::Error> = request.take_body().into();
    let read = Limited::new(body, MAX_BODY_BYTES).collect();
    let bytes = match tokio::time::timeout(BODY_TIMEOUT, read).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_large()),
        Ok(Err(_)) => {
            return Err(Problem::new(&MALFORMED_BODY, "the body did not arrive as announced"));
        }
        Err(_) => {
            return Err(Problem::new(&REQUEST_TIMEOUT, "the body did not arrive within 10 s"));
        }
    };
    request.set_body(bytes);
    Ok(())
}
