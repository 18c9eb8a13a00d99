//! Requests that are refused before their body was read, by clients that first send all of it.

use std::sync::Arc;
use std::time::Duration;

use shared::http::routes::{NO_STORE, Routes};
use stack::wait::wait_until;
use tokio::io::AsyncWriteExt;

use crate::half_closed::Counter;
use crate::http::{LIMIT, Server};
use crate::raw::{Raw, Said};

const MIB: usize = 1024 * 1024;
/// How long a refused client may pause, and how long it may send in all.
const DRAIN_PAUSE: Duration = Duration::from_secs(5);
const DRAIN_TIME: Duration = Duration::from_secs(30);
const HEAD: &str = "POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\n";

fn start(env: &'static [(&'static str, &'static str)]) -> Server {
    let routes = Routes::default().api(Counter(Arc::default()), &NO_STORE);
    Server::serve(routes, env)
}

fn sized(head: &str, bytes: usize) -> String {
    format!("{head}Content-Length: {bytes}\r\n\r\n{}", "x".repeat(bytes))
}

fn chunked(head: &str, bytes: usize) -> String {
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x1_0000));
    let chunks = chunk.repeat(bytes / 0x1_0000);
    format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
}

#[tokio::test]
async fn a_client_that_sends_a_whole_body_first_receives_the_refusal() {
    let open = start(&[]);
    let limited = start(&[("RATE_LIMIT", "1/1h")]);
    let keyed = start(&[("REQUIRE_IDEMPOTENCY_KEY", "true")]);
    Raw::to(&limited).await.say(sized(HEAD, 1)).await;
    let no_host = HEAD.replace("Host: localhost\r\n", "");
    let elsewhere = HEAD.replace("/count", "/nowhere");
    let gzip = format!("{HEAD}Transfer-Encoding: gzip\r\n");
    let late = format!("{HEAD}X: {}\r\n", "x".repeat(17 * 1024));
    for bytes in [3 * MIB, 8 * MIB] {
        for (server, request, status, slug) in [
            (&open, sized(HEAD, bytes), 413, "body-too-large"),
            (&open, chunked(HEAD, bytes), 413, "body-too-large"),
            (&open, sized(&elsewhere, bytes), 413, "body-too-large"),
            (
                &open,
                chunked(&elsewhere.replace("POST", "GET"), bytes),
                413,
                "body-too-large",
            ),
            (&keyed, sized(HEAD, bytes), 413, "body-too-large"),
            (&limited, sized(HEAD, bytes), 429, "rate-limited"),
            (&limited, chunked(HEAD, bytes), 429, "rate-limited"),
            (&open, sized(&no_host, bytes), 400, "malformed-request"),
            (&open, chunked(&gzip, bytes), 501, "unknown-transfer-coding"),
            (&open, sized(&late, bytes), 431, "head-too-large"),
        ] {
            for _ in 0..5 {
                let mut raw = Raw::to(server).await;
                raw.say(&request).await;
                let answer = Said::parse(&raw.rest().await);
                answer.last_problem(status, slug);
            }
        }
    }
}

#[tokio::test]
async fn a_refused_client_with_a_small_body_keeps_its_connection() {
    let limited = start(&[("RATE_LIMIT", "1/1h")]);
    let keyed = start(&[("REQUIRE_IDEMPOTENCY_KEY", "true")]);
    let mut first = Raw::to(&limited).await;
    first.say(sized(HEAD, 1)).await;
    assert_eq!(first.answer().await.status(), 200);
    for (server, head, status, slug) in [
        (&limited, HEAD.to_owned(), 429, "rate-limited"),
        (&keyed, HEAD.to_owned(), 400, "invalid-parameter"),
        (&keyed, HEAD.replace("/count", "/nowhere"), 404, "not-found"),
        (
            &keyed,
            HEAD.replace("POST", "PUT"),
            405,
            "method-not-allowed",
        ),
    ] {
        let mut raw = Raw::to(server).await;
        for _ in 0..5 {
            raw.say(sized(&head, 4096)).await;
            raw.answer().await.problem(status, slug);
        }
        raw.say(chunked(&head, 0)).await;
        raw.answer().await.problem(status, slug);
    }
}

#[tokio::test]
async fn a_client_that_expects_100_continue_is_told_to_send_or_refused() {
    let server = start(&[]);
    let head = format!("{HEAD}Expect: 100-continue\r\n");
    let mut raw = Raw::to(&server).await;
    raw.say(format!("{head}Content-Length: 3000000\r\n\r\n"))
        .await;
    raw.answer().await.last_problem(413, "body-too-large");
    drop(raw);
    let mut raw = Raw::to(&server).await;
    raw.say(format!("{head}Content-Length: 2\r\n\r\n")).await;
    assert_eq!(raw.answer().await.status(), 100);
    raw.say("{}").await;
    assert_eq!(raw.answer().await.body, "2\n");

    let limited = start(&[("RATE_LIMIT", "1/1h")]);
    Raw::to(&limited).await.say(sized(HEAD, 1)).await;
    let mut raw = Raw::to(&limited).await;
    raw.say(format!("{head}Content-Length: 2\r\n\r\n")).await;
    raw.answer().await.last_problem(429, "rate-limited");
}

/// Waits until another client is served. A client that was refused frees its connection at once.
async fn assert_free_within(server: &Server, limit: Duration) {
    wait_until("a free connection", limit + LIMIT, || async {
        let mut raw = Raw::to(server).await;
        raw.say("GET /alive HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await;
        raw.answer().await.status() == 200
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_refused_client_that_does_not_leave_is_disconnected() {
    let announced = format!("{HEAD}Content-Length: 1000000000\r\n\r\n");
    let refused = async || {
        let server = start(&[("MAX_CONNECTIONS", "1")]);
        let mut raw = Raw::to(&server).await;
        raw.say(&announced).await;
        raw.answer().await.last_problem(413, "body-too-large");
        (server, raw)
    };
    let silent = async {
        let (_server, mut raw) = refused().await;
        let (kept, said) = raw.kept().await;
        assert!(said.is_empty() && kept < DRAIN_PAUSE * 3, "{kept:?}");
    };
    let dripping = async {
        let (_server, mut raw) = refused().await;
        let drip = async {
            while raw.0.write_all(b"x").await.is_ok() {
                tokio::time::sleep(DRAIN_PAUSE / 10).await;
            }
        };
        tokio::time::timeout(DRAIN_TIME + LIMIT, drip)
            .await
            .expect("the server still reads");
    };
    let endless = async {
        let (server, mut raw) = refused().await;
        let (mut sent, piece) = (0, vec![b'x'; MIB]);
        while raw.0.write_all(&piece).await.is_ok() {
            sent += 1;
            assert!(sent < 256, "{sent} MiB were taken");
        }
        assert!(sent >= 16, "only {sent} MiB were taken");
        assert_free_within(&server, Duration::ZERO).await;
    };
    let in_the_way = async {
        let (server, mut raw) = refused().await;
        assert_free_within(&server, Duration::ZERO).await;
        let (kept, said) = raw.kept().await;
        assert!(
            said.is_empty() && kept < DRAIN_PAUSE,
            "the connection was given to another: {kept:?}"
        );
    };
    tokio::join!(silent, dripping, endless, in_the_way);
}
