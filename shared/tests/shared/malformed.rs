//! Bytes that are no HTTP request, and requests that two servers could read differently.

use shared::http::routes::Routes;

use crate::http::Server;
use crate::raw::{Raw, Said};

const LINE: &str = "GET /livez HTTP/1.1\r\n";
const HOST: &str = "Host: localhost\r\n";

const NO_HTTP: &str = "malformed-request";
/// Heads that no HTTP/1.1 client sends, each with a word that the answer contains.
const NO_HEADS: [(&[u8], &str); 11] = [
    (b"nonsense\r\n\r\n", NOT_A_HEAD),
    (b"\0\0\0\0", NOT_A_HEAD),
    (b"GET /livez\r\n\r\n", NOT_A_HEAD),
    (b"GET /livez HTTP/1.1\r\nHost : x\r\n\r\n", NOT_A_HEAD),
    (b"GET /livez HTTP/1.1\r\nHost x\r\n\r\n", NOT_A_HEAD),
    (
        b"GET /li vez HTTP/1.1\r\nHost: localhost\r\n\r\n",
        NOT_A_HEAD,
    ),
    (
        b"GET /livez HTTP/2.0\r\nHost: localhost\r\n\r\n",
        NOT_A_HEAD,
    ),
    (
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\n X: folded\r\n\r\n",
        NOT_A_HEAD,
    ),
    (b"PRI * HTTP/2.0\r\n\r\n", "HTTP/2"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04", "HTTP/2"),
    (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        "TLS",
    ),
];
const NOT_A_HEAD: &str = "the head is not that of an HTTP/1.1 request";
/// Values of `Content-Length` that are larger than any body.
const LONG: [&str; 5] = [
    "18446744073709551615",
    "18446744073709551614",
    "18446744073709551613",
    "99999999999999999999999",
    "9223372036854775808",
];
/// Values of `Content-Length` that are not a number.
const NO_LENGTHS: [&str; 4] = ["-1", "+2", "2, 2", ""];
/// Values of `Transfer-Encoding` that are well-formed, and that the server does not know.
const UNKNOWN_CODINGS: [&str; 3] = [
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
];
/// Values of `Transfer-Encoding` that do not say where the body ends. RFC 9112 answers them with
/// 400.
const NO_CODINGS: [&str; 3] = ["gzip", "chunked, gzip", "identity"];
const CHUNKS: &str = "2\r\n{}\r\n0\r\n\r\n";

/// Asserts the status, the kind and the detail of the answer. The server closes the connection
/// after it.
async fn assert_refused(server: &Server, request: &[u8], status: u16, slug: &str, detail: &str) {
    let shown = String::from_utf8_lossy(&request[..request.len().min(200)]);
    let said = Raw::all(server, request).await;
    assert!(!said.is_empty(), "{shown}: closed without an answer");
    let told = Said::parse(&said).last_problem(status, slug);
    assert!(told.contains(detail), "{shown}: {told}");
}

#[tokio::test]
async fn bytes_that_are_no_request_are_answered_with_a_problem() {
    let server = Server::serve(Routes::default(), &[]);
    for (request, detail) in NO_HEADS {
        assert_refused(&server, request, 400, NO_HTTP, detail).await;
    }
    let (long, wide) = ("x".repeat(17 * 1024), "head-too-large");
    let request = format!("GET /{long} HTTP/1.1\r\n{HOST}\r\n");
    assert_refused(&server, request.as_bytes(), 414, "target-too-long", "16384").await;
    let request = format!("{LINE}{HOST}X: {long}\r\n\r\n");
    assert_refused(&server, request.as_bytes(), 431, wide, "16384 bytes").await;
    let request = format!("{LINE}{HOST}{}\r\n", "X: y\r\n".repeat(100));
    assert_refused(&server, request.as_bytes(), 431, wide, "100 headers").await;

    let named = "GET /path?query HTTP/1.1\r\nX-Request-Id: mine\r\nContent-Length: x\r\n\r\n";
    let named = Raw::all(&server, named).await;
    assert!(named.contains("x-request-id: mine\r\n"), "{named}");
    let instance = r#""instance":"/path","request_id":"mine""#;
    assert!(named.contains(instance), "{named}");
    let head = Raw::all(&server, "HEAD / HTTP/1.1\r\nHost : x\r\n\r\n").await;
    assert!(
        head.starts_with("HTTP/1.1 400 ") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
}

#[tokio::test]
async fn a_message_that_may_be_read_in_two_ways_is_refused() {
    let server = Server::serve(Routes::default(), &[]);
    let refused = async |headers: String, status, slug, detail| {
        let request = format!("POST /livez HTTP/1.1\r\n{HOST}{headers}\r\n{CHUNKS}");
        assert_refused(&server, request.as_bytes(), status, slug, detail).await;
    };
    let length = |number| format!("Content-Length: {number}\r\n");
    for number in LONG {
        refused(length(number), 413, "body-too-large", "16384 bytes").await;
    }
    for text in NO_LENGTHS {
        let detail = "Content-Length: must be the number";
        refused(length(text), 400, NO_HTTP, detail).await;
    }
    let detail = "Content-Length: must be the number";
    let lower_case = "content-length: 2, 2\r\n".to_owned();
    refused(lower_case, 400, NO_HTTP, detail).await;
    let both = length("2") + &length("3");
    refused(both, 400, NO_HTTP, "given twice").await;
    for codings in UNKNOWN_CODINGS {
        let slug = "unknown-transfer-coding";
        refused(codings.to_owned(), 501, slug, "only chunked").await;
    }
    for coding in NO_CODINGS {
        let header = format!("Transfer-Encoding: {coding}\r\n");
        let detail = "Transfer-Encoding: must be chunked";
        refused(header, 400, NO_HTTP, detail).await;
    }
    let old = format!("POST /livez HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n{CHUNKS}");
    assert_refused(&server, old.as_bytes(), 400, NO_HTTP, "only in HTTP/1.1").await;
    // A length that is sent twice with the same value is one length.
    let twice = length("2").repeat(2);
    let mut raw = Raw::to(&server).await;
    raw.say(format!("POST /livez HTTP/1.1\r\n{HOST}{twice}\r\n{{}}"))
        .await;
    raw.answer().await.problem(405, "method-not-allowed");
}

#[tokio::test]
async fn a_request_of_http_1_1_names_one_host() {
    let server = Server::serve(Routes::default(), &[]);
    for (request, status) in [
        ("GET /livez HTTP/1.1\r\n\r\n", 400),
        ("GET /livez HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        ("GET /livez HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
        ("GET /livez HTTP/1.1\r\nHost: http://a/\r\n\r\n", 400),
        ("GET /livez HTTP/1.1\r\nHost: user@a\r\n\r\n", 400),
        ("GET /livez HTTP/1.0\r\nHost: a b\r\n\r\n", 400),
        ("GET http://x/livez HTTP/1.1\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        ("CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n", 400),
        ("GET /livez HTTP/1.1\r\nHost:\r\n\r\n", 200),
        ("GET /livez HTTP/1.1\r\nHost: [::1]:8000\r\n\r\n", 200),
        ("GET /livez HTTP/1.0\r\n\r\n", 200),
        (
            "GET http://localhost/livez HTTP/1.1\r\nHost: x\r\n\r\n",
            200,
        ),
        ("GET /livez HTTP/1.1\nHost: localhost\n\n", 200),
    ] {
        let mut raw = Raw::to(&server).await;
        raw.say(request).await;
        let answer = raw.answer().await;
        assert_eq!(answer.status(), status, "{request}: {answer:?}");
        if status == 400 {
            let detail = answer.problem(400, "malformed-request");
            let about = if request.contains("Host: localhost") || request.contains("Host: x:80") {
                "the target"
            } else {
                "Host: must"
            };
            assert!(detail.starts_with(about), "{request}: {detail}");
        }
    }
}

#[tokio::test]
async fn options_of_the_whole_process_are_answered() {
    let server = Server::serve(Routes::default(), &[]);
    let mut raw = Raw::to(&server).await;
    raw.say("OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await;
    let answer = raw.answer().await;
    assert_eq!(
        (answer.status(), answer.header("allow")),
        (204, Some("GET, HEAD"))
    );
    raw.say("OPTIONS * HTTP/1.1\r\n\r\n").await;
    raw.answer().await.problem(400, "malformed-request");
}

#[tokio::test]
async fn bad_requests_behind_a_good_one_are_answered_after_it() {
    let server = Server::serve(Routes::default(), &[]);
    let wide = format!("{LINE}{HOST}{}\r\n", "X: y\r\n".repeat(100));
    for (next, status, slug) in [
        ("nonsense\r\n\r\n", 400, "malformed-request"),
        ("GET /nowhere HTTP/1.1\r\n\r\n", 400, "malformed-request"),
        (wide.as_str(), 431, "head-too-large"),
    ] {
        let mut raw = Raw::to(&server).await;
        raw.end(format!("{LINE}{HOST}\r\n{next}")).await;
        let said = raw.rest().await;
        let (first, second) = said.split_at(said.find("HTTP/1.1 4").unwrap());
        assert!(
            first.starts_with("HTTP/1.1 200 OK") && first.ends_with("\r\n\r\nok"),
            "{first}"
        );
        Said::parse(second).problem(status, slug);
    }
}
