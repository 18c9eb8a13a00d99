//! Clients that do not take their answers, or not fast enough.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use poem::{Body, Response, handler};
use shared::routes::Routes;
use stack::wait::wait_until;
use tokio::io::AsyncReadExt;
use tokio::net::TcpSocket;
use tokio::time::Instant;

use crate::http::{LIMIT, Server};
use crate::raw::Raw;

/// More than all buffers between a server and a client take.
const LARGE: usize = 8 * 1024 * 1024;
/// The smallest buffer that a socket can have.
const SMALL_BUFFER: u32 = 2 * 1024;
/// How long a client may take nothing, and how long while all places are taken.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
const HEADER_TIMEOUT: Duration = Duration::from_secs(1);
const ASK: &str = "GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Bytes of which no two parts are alike.
fn large_text() -> Vec<u8> {
    (0..LARGE / 8).flat_map(|number| format!("{number:07}\n").into_bytes()).collect()
}

#[handler]
fn large() -> Response {
    Response::builder().body(large_text())
}

/// A stream that begins, and goes on without end.
#[handler]
fn endless() -> Response {
    let piece = || Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 1024]));
    Response::builder().body(Body::from_bytes_stream(stream::repeat_with(piece)))
}

#[handler]
fn small() -> &'static str {
    "small"
}

async fn start(env: &'static [(&'static str, &'static str)]) -> Server {
    let routes = Routes::default().page("/large", large).page("/endless", endless);
    Server::serve(routes.page("/small", small), env).await
}

/// A client that has room for next to nothing.
async fn asking(server: &Server, what: &str) -> Raw {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(SMALL_BUFFER).unwrap();
    let mut raw = Raw(socket.connect(server.address).await.unwrap());
    raw.say(what).await;
    raw
}

/// Waits until a request is refused because others are not done.
async fn wait_full(server: &Server) {
    let refused = || async { server.get("/small").await.0 == 503 };
    wait_until("all places to be taken", LIMIT, refused).await.unwrap();
}

/// Waits until the place is free again, and tells for how long it was not.
async fn wait_free(server: &Server) -> Duration {
    let started = Instant::now();
    let free = || async { server.get("/small").await.0 == 200 };
    wait_until("a place to be free", WRITE_TIMEOUT + LIMIT, free).await.unwrap();
    started.elapsed()
}

#[tokio::test]
async fn a_request_has_its_place_until_its_answer_is_taken() {
    let server = start(&[("MAX_REQUESTS", "1")]).await;
    let mut slow = asking(&server, ASK).await;
    wait_full(&server).await;
    assert!(server.get("/small").await.1.contains("/problems/overloaded"));
    assert_eq!(server.get("/livez").await.0, 200, "a probe is always answered");
    let mut read = Vec::new();
    while !read.ends_with(b"\n") || read.len() < LARGE {
        slow.0.read_buf(&mut read).await.unwrap();
    }
    wait_free(&server).await;
    let body = read.split_off(read.len() - LARGE);
    assert!(body == large_text(), "it is whole");
}

#[tokio::test]
async fn answers_that_are_taken_in_pieces_are_whole_and_in_order() {
    let server = start(&[]).await;
    let last = "GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let other = ASK.replace("/large", "/small");
    let mut raw = asking(&server, &format!("{ASK}{other}{last}")).await;
    let mut read = Vec::new();
    raw.0.read_to_end(&mut read).await.unwrap();
    let text = String::from_utf8(read).unwrap();
    let bodies: Vec<_> = text.split("HTTP/1.1 200 OK\r\n").skip(1).collect();
    let bodies: Vec<_> =
        bodies.iter().map(|answer| answer.split_once("\r\n\r\n").unwrap().1.as_bytes()).collect();
    let expected = large_text();
    assert!(bodies == [&expected[..], b"small", &expected[..]], "{} B", text.len());
}

#[tokio::test]
async fn a_client_that_takes_nothing_loses_its_connection() {
    let quiet = async {
        let server = start(&[("MAX_CONNECTIONS", "1")]).await;
        let slow = asking(&server, ASK).await;
        // Until it is answered, its place is given to the next client.
        slow.0.readable().await.unwrap();
        let started = Instant::now();
        let free = wait_until("the place of the slow client", WRITE_TIMEOUT + LIMIT, || async {
            let mut next = asking(&server, &ASK.replace("/large", "/small")).await;
            next.answer().await.status() == 200
        });
        free.await.unwrap();
        let waited = started.elapsed();
        assert!(waited + LIMIT / 10 > WRITE_TIMEOUT, "others had room all the time: {waited:?}");
    };
    let crowded = async {
        let server = start(&[("MAX_REQUESTS", "1"), ("HEADER_TIMEOUT", "1s")]).await;
        let _slow = asking(&server, ASK).await;
        wait_full(&server).await;
        let waited = wait_free(&server).await;
        assert!(waited < WRITE_TIMEOUT, "{waited:?} is too long while others are refused");
        assert!(waited > HEADER_TIMEOUT / 2, "{waited:?} is too short");
    };
    tokio::join!(quiet, crowded);
}

#[tokio::test]
async fn a_stream_that_nobody_reads_takes_no_place() {
    let server = start(&[("MAX_REQUESTS", "1")]).await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        streams.push(asking(&server, &ASK.replace("/large", "/endless")).await);
        assert_eq!(server.get("/small").await.0, 200);
    }
}
