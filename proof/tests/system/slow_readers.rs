//! Crowds of clients send requests and do not read. Each service has the memory limit of its
//! container.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::iter;
use reqwest::Method;
use serde_json::json;
use shared::contract::id::ProductId;
use shared::http::page::MAX_ANSWER_BYTES;
use stack::events::Events;
use stack::wait::eventually;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::crowds::make_room;
use crate::harness::{Answer, LIMIT, Shop};

use target::{AT_ONCE, MAX_KEPT, SMALL_BUFFER, Target};

mod target;

/// Nearly all connections of a process (`MAX_CONNECTIONS`). A few are left to other clients.
const CROWD: usize = 4_096 - 64;
/// Twice as many as the requests that a process works on (`MAX_REQUESTS`).
const FEW: usize = 1_024;
/// Nearly all live streams of a process, which are half of its connections.
const STREAMS: usize = 2_048 - 16;
/// Items on the largest page, and letters of the longest name.
const THINGS: usize = 100;
const LETTERS: usize = 200;
/// Movements of each product that an audit reads.
const AUDITED: usize = 20;
/// Bytes of half a head, which may have 16 KiB, and of what follows a request.
const HALF_HEAD: usize = 15 * 1024;
const POURED: usize = 1024 * 1024;
/// How long a client waits until the service takes more bytes.
const POUR_PAUSE: Duration = Duration::from_millis(200);

/// Whether an event has arrived, behind the head and the first piece of the answer.
async fn is_told(stream: &TcpStream) -> bool {
    let mut begin = [0; SMALL_BUFFER as usize];
    let bytes = stream.peek(&mut begin).await.unwrap();
    String::from_utf8_lossy(&begin[..bytes]).contains("event: ")
}

/// Fills a page with products that have the longest names. One of them has as many movements with
/// the longest notes.
async fn fill(shop: &Shop) -> ProductId {
    let name = |number: usize| format!("{number:03}{}", "\u{10384}".repeat(LETTERS - 3));
    let create = |number| {
        let name = name(number);
        async move { shop.create_product(&name, 100_000).await }
    };
    let products: Vec<_> = iter(0..THINGS)
        .map(create)
        .buffered(AT_ONCE)
        .collect()
        .await;
    restock(shop, products[0], THINGS).await;
    let audited = products
        .iter()
        .map(|product| restock(shop, *product, AUDITED));
    iter(audited)
        .buffer_unordered(AT_ONCE / AUDITED)
        .collect::<()>()
        .await;
    for path in [
        "/products".to_owned(),
        format!("/products/{}/movements", products[0]),
    ] {
        let answer = Answer::to(shop.to_inventory(Method::GET, &path))
            .await
            .expect(200);
        let bytes = answer.body.len();
        assert!(
            (MAX_ANSWER_BYTES / 2..MAX_ANSWER_BYTES).contains(&bytes),
            "{path}: {bytes} B"
        );
    }
    products[0]
}

