//! Clients that take their answers slowly, or not at all.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use poem::{Body, Response, handler};
use shared::http::page::MAX_ANSWER_BYTES;
use shared::http::routes::Routes;
use stack::wait::{eventually, wait_until};
use tokio::io::AsyncReadExt;
use tokio::net::TcpSocket;
use tokio::time::Instant;

use crate::floods::{connect, make_room_for_floods};
use crate::http::{LIMIT, Server};
use crate::raw::{Raw, Said};

/// More bytes than fit into all buffers between a server and a client.
const LARGE: usize = 8 * 1024 * 1024;
pub(crate) const PAGE: usize = 2 * MAX_ANSWER_BYTES;
/// The number of answers that one address may leave untaken, and the number it asks for.
const SHARE: usize = 512 / 4;
const CROWD: usize = 600;
/// How many requests of other addresses are answered meanwhile, and the time that each may take.
const OTHERS: usize = 50;
const PROMPT: Duration = Duration::from_secs(2);
/// The smallest buffer that a socket can have.
const SMALL_BUFFER: u32 = 2 * 1024;
/// How long a client may take no byte, and how long while all requests are in use.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
const HEADER_TIMEOUT: Duration = Duration::from_secs(1);
const ASK: &str = "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Bytes of which no two parts are the same.
fn large_text() -> Vec<u8> {
    (0..LARGE / 8)
        .flat_map(|number| format!("{number:07}\n").into_bytes())
        .collect()
}

#[handler]
fn large() -> Response {
    Response::builder().body(large_text())
}

/// An answer a little larger than any answer of a service.
#[handler]
fn page() -> Response {
    Response::builder().body(vec![b'x'; PAGE])
}

/// A stream that never ends.
#[handler]
fn endless() -> Response {
    let piece = || Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 1024]));
    Response::builder().body(Body::from_bytes_stream(stream::repeat_with(piece)))
}

#[handler]
pub(crate) fn small() -> &'static str {
    "small"
}

fn start(env: &'static [(&'static str, &'static str)]) -> Server {
    let routes = Routes::default()
        .page("/large", large)
        .page("/endless", endless);
    Server::serve(routes.page("/page", page).page("/small", small), env)
}

/// A client that has sent this request, and whose buffer holds next to nothing.
pub(crate) async fn asking(server: &Server, what: &str) -> Raw {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(SMALL_BUFFER).unwrap();
    let mut raw = Raw(socket.connect(server.address).await.unwrap());
    raw.say(what).await;
    raw
}

/// Waits until the server refuses a request because `MAX_REQUESTS` others are not done.
async fn wait_full(server: &Server) {
    let refused = || async { server.get("/small").await.0 == 503 };
    eventually("all places to be taken", refused).await;
}

/// Waits until the server takes a request again. Answers how long it refused.
async fn wait_free(server: &Server) -> Duration {
    let started = Instant::now();
    let free = || async { server.get("/small").await.0 == 200 };
    wait_until("room for a request", WRITE_TIMEOUT + LIMIT, free)
        .await
        .unwrap();
    started.elapsed()
}

#[tokio::test]
async fn a_request_counts_until_its_answer_is_taken() {
    let server = start(&[("MAX_REQUESTS", "1")]);
    let mut slow = asking(&server, ASK).await;
    wait_full(&server).await;
    assert!(
        server
            .get("/small")
            .await
            .1
            .contains("/problems/overloaded")
    );
    assert_eq!(
        server.get("/livez").await.0,
        200,
        "a probe is always answered"
    );
    let mut read = Vec::new();
    while !read.ends_with(b"\n") || read.len() < LARGE {
        slow.0.read_buf(&mut read).await.unwrap();
    }
    wait_free(&server).await;
    let body = read.split_off(read.len() - LARGE);
    assert!(body == large_text(), "the answer is whole");
}

