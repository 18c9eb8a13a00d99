//! A link between a client and a real store, with every kind of fault.

use std::time::Duration;

use proof::proxy::{Block, Faults, Moment, Protocol, Proxy, Trap};
use stack::wait::eventually;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::support::LIMIT;

use link::{Client, Link, command};

mod link;

/// No answer comes within this time. Every answer here takes microseconds.
const SILENCE: Duration = Duration::from_millis(150);
const SEED: u64 = 7;

#[tokio::test]
async fn pipelined_commands_pass_in_order_whole_or_in_pieces_or_late() {
    let link = Link::open().await;
    let mut client = link.client().await;
    for faults in [
        Faults::default(),
        Faults {
            piece: 3,
            ..Faults::default()
        },
        Faults {
            delay: Duration::from_millis(20),
            ..Faults::default()
        },
    ] {
        link.proxy.set(faults);
        let started = Instant::now();
        let all = [
            command(&["SET", "a", "\r\n"]),
            command(&["GET", "a"]),
            command(&["PING"]),
        ];
        // A request may also arrive in pieces.
        for piece in all.concat().chunks(5) {
            client.0.write_all(piece).await.unwrap();
        }
        client.expect("+OK\r\n$2\r\n\r\n\r\n+PONG\r\n").await;
        assert!(started.elapsed() >= faults.delay * 2);
    }
    let counts = link.proxy.counts();
    assert_eq!(
        (counts.connections, counts.requests, counts.cut),
        (1, 10, 0),
        "{counts:?}"
    );
    assert!(counts.split >= 2 && counts.delayed >= 2, "{counts:?}");
    assert!(
        counts.bytes_to_server > 0 && counts.bytes_to_client > 0,
        "{counts:?}"
    );
}

#[tokio::test]
async fn a_cut_ends_all_connections_and_a_refusal_new_ones_until_it_is_healed() {
    let link = Link::open().await;
    let (mut one, mut two) = (link.client().await, link.client().await);
    link.proxy.cut();
    one.expect_end().await;
    two.expect_end().await;
    let mut three = link.client().await;
    link.proxy.refuse();
    three.expect_end().await;
    let mut refused = Client(
        TcpStream::connect(("127.0.0.1", link.proxy.port()))
            .await
            .unwrap(),
    );
    refused.expect_end().await;
    link.proxy.heal();
    link.client().await;
    let counts = link.proxy.counts();
    assert_eq!(
        (counts.connections, counts.cut, counts.refused),
        (4, 3, 1),
        "{counts:?}"
    );
}

#[tokio::test]
async fn a_blocked_link_keeps_its_connections_and_passes_everything_on_when_it_is_healed() {
    let link = Link::open().await;
    let mut client = link.client().await;
    link.proxy.set(Faults {
        block: Block::Both,
        ..Faults::default()
    });
    client.send(&["INCR", "counter"]).await;
    client.expect_silence().await;
    assert_eq!(link.counter().await, None, "the request has not arrived");
    link.proxy.heal();
    client.expect(":1\r\n").await;

    link.proxy.set(Faults {
        block: Block::ToClient,
        ..Faults::default()
    });
    client.send(&["INCR", "counter"]).await;
    eventually("the request to arrive", async || {
        link.counter().await == Some(2)
    })
    .await;
    client.expect_silence().await;
    link.proxy.heal();
    client.expect(":2\r\n").await;
}

#[tokio::test]
async fn a_blocked_link_does_not_tell_that_the_other_end_is_gone() {
    let link = Link::open().await;
    let mut client = link.client().await;
    link.proxy.set(Faults {
        block: Block::Both,
        ..Faults::default()
    });
    link.redis.kill();
    client.expect_silence().await;
    link.proxy.heal();
    client.expect_end().await;
}

#[tokio::test]
async fn a_dropped_answer_leaves_the_effect_and_no_connection() {
    let link = Link::open().await;
    let mut client = link.client().await;
    link.proxy.set(Faults {
        drop_answers: 1.0,
        ..Faults::default()
    });
    client.send(&["INCR", "counter"]).await;
    client.expect_end().await;
    assert_eq!(link.counter().await, Some(1));
    assert_eq!(link.proxy.counts().dropped_answers, 1);
}

