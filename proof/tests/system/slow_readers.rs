//! Crowds of clients that ask and do not read, and services that have the memory of their containers.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::iter;
use reqwest::Method;
use serde_json::json;
use shared::contract::id::ProductId;
use shared::http::page::MAX_ANSWER_BYTES;
use stack::events::Events;
use stack::memory::{SERVICE_LIMIT, peak};
use stack::wait::wait_until;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::crowds::make_room;
use crate::harness::{Answer, LIMIT, Shop, client};

/// Nearly as many as a process takes (`MAX_CONNECTIONS`): a few are left to others.
const CROWD: usize = 4_096 - 64;
/// Twice as many as there are places for requests (`MAX_REQUESTS`).
const FEW: usize = 1_024;
/// Nearly as many live streams as a process takes: half of its connections.
const STREAMS: usize = 2_048 - 16;
/// The smallest buffer that a socket can have.
const SMALL_BUFFER: u32 = 2 * 1024;
/// What the kernel may keep of answers for each connection: see `shared::http::server`.
const MAX_KEPT: u64 = 24 * 1024;
/// The same of requests: what it is told, and as much again.
const MAX_UNREAD: u64 = 32 * 1024;
/// Requests on each connection, one behind the other, so that all buffers fill.
const REPEATED: usize = 8;
/// How long a crowd may take to gather.
const CROWD_LIMIT: Duration = Duration::from_mins(2);
/// Addresses from which the crowd comes.
const ADDRESSES: u8 = 200;
/// Things in the largest page, and letters of the largest name.
const THINGS: usize = 100;
const LETTERS: usize = 200;
/// Movements of each product that an audit reads.
const AUDITED: usize = 20;
/// Bytes of half a head, nearly as many as a head may have, and of what follows a request.
const HALF_HEAD: usize = 15 * 1024;
const POURED: usize = 1024 * 1024;
/// How long a client waits for the other end to take more.
const POUR_PAUSE: Duration = Duration::from_millis(200);
/// Clients that connect at once: fewer than the kernel keeps for a process that is slow to accept.
const AT_ONCE: usize = 100;

/// One of two services, as its clients see it.
struct Target<'a> {
    shop: &'a Shop,
    process: &'static str,
    address: SocketAddr,
}

impl<'a> Target<'a> {
    fn of(shop: &'a Shop, process: &'static str) -> Self {
        let url = shop.system.url(process);
        let address = url.strip_prefix("http://").unwrap().parse().unwrap();
        Self {
            shop,
            process,
            address,
        }
    }

    async fn say(&self, number: usize, text: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(SMALL_BUFFER).unwrap();
        let last = u8::try_from(number % usize::from(ADDRESSES)).unwrap() + 2;
        socket
            .bind((Ipv4Addr::new(127, 0, 0, last), 0).into())
            .unwrap();
        let mut stream = socket.connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    }

    /// Sends this, and sees that there is an answer.
    async fn ask(&self, number: usize, text: &str) -> TcpStream {
        let stream = self.say(number, text).await;
        stream.readable().await.unwrap();
        stream
    }

    /// Waits until the kernel keeps this number of bytes: clients have been sent more than they have room for.
    async fn wait_kept(&self, bytes: u64) {
        let kept = || async { self.in_kernel().0 >= bytes };
        wait_until("answers that nobody takes", LIMIT, kept)
            .await
            .unwrap();
    }

    /// A crowd of clients sends this, sees that there is an answer, and does not read it.
    async fn crowd(&self, count: usize, text: &str) -> Vec<TcpStream> {
        let asked = iter(0..count).map(|number| self.ask(number, text));
        let asked = asked.buffer_unordered(AT_ONCE).collect();
        timeout(CROWD_LIMIT, asked)
            .await
            .expect("not everybody is answered")
    }

    /// The process lives, answers probes at once, and has used no more memory than it has.
    async fn assert_well(&self, what: &str, crowd: usize) {
        let url = format!("{}/livez", self.shop.system.url(self.process));
        let probe = client().get(url).timeout(Duration::from_secs(10));
        Answer::to(probe).await.expect(200);
        let used = peak(&self.shop.system.process(self.process)).unwrap();
        let (kept, unread) = self.in_kernel();
        let mib = |bytes: u64| bytes / 1024 / 1024;
        eprintln!(
            "{} {what}: {} MiB at most, in the kernel {} MiB of answers and {} MiB of requests",
            self.process,
            mib(used),
            mib(kept),
            mib(unread)
        );
        let total = used + kept + unread;
        assert!(total < SERVICE_LIMIT, "{what}: {} MiB", mib(total));
        let crowd = crowd as u64;
        assert!(
            kept <= crowd * MAX_KEPT,
            "{what}: {} MiB of answers",
            mib(kept)
        );
        assert!(
            unread <= crowd * MAX_UNREAD,
            "{what}: {} MiB of requests",
            mib(unread)
        );
    }

    /// Bytes of answers that the kernel keeps, and of requests that the process has not read.
    fn in_kernel(&self) -> (u64, u64) {
        let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
        let port = format!(":{:04X}", self.address.port());
        let of = |line: &str| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let ours = fields[1].ends_with(&port);
            let (kept, unread) = fields[4].split_once(':').unwrap();
            let bytes = |hex| u64::from_str_radix(hex, 16).unwrap();
            ours.then(|| (bytes(kept), bytes(unread)))
        };
        let of_all = sockets.lines().skip(1).filter_map(of);
        of_all.fold((0, 0), |(kept, unread), (more, read)| {
            (kept + more, unread + read)
        })
    }

    /// A crowd asks for this page and does not read it. When it is gone everybody is served.
    async fn assert_stands(&self, path: &str, count: usize, headers: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
        let crowd = self.crowd(count, &request.repeat(REPEATED)).await;
        self.assert_well(path, count).await;
        drop(crowd);
        let list = if self.process.starts_with("inventory") {
            "/products"
        } else {
            "/orders"
        };
        let url = format!("{}{list}?limit=1", self.shop.system.url(self.process));
        Answer::patiently(client().get(url)).await.expect(200);
    }
}

/// Whether an event has arrived, after the head of the answer and its first piece.
async fn is_told(stream: &TcpStream) -> bool {
    let mut begin = [0; SMALL_BUFFER as usize];
    let bytes = stream.peek(&mut begin).await.unwrap();
    String::from_utf8_lossy(&begin[..bytes]).contains("event: ")
}

/// As many products with the longest names as stand on a page, and as many movements of one of them
/// with the longest notes.
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
    wait_until("the first event of each", LIMIT, || async {
        let told = join_all(crowd.iter().map(is_told)).await;
        told.into_iter().all(|told| told)
    })
    .await
    .unwrap();
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

/// As much of a body as a service takes, in pieces of one byte, and not its end.
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
        .expect("not everybody is answered");
    serve.assert_well("crumbs", count).await;
}

/// Sends as much as the other end and the kernel take.
async fn pour(stream: &mut TcpStream, text: &[u8]) {
    let _ = timeout(POUR_PAUSE, stream.write_all(text)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inventory_stands_a_crowd_that_sends_half_a_head_and_one_that_sends_more_than_is_read() {
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
    wait_until("the process to have read all", LIMIT, read)
        .await
        .unwrap();
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
