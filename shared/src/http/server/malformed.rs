//! Answers to bytes that are not an HTTP/1.1 request.
//!
//! The HTTP library answers some mistakes with a status and no body. At other mistakes it closes
//! the connection without an answer. Neither tells a client what to change.

use std::error::Error;
use std::fmt::Write;
use std::io;
use std::time::SystemTime;

use poem::http::{HeaderMap, HeaderValue};

use super::terms::Terms;
use super::{MAX_HEAD_BYTES, MAX_HEADERS};
use crate::contract::trace::RequestContext;
use crate::http::peer::Stage;
use crate::http::problem::{
    HEAD_TOO_LARGE, MALFORMED_REQUEST, PROBLEM_JSON, Problem, REQUEST_TIMEOUT, TARGET_TOO_LONG,
};
use crate::http::public_url::PublicUrl;
use crate::http::request::too_large;
use crate::http::scope::{TRACEPARENT, X_REQUEST_ID, read_context};

/// Most bytes of an answer that the library makes by itself. Each answer of the service is longer,
/// because it carries a request id and a trace.
const MAX_AUTOMATIC: usize = 160;
/// First bytes of a TLS connection: a handshake of version 3.
const TLS_HANDSHAKE: [u8; 2] = [0x16, 0x03];
/// First bytes of an HTTP/2 connection.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2";

/// Whether the library made this answer by itself. [`refusal`] is sent instead.
pub(super) fn is_automatic(answer: &[u8]) -> bool {
    answer.len() < MAX_AUTOMATIC
        && answer.starts_with(b"HTTP/1.")
        && answer.get(9) == Some(&b'4')
        && answer.ends_with(b"\r\n\r\n")
}

/// The answer to a request that could not be read and begins with `head`. `None` if the connection
/// failed and the client would not receive an answer.
pub(super) fn refusal(
    error: &hyper::Error,
    head: &[u8],
    stage: Stage,
    terms: &Terms,
) -> Option<Vec<u8>> {
    let problem = if error.is_parse() {
        explain(error, head, terms.max_body_bytes)
    } else if stage != Stage::Head {
        return None;
    } else if error.is_incomplete_message() {
        Problem::new(
            &MALFORMED_REQUEST,
            "the request ended in the middle of its head",
        )
    } else if is_late(error) {
        let limit = humantime::format_duration(terms.head);
        Problem::new(
            &REQUEST_TIMEOUT,
            format!("the head did not arrive within {limit}"),
        )
    } else {
        return None;
    };
    Some(write(problem, head, terms.public_url.as_ref()))
}

/// Whether the wire ended the wait for a head.
fn is_late(error: &hyper::Error) -> bool {
    let cause = error
        .source()
        .and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::TimedOut)
}

fn explain(error: &hyper::Error, head: &[u8], max_body_bytes: usize) -> Problem {
    if head.starts_with(HTTP2_PREFACE) || error.is_parse_version_h2() {
        let detail = "this is the beginning of HTTP/2; this port speaks HTTP/1.1";
        return Problem::new(&MALFORMED_REQUEST, detail);
    }
    if head.starts_with(&TLS_HANDSHAKE) {
        let detail = "this is the beginning of TLS; this port speaks HTTP/1.1 without it";
        return Problem::new(&MALFORMED_REQUEST, detail);
    }
    if let Some(problem) = framing(head, max_body_bytes) {
        return problem;
    }
    if !error.is_parse_too_large() {
        let detail = "the head is not that of an HTTP/1.1 request: METHOD /path HTTP/1.1, and one \
                      header a line, as in Host: example.org";
        return Problem::new(&MALFORMED_REQUEST, detail);
    }
    if head.is_empty() || head.contains(&b'\n') {
        let detail = format!("a head has at most {MAX_HEAD_BYTES} bytes and {MAX_HEADERS} headers");
        return Problem::new(&HEAD_TOO_LARGE, detail);
    }
    let detail = format!("a target and the headers have at most {MAX_HEAD_BYTES} bytes together");
    Problem::new(&TARGET_TOO_LONG, detail)
}