#[tokio::test]
async fn a_trap_springs_before_within_or_behind_the_nth_command_of_a_name() {
    let link = Link::open().await;
    for (done, moment) in Moment::ALL.into_iter().enumerate() {
        let mut client = link.client().await;
        let before = link.counter().await.unwrap_or(0);
        let sprung = link.proxy.arm(Trap::at("INCR counter", moment).nth(2));
        client.send(&["INCR", "other"]).await;
        client.0.read_exact(&mut [0; 4]).await.unwrap();
        client.send(&["INCR", "counter"]).await;
        client.expect(&format!(":{}\r\n", before + 1)).await;
        client.send(&["INCR", "counter"]).await;
        sprung.sprung(LIMIT).await.unwrap();
        let executed = if moment == Moment::Before { 1 } else { 2 };
        assert_eq!(link.counter().await, Some(before + executed), "{moment:?}");
        if moment == Moment::Answered {
            client.expect(&format!(":{}\r\n", before + 2)).await;
        }
        client.expect_silence().await;
        assert_eq!(link.proxy.counts().sprung, done as u64 + 1);
        // The trapped connection stays held, and others pass.
        link.client().await;
    }
}

#[tokio::test]
async fn a_trap_may_wait_for_an_answer_with_a_text_and_may_cut() {
    let link = Link::open().await;
    let mut client = link.client().await;
    let trap = Trap::at("GET", Moment::Executed).telling("full").cutting();
    let sprung = link.proxy.arm(trap);
    client.send(&["GET", "counter"]).await;
    client.expect("$-1\r\n").await;
    client.send(&["SET", "counter", "full"]).await;
    client.expect("+OK\r\n").await;
    client.send(&["GET", "counter"]).await;
    client.expect_end().await;
    sprung.sprung(LIMIT).await.unwrap();
}

#[tokio::test]
async fn an_http_answer_is_dropped_when_its_first_bytes_come() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 1_024]).await;
                let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
                let _ = stream.read(&mut [0; 1_024]).await;
            });
        }
    });
    let proxy = Proxy::start(Protocol::Http, port, SEED).unwrap();
    let ask = async || {
        let mut client = Client(
            TcpStream::connect(("127.0.0.1", proxy.port()))
                .await
                .unwrap(),
        );
        client
            .0
            .write_all(b"GET /products/7 HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .unwrap();
        client
    };
    ask().await.expect("HTTP/1.1 204").await;
    let sprung = proxy.arm(Trap::at("GET /products/", Moment::Executed));
    let mut held = ask().await;
    sprung.sprung(LIMIT).await.unwrap();
    held.expect_silence().await;
    proxy.set(Faults {
        drop_answers: 1.0,
        ..Faults::default()
    });
    ask().await.expect_end().await;
    assert_eq!(proxy.counts().dropped_answers, 1);
}

#[tokio::test]
async fn random_faults_follow_from_the_seed() {
    let link = Link::open().await;
    let mut drawn = Vec::new();
    for seed in [1, 1, 2] {
        let proxy = Proxy::start(Protocol::Redis, link.redis.port(), seed).unwrap();
        proxy.set(Faults {
            drop_answers: 0.2,
            ..Faults::default()
        });
        let mut answered = 0;
        let mut lengths = Vec::new();
        while lengths.len() < 12 {
            let mut client = Client(
                TcpStream::connect(("127.0.0.1", proxy.port()))
                    .await
                    .unwrap(),
            );
            client.send(&["PING"]).await;
            match client.0.read(&mut [0; 128]).await {
                Ok(1..) => answered += 1,
                _ => lengths.push(std::mem::take(&mut answered)),
            }
        }
        drawn.push(lengths);
    }
    assert_eq!(drawn[0], drawn[1]);
    assert_ne!(drawn[0], drawn[2]);
}
