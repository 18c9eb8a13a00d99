//! Clients that send their whole request, close their sending side, and wait for the answer. Others
//! look the same and are gone.

use std::time::Duration;

use futures_util::future::join_all;
use stack::wait::wait_until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{LIMIT, Service};
use crate::live::{cancel, place, start};

/// How often an order is placed, because the two sides of a connection race.
const TIMES: usize = 40;
/// Pauses between the request and its end.
const PAUSES: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_micros(500),
    Duration::from_millis(1),
];
/// The second heartbeat of a live stream finds that its client is gone. A heartbeat comes every 15
/// s.
const FOUND_GONE: Duration = Duration::from_secs(30);

/// Says this and, after a pause, that it is all.
async fn say(service: &Service, request: &str, pause: Duration) -> TcpStream {
    let mut stream = service.connect().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    stream.shutdown().await.unwrap();
    stream
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = String::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_string(&mut answer)).await;
    read.expect("the connection stays open").unwrap();
    answer
}

/// Reads until this text arrives.
async fn hear(stream: &mut TcpStream, words: &str) {
    let mut heard = Vec::new();
    let listen = async {
        while !String::from_utf8_lossy(&heard).contains(words) {
            assert_ne!(
                stream.read_buf(&mut heard).await.unwrap(),
                0,
                "the end came before {words}"
            );
        }
    };
    tokio::time::timeout(LIMIT, listen).await.expect(words);
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")
}

#[tokio::test]
async fn an_order_of_a_client_that_half_closes_is_placed_and_answered() {
    let service = start().await;
    let product = service.inventory.product("19.90", 42);
    let body = format!(r#"{{"product_id":"{product}","quantity":1}}"#);
    let head = "POST /orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let order = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
    for pause in PAUSES {
        let answers = join_all(
            (0..TIMES).map(|_| async { rest(&mut say(&service, &order, pause).await).await }),
        );
        for answer in answers.await {
            assert!(answer.starts_with("HTTP/1.1 201 "), "{pause:?}: {answer}");
        }
    }
    let count = service.items("/orders?limit=100").await.len();
    assert_eq!(count, PAUSES.len() * TIMES, "an order for each answer");
}

#[tokio::test]
async fn a_client_that_half_closes_may_still_wait_and_watch() {
    let service = start().await;
    let id = place(&service).await;
    let mut watching = say(&service, &get("/orders/stream"), Duration::ZERO).await;
    hear(&mut watching, "retry: ").await;
    let waiting = get(&format!("/orders/{id}?wait=final"));
    let mut waiting = say(&service, &waiting, Duration::ZERO).await;
    let (answer, ()) = tokio::join!(rest(&mut waiting), async {
        cancel(&service, &id).await;
        hear(&mut watching, "event: order.cancelled").await;
    });
    assert!(answer.contains("order-final: true"), "{answer}");
    assert!(answer.contains(r#""status":"cancelled""#), "{answer}");
}

#[tokio::test]
async fn the_places_of_clients_that_are_gone_come_back() {
    // The settings allow one live stream and one long poll.
    let service = Service::start(&[("MAX_CONNECTIONS", "3")]).await;
    let id = place(&service).await;
    for path in [
        "/orders/stream".to_owned(),
        format!("/orders/{id}?wait=final&timeout=5"),
    ] {
        let mut gone = service.connect().await;
        gone.write_all(get(&path).as_bytes()).await.unwrap();
        if path.contains("stream") {
            hear(&mut gone, "retry: ").await;
        }
        drop(gone);
        let free = || async {
            let mut stream = service.connect().await;
            let request = get(&path.replace("timeout=5", "timeout=1"));
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut status = [0; "HTTP/1.1 200".len()];
            stream.read_exact(&mut status).await.is_ok() && status.ends_with(b"200")
        };
        wait_until("a free connection", FOUND_GONE + LIMIT, free)
            .await
            .unwrap();
    }
}
