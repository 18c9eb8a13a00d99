//! Floods of connections, and the other clients that are served meanwhile.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use poem::endpoint::make_sync;
use poem::{Body, handler};
use shared::http::routes::{NO_STORE, Routes};
use stack::wait::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::half_closed::Counter;
use crate::http::{LIMIT, Server};
use crate::raw::Raw;

/// Connections of one flood, and how many of them the service takes at most.
const FLOOD: usize = 3_000;
const LIMITED: &[(&str, &str)] = &[("MAX_CONNECTIONS", "400")];
/// How long an answer may take on a busy machine during a flood.
const PROMPT: Duration = Duration::from_secs(2);
const GET: &str = "GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n";
const PROBES: [&str; 2] = ["/livez", "/version"];

#[handler]
fn hello() -> &'static str {
    "hello"
}

/// A body that sends a few bytes every 50 ms, for ever.
fn ticks() -> Body {
    let clock = tokio::time::interval(Duration::from_millis(50));
    Body::from_bytes_stream(stream::unfold(clock, |mut clock| async {
        clock.tick().await;
        Some((Ok::<_, io::Error>("tick\n"), clock))
    }))
}

/// A body larger than the buffers between server and client.
fn large() -> Body {
    const PIECE: &[u8] = &[b'x'; 1024 * 1024];
    let pieces = (0..16).map(|_| Ok::<_, io::Error>(Bytes::from_static(PIECE)));
    Body::from_bytes_stream(stream::iter(pieces))
}

fn start(env: &'static [(&'static str, &'static str)]) -> Server {
    let routes = Routes::default()
        .api(Counter(Arc::new(AtomicUsize::new(0))), &NO_STORE)
        .page("/hello", hello)
        .page("/version", hello)
        .page("/ticks", make_sync(|_| ticks()))
        .page("/large", make_sync(|_| large()));
    Server::serve(routes, env)
}

/// Connects from this address of the loopback network.
pub(crate) async fn connect(server: &Server, host: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, host), 0)))
        .unwrap();
    socket.connect(server.address).await.unwrap()
}

fn request(path: &str) -> String {
    GET.replace("/hello", path)
}

/// The status of the answer on a new connection, and how long it took.
async fn ask(server: &Server, host: u8, path: &str) -> (u16, Duration) {
    let started = Instant::now();
    let mut raw = Raw(connect(server, host).await);
    raw.say(request(path)).await;
    (raw.answer().await.status(), started.elapsed())
}

/// A connection on which the server answers `/ticks`.
async fn ticking(server: &Server, host: u8) -> TcpStream {
    let mut stream = connect(server, host).await;
    stream
        .write_all(request("/ticks").as_bytes())
        .await
        .unwrap();
    hear(&mut stream, "tick").await;
    stream
}

async fn hear(stream: &mut TcpStream, words: &str) {
    let mut heard = Vec::new();
    let listen = async {
        while !String::from_utf8_lossy(&heard).contains(words) {
            assert_ne!(
                stream.read_buf(&mut heard).await.unwrap(),
                0,
                "the connection was closed"
            );
        }
    };
    tokio::time::timeout(LIMIT, listen).await.expect(words);
}

/// Raises the limit of open files, because both ends of a flood are in this process.
pub(crate) fn make_room_for_floods() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(16_384).max(soft), hard).unwrap();
}

#[tokio::test]
async fn a_flood_from_one_address_delays_neither_others_nor_probes() {
    make_room_for_floods();
    let half_head = GET[..20].to_owned();
    let half_body = "POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n\
                     Content-Length: 9\r\n\r\nx";
    for beginning in [
        String::new(),
        half_head,
        half_body.to_owned(),
        GET.to_owned(),
        request("/large"),
    ] {
        let server = start(LIMITED);
        let mut flood = Vec::new();
        for _ in 0..FLOOD {
            let stream = connect(&server, 1).await;
            // The server may have closed this connection to make room for the next one.
            let _ = stream.try_write(beginning.as_bytes());
            flood.push(stream);
        }
        for round in 0..15 {
            let (status, took) = ask(&server, 2, "/hello").await;
            assert!(
                status == 200 && took < PROMPT,
                "{beginning:?} {round}: {status} {took:?}"
            );
            for (host, path) in [
                (2, PROBES[0]),
                (2, PROBES[1]),
                (1, PROBES[0]),
                (1, PROBES[1]),
            ] {
                let (status, took) = ask(&server, host, path).await;
                assert!(
                    status == 200 && took < PROMPT,
                    "{beginning:?} {path}: {status} {took:?}"
                );
            }
        }
        drop(flood);
    }
}