async fn restock(shop: &Shop, product: ProductId, times: usize) {
    let path = format!("/products/{product}/restock");
    let body = json!({"quantity": 1, "note": "\u{10384}".repeat(LETTERS)});
    let add = |_| Answer::patiently(shop.to_inventory(Method::POST, &path).json(&body));
    let added: Vec<_> = iter(0..times).map(add).buffered(AT_ONCE).collect().await;
    for answer in added {
        answer.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inventory_stands_a_crowd_that_does_not_read() {
    make_room();
    let shop = Shop::start(Shop::builder().env("RUST_LOG", "warn")).await;
    let serve = Target::of(&shop, "inventory serve");
    let product = fill(&shop).await;
    serve.assert_stands("/docs", CROWD, "").await;
    serve
        .assert_stands("/docs", FEW, "Accept-Encoding: gzip\r\n")
        .await;
    serve.assert_stands("/openapi.json", FEW, "").await;
    serve.assert_stands("/products", CROWD, "").await;
    serve
        .assert_stands(&format!("/products/{product}/movements"), FEW, "")
        .await;
    serve.assert_stands("/admin/audit", FEW, "").await;

    let stream = "/products/stream";
    let mut watcher = Events::open(shop.to_inventory(Method::GET, stream))
        .await
        .unwrap();
    restock(&shop, product, 1).await;
    watcher.next(LIMIT).await.unwrap();
    let mark = watcher.last_id().unwrap().to_owned();
    let crowd = serve
        .crowd(
            STREAMS,
            &format!("GET {stream} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        )
        .await;
    restock(&shop, product, 3 * THINGS).await;
    serve.wait_kept(STREAMS as u64 * MAX_KEPT / 4).await;
    serve.assert_well(stream, STREAMS).await;
    drop(crowd);
    let missed =
        format!("GET {stream} HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: {mark}\r\n\r\n");
    let crowd = serve.crowd(STREAMS, &missed).await;
    // What is repeated, or, where too many hold that already, `reset`.
    eventually("the first event of each", async || {
        let told = join_all(crowd.iter().map(is_told)).await;
        told.into_iter().all(|told| told)
    })
    .await;
    serve.assert_well("what was missed", STREAMS).await;
    drop(crowd);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payments_stands_a_crowd_that_does_not_read() {
    make_room();
    let shop = Shop::start(Shop::builder().env("RUST_LOG", "warn")).await;
    let serve = Target::of(&shop, "payments serve");
    let product = shop.create_product("thing", 100_000).await;
    let place = |_| Answer::patiently(shop.order_request(product, 1));
    let orders: Vec<_> = iter(0..THINGS).map(place).buffered(AT_ONCE).collect().await;
    let order = orders[0].text("id");
    shop.wait_drained().await;
    let timeline = format!("/orders/{order}/timeline");
    serve.assert_stands("/docs", FEW, "").await;
    serve.assert_stands("/orders", CROWD, "").await;
    serve.assert_stands(&timeline, FEW, "").await;
    let crowd = serve
        .crowd(
            STREAMS,
            "GET /orders/stream HTTP/1.1\r\nHost: localhost\r\n\r\n",
        )
        .await;
    let more: Vec<_> = iter(0..THINGS).map(place).buffered(AT_ONCE).collect().await;
    for answer in more {
        answer.expect(201);
    }
    serve.assert_well("/orders/stream", STREAMS).await;
    drop(crowd);
    shop.assert_quiet().await;
}

/// As many bytes of a body as a service takes, in chunks of one byte, without the last chunk.
fn crumbs() -> String {
    let head = "POST /products HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    format!(
        "{head}Transfer-Encoding: chunked\r\n\r\n{}",
        "1\r\n{\r\n".repeat(16 * 1024)
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inventory_stands_a_crowd_that_sends_crumbs() {
    make_room();
    let shop = Shop::start(Shop::builder().env("RUST_LOG", "warn")).await;
    let serve = Target::of(&shop, "inventory serve");
    let (count, crumbs) = (FEW, crumbs());
    let crowd = iter(0..count).map(|number| serve.say(number, &crumbs));
    let crowd: Vec<_> = crowd.buffer_unordered(AT_ONCE).collect().await;
    serve.assert_well("crumbs", count).await;
    let answered = join_all(crowd.iter().map(TcpStream::readable));
    timeout(LIMIT, answered)
        .await
        .expect("not every client is answered");
    serve.assert_well("crumbs", count).await;
}

/// Sends as many bytes as the service and the kernel take.
async fn pour(stream: &mut TcpStream, text: &[u8]) {
    let _ = timeout(POUR_PAUSE, stream.write_all(text)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inventory_stands_crowds_that_send_half_a_head_or_more_than_is_read() {
    make_room();
    let builder = Shop::builder()
        .env("RUST_LOG", "warn")
        .env("HEADER_TIMEOUT", "60s");
    let shop = Shop::start(builder.limited()).await;
    let serve = Target::of(&shop, "inventory serve");
    let half = format!(
        "GET /products HTTP/1.1\r\nHost: localhost\r\nX: {}",
        "x".repeat(HALF_HEAD)
    );
    let crowd = iter(0..CROWD).map(|number| serve.say(number, &half));
    let crowd: Vec<_> = crowd.buffer_unordered(AT_ONCE).collect().await;
    let read = || async { serve.in_kernel().1 == 0 };
    eventually("the process to have read all", read).await;
    serve.assert_well("half heads", CROWD).await;
    drop(crowd);
    let stream = "GET /products/stream HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut crowd = serve.crowd(STREAMS, stream).await;
    let more = stream.repeat(POURED / stream.len());
    let poured = crowd.iter_mut().map(|stream| pour(stream, more.as_bytes()));
    iter(poured).buffer_unordered(AT_ONCE).collect::<()>().await;
    serve.assert_well("requests behind a stream", STREAMS).await;
    drop(crowd);
}