#[tokio::test]
async fn answers_that_are_taken_in_pieces_are_whole_and_in_order() {
    let server = start(&[]);
    let last = "GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let other = ASK.replace("/large", "/small");
    let mut raw = asking(&server, &format!("{ASK}{other}{last}")).await;
    let mut read = Vec::new();
    raw.0.read_to_end(&mut read).await.unwrap();
    let text = String::from_utf8(read).unwrap();
    let bodies: Vec<_> = text.split("HTTP/1.1 200 OK\r\n").skip(1).collect();
    let bodies: Vec<_> = bodies
        .iter()
        .map(|answer| answer.split_once("\r\n\r\n").unwrap().1.as_bytes())
        .collect();
    let expected = large_text();
    assert!(
        bodies == [&expected[..], b"small", &expected[..]],
        "{} B",
        text.len()
    );
}

#[tokio::test]
async fn a_client_that_takes_nothing_loses_its_connection() {
    let quiet = async {
        let server = start(&[("MAX_CONNECTIONS", "1")]);
        let slow = asking(&server, ASK).await;
        // Until this answer has begun, the next request could still go first.
        slow.0.readable().await.unwrap();
        let waited = wait_free(&server).await;
        assert!(
            waited + LIMIT / 10 > WRITE_TIMEOUT,
            "other clients had room all the time: {waited:?}"
        );
    };
    let crowded = async {
        let server = start(&[("MAX_REQUESTS", "1"), ("HEADER_TIMEOUT", "1s")]);
        let _slow = asking(&server, ASK).await;
        wait_full(&server).await;
        let waited = wait_free(&server).await;
        assert!(
            waited < WRITE_TIMEOUT,
            "{waited:?} is too long while other clients are refused"
        );
        assert!(waited > HEADER_TIMEOUT / 2, "{waited:?} is too short");
    };
    tokio::join!(quiet, crowded);
}

#[tokio::test]
async fn a_stream_that_its_client_does_not_read_does_not_count() {
    let server = start(&[("MAX_REQUESTS", "1")]);
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(asking(&server, &ASK.replace("/large", "/endless")).await);
        assert_eq!(server.get("/small").await.0, 200);
    }
}

/// A request after which the client sends no other.
pub(crate) fn last(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

/// The answer to a client at this address.
async fn answer_to(server: &Server, host: u8, path: &str) -> Said {
    let mut raw = Raw(connect(server, host).await);
    raw.say(last(path)).await;
    Said::parse(&raw.rest().await)
}

#[tokio::test]
async fn answers_that_one_address_does_not_take_leave_room_for_others() {
    make_room_for_floods();
    let server = start(&[]);
    let ask = last("/page");
    let mut crowd = join_all((0..CROWD).map(|_| asking(&server, &ask))).await;
    let mut refused = 0;
    for raw in &crowd {
        let mut begin = [0; 12];
        while raw.0.peek(&mut begin).await.unwrap() < begin.len() {}
        refused += usize::from(&begin == b"HTTP/1.1 503");
    }
    assert!(
        (1..=CROWD - SHARE).contains(&refused),
        "{refused} of {CROWD} are refused"
    );
    for round in 0..OTHERS {
        for (path, bytes) in [("/page", PAGE), ("/small", 5)] {
            let started = Instant::now();
            let answer = answer_to(&server, 2, path).await;
            let took = started.elapsed();
            assert_eq!(
                (answer.status(), answer.body.len()),
                (200, bytes),
                "{round}"
            );
            assert!(took < PROMPT, "{round} {path}: {took:?}");
        }
    }
    let answer = answer_to(&server, 1, "/small").await;
    answer.last_problem(503, "overloaded");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(
        answer_to(&server, 1, "/livez").await.status(),
        200,
        "a probe is always answered"
    );
    crowd.clear();
    let again = || async { answer_to(&server, 1, "/small").await.status() == 200 };
    eventually("the address to be served again", again).await;
}

#[tokio::test]
async fn an_address_that_takes_its_answers_slowly_has_all_of_them() {
    make_room_for_floods();
    let server = start(&[]);
    let ask = last("/page");
    let crowd = join_all((0..SHARE).map(|_| asking(&server, &ask))).await;
    let full = || async { answer_to(&server, 1, "/small").await.status() == 503 };
    eventually("the share to be used up", full).await;
    // Longer than an answer beyond the share is kept.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let read = join_all(
        crowd
            .into_iter()
            .map(|mut raw| async move { raw.rest().await }),
    )
    .await;
    assert!(read.iter().all(|text| Said::parse(text).body.len() == PAGE));
    assert_eq!(answer_to(&server, 1, "/small").await.status(), 200);
}
