//! How long a connection may be silent, and in which states.

use std::time::Duration;

use shared::http::routes::Routes;

use crate::http::Server;
use crate::raw::{Raw, Said};

const GET: &str = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// The time for a head, and for an idle connection with its grace, with the settings `SHORT`.
const HEAD: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(4);
const SHORT: &[(&str, &str)] = &[("HEADER_TIMEOUT", "1s"), ("KEEP_ALIVE_TIMEOUT", "3s")];
/// How much a busy machine may add to a limit.
const MARGIN: Duration = Duration::from_secs(2);

fn assert_about(took: Duration, limit: Duration) {
    // The server begins to wait before the client begins to measure.
    assert!(
        (limit.mul_f64(0.9)..limit + MARGIN).contains(&took),
        "{took:?}: {limit:?}"
    );
}

/// A connection on which one request was answered.
async fn used(server: &Server) -> Raw {
    let mut raw = Raw::to(server).await;
    raw.say(GET).await;
    assert_eq!(raw.answer().await.header("keep-alive"), Some("timeout=3"));
    raw
}

#[tokio::test]
async fn an_idle_connection_lives_longer_than_a_head_may_take_and_its_client_is_told_how_long() {
    let server = Server::serve(Routes::default(), SHORT);
    let (mut idle, mut busy, mut new) = (
        used(&server).await,
        used(&server).await,
        Raw::to(&server).await,
    );
    let (idle, busy, new) = tokio::join!(
        idle.kept(),
        async {
            // Like a client that uses its connection now and then.
            for _ in 0..3 {
                tokio::time::sleep(2 * HEAD).await;
                busy.say(GET).await;
                assert_eq!(busy.answer().await.status(), 200);
            }
            busy.kept().await
        },
        new.kept()
    );
    assert_about(idle.0, IDLE);
    assert_about(busy.0, IDLE);
    assert_about(new.0, HEAD);
    for (_, said) in [idle, busy, new] {
        assert_eq!(said, "", "a client that sends nothing gets no answer");
    }
}

#[tokio::test]
async fn a_head_has_its_time_from_its_first_byte() {
    let server = Server::serve(Routes::default(), SHORT);
    let dawdle = async |mut raw: Raw, beginning: &str| {
        raw.say(beginning).await;
        let (took, said) = raw.kept().await;
        Said::parse(&said).last_problem(408, "request-timeout");
        assert_about(took, HEAD);
    };
    // Each byte comes in time, but the head as a whole does not.
    let drip = async |raw: Raw| {
        for bytes in 0.. {
            if raw.0.try_write(b"G").is_err() {
                return bytes;
            }
            tokio::time::sleep(HEAD / 10).await;
        }
        unreachable!("the connection stays open");
    };
    let (new, old) = (Raw::to(&server).await, used(&server).await);
    let (dripping, later) = (used(&server).await, used(&server).await);
    let ((), (), bytes, ()) = tokio::join!(
        dawdle(new, "G"),
        dawdle(old, &GET[..GET.len() - 2]),
        drip(dripping),
        async {
            tokio::time::sleep(2 * HEAD).await;
            dawdle(later, "GET /livez HTTP/1.1\r\n").await;
        }
    );
    assert!((5..30).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn an_empty_line_after_a_body_begins_no_head() {
    let server = Server::serve(Routes::default(), SHORT);
    let mut raw = Raw::to(&server).await;
    raw.say(format!("{GET}\r\n")).await;
    raw.answer().await;
    let mut other = used(&server).await;
    other.say("\r\n").await;
    let (first, second) = tokio::join!(raw.kept(), other.kept());
    assert_about(first.0, IDLE);
    assert_about(second.0, IDLE);
    assert_eq!((first.1, second.1), (String::new(), String::new()));
}

#[tokio::test]
async fn only_a_connection_that_stays_open_gets_a_keep_alive_header() {
    let server = Server::serve(Routes::default(), &[]);
    let close = GET.replace("Host", "Connection: x, Close\r\nHost");
    let old = GET.replace("/1.1", "/1.0");
    let old_and_kept = old.replace("Host", "Connection: Keep-Alive\r\nHost");
    for (request, connection, keep_alive) in [
        (GET.to_owned(), Some("keep-alive"), Some("timeout=75")),
        (old_and_kept, Some("keep-alive"), Some("timeout=75")),
        (close, Some("close"), None),
        (old, None, None),
    ] {
        let mut raw = Raw::to(&server).await;
        raw.say(&request).await;
        let answer = raw.answer().await;
        assert_eq!(answer.header("connection"), connection, "{request}");
        assert_eq!(answer.header("keep-alive"), keep_alive, "{request}");
        if keep_alive.is_some() {
            raw.say(&request).await;
            assert_eq!(raw.answer().await.status(), 200);
        } else {
            assert_eq!(raw.rest().await, "");
        }
    }
}

#[tokio::test]
async fn an_idle_connection_ends_with_the_process() {
    let server = Server::serve(Routes::default(), &[("DRAIN_DELAY", "0")]);
    let (mut new, mut idle) = (Raw::to(&server).await, Raw::to(&server).await);
    idle.say(GET).await;
    idle.answer().await;
    server.shutdown.cancel();
    for (_, said) in [new.kept().await, idle.kept().await] {
        assert_eq!(said, "");
    }
}