/// The problem with the length of the body, as the headers declare it.
fn framing(head: &[u8], max_body_bytes: usize) -> Option<Problem> {
    let mut lengths = values(head, b"content-length");
    let detail = if let Some(coding) = values(head, b"transfer-encoding").last() {
        let last = coding
            .rsplit(|&byte| byte == b',')
            .next()
            .unwrap_or_default()
            .trim_ascii();
        let line = head
            .split(|&byte| byte == b'\n')
            .next()
            .unwrap_or_default()
            .trim_ascii();
        if last.eq_ignore_ascii_case(b"chunked") && !line.ends_with(b"HTTP/1.0") {
            return None;
        }
        "Transfer-Encoding: must be chunked, and only in HTTP/1.1"
    } else {
        let first = lengths.next()?;
        if first.is_empty() || !first.iter().all(u8::is_ascii_digit) {
            "Content-Length: must be the number of bytes in the body"
        } else if lengths.any(|other| other != first) {
            "Content-Length: was given twice, with different values"
        } else {
            return is_too_large(first).then(|| too_large(max_body_bytes));
        }
    };
    Some(Problem::new(&MALFORMED_REQUEST, detail))
}

/// The values of a header.
fn values<'a>(head: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let lines = head.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    lines
        .take_while(|line| !line.is_empty())
        .filter_map(move |line| {
            let (found, value) = line.split_at(line.iter().position(|&byte| byte == b':')?);
            found
                .eq_ignore_ascii_case(name)
                .then(|| value[1..].trim_ascii())
        })
}

/// Whether a body has more bytes than the library can count.
fn is_too_large(digits: &[u8]) -> bool {
    let length = std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse::<u64>().ok());
    length.is_none_or(|length| length >= u64::MAX - 1)
}

/// The request id and the trace, if the head has them.
fn context(head: &[u8]) -> RequestContext {
    let mut headers = HeaderMap::new();
    for name in [X_REQUEST_ID, TRACEPARENT] {
        let given = values(head, name.as_str().as_bytes()).map(HeaderValue::from_bytes);
        for value in given.flatten() {
            headers.append(&name, value);
        }
    }
    read_context(&headers)
}

/// The path of the request, or `/` if the head has no readable path.
fn path(head: &[u8]) -> &str {
    let line = head
        .iter()
        .position(|&byte| byte == b'\n')
        .map(|end| &head[..end]);
    let line = line
        .and_then(|line| std::str::from_utf8(line).ok())
        .unwrap_or_default();
    let target = line
        .split(' ')
        .nth(1)
        .filter(|target| target.starts_with('/'));
    target
        .and_then(|target| target.split('?').next())
        .unwrap_or("/")
}

/// Writes the answer, and a line in the log.
fn write(problem: Problem, request: &[u8], public_url: Option<&PublicUrl>) -> Vec<u8> {
    let RequestContext {
        request_id,
        traceparent,
    } = context(request);
    let (request_id, trace_id) = (request_id.as_str(), traceparent.trace_id());
    let status = problem.kind().status;
    tracing::info!(target: "http", status = status.as_u16(), %problem, request_id, trace_id, "unreadable request");
    let body = problem.body(public_url, path(request), request_id);
    let mut head = format!("HTTP/1.1 {status}\r\n");
    #[expect(
        clippy::disallowed_methods,
        reason = "a header of HTTP; nothing is decided by it"
    )]
    let date = httpdate::fmt_http_date(SystemTime::now());
    for (name, value) in [
        ("content-type", PROBLEM_JSON),
        ("content-length", &body.len().to_string()),
        ("connection", "close"),
        ("x-request-id", request_id),
        ("traceparent", traceparent.as_str()),
        ("x-content-type-options", "nosniff"),
        ("cache-control", "no-store"),
        ("date", &date),
    ] {
        // Writing to a String cannot fail.
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    let mut answer = head.into_bytes();
    if !request.starts_with(b"HEAD ") {
        answer.extend_from_slice(&body);
    }
    answer
}