#[tokio::test]
async fn an_address_without_free_connections_may_ask_probes_and_others_may_ask_all() {
    let server = start(&[
        ("MAX_CONNECTIONS", "8"),
        ("MAX_CONNECTIONS_PER_ADDRESS", "4"),
    ]);
    let mut streams = join_all((0..4).map(|_| ticking(&server, 1))).await;
    let mut flood = Vec::new();
    for _ in 0..200 {
        flood.push(connect(&server, 1).await);
        if flood.len() % 50 == 0 {
            for path in PROBES {
                let mut raw = Raw(connect(&server, 1).await);
                raw.say(request(path)).await;
                let answer = raw.answer().await;
                assert_eq!(
                    (answer.status(), answer.header("connection")),
                    (200, Some("close"))
                );
                assert_eq!(raw.rest().await, "");
            }
            let mut raw = Raw(connect(&server, 1).await);
            raw.say(GET).await;
            let answer = raw.answer().await;
            answer.last_problem(503, "overloaded");
            assert_eq!(answer.header("retry-after"), Some("1"));
            assert_eq!(raw.rest().await, "");
            assert_eq!(ask(&server, 2, "/hello").await.0, 200);
        }
    }
    for stream in &mut streams {
        hear(stream, "tick").await;
    }
    // A connection that ends makes room for the next one of its address.
    streams.pop();
    eventually("a place", async || ask(&server, 1, "/hello").await.0 == 200).await;
}

#[tokio::test]
async fn probes_are_answered_while_all_connections_are_in_use() {
    let server = start(&[
        ("MAX_CONNECTIONS", "6"),
        ("MAX_CONNECTIONS_PER_ADDRESS", "1"),
    ]);
    let mut streams = join_all((1..=6).map(|host| ticking(&server, host))).await;
    for host in 1..=20 {
        assert_eq!(ask(&server, host, "/hello").await.0, 503);
        assert_eq!(ask(&server, host, "/livez").await.0, 200);
    }
    for stream in &mut streams {
        hear(stream, "tick").await;
    }
}

#[tokio::test]
async fn the_connection_that_is_idle_longest_makes_room_and_no_other() {
    let server = start(&[("MAX_CONNECTIONS", "3")]);
    let (mut busy, mut first, mut second) = (
        ticking(&server, 1).await,
        Raw::to(&server).await,
        Raw::to(&server).await,
    );
    for raw in [&mut second, &mut first] {
        raw.say(GET).await;
        assert_eq!(raw.answer().await.header("keep-alive"), Some("timeout=75"));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut third = Raw::to(&server).await;
    third.say(GET).await;
    assert_eq!(third.answer().await.status(), 200);
    assert_eq!(second.rest().await, "");
    first.say(GET).await;
    assert_eq!(first.answer().await.status(), 200);
    for _ in 0..20 {
        assert_eq!(ask(&server, 1, "/hello").await.0, 200);
        hear(&mut busy, "tick").await;
    }
}

/// Asks on a connection that the server may close at any time. Answers the status of a whole
/// answer, or `None` if the server closed the connection before it read the request.
async fn ask_if_open(stream: &mut TcpStream) -> Option<u16> {
    stream.write_all(GET.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&answer).into_owned();
        if text.ends_with("hello") || text.ends_with('}') {
            return Some(text[9..12].parse().unwrap());
        }
        if stream.read_buf(&mut answer).await.unwrap_or_default() == 0 {
            assert_eq!(text, "", "an answer was broken off");
            return None;
        }
    }
}

#[tokio::test]
async fn a_request_is_answered_whole_or_its_connection_was_closed_before() {
    // Both clients ask in turn, and each new connection closes an idle one.
    let server = start(&[("MAX_CONNECTIONS", "2")]);
    let client = async |host| {
        let mut answered = 0;
        for _ in 0..500 {
            let mut stream = connect(&server, host).await;
            while let Some(status) = ask_if_open(&mut stream).await {
                assert!(status == 200 || status == 503, "{status}");
                answered += 1;
                if status == 503 || answered % 5 == 0 {
                    break;
                }
            }
        }
        answered
    };
    let answered = tokio::join!(client(3), client(4), client(5));
    assert!(
        answered.0 > 250 && answered.1 > 250 && answered.2 > 250,
        "{answered:?}"
    );
}
