//! The service that a crowd asks.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::iter;
use stack::memory::{SERVICE_LIMIT, peak};
use stack::wait::eventually;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::harness::{Answer, Shop, client};

/// The smallest buffer that a socket can have.
pub(super) const SMALL_BUFFER: u32 = 2 * 1024;

/// Bytes of answers that the kernel may keep for each connection: see `shared::http::server`.
pub(super) const MAX_KEPT: u64 = 24 * 1024;

/// Bytes of requests that the kernel may keep for each connection: twice the size that the server
/// asks for.
pub(super) const MAX_UNREAD: u64 = 32 * 1024;

/// Requests on each connection, one after the other, so that all buffers fill.
pub(super) const REPEATED: usize = 8;

/// How long a crowd may need to connect.
pub(super) const CROWD_LIMIT: Duration = Duration::from_mins(2);

/// The number of addresses from which the crowd comes.
pub(super) const ADDRESSES: u8 = 200;

/// Clients that connect at the same time: fewer than the kernel queues for a process that is slow
/// to accept.
pub(super) const AT_ONCE: usize = 100;

/// One of the two services, as its clients see it.
pub(super) struct Target<'a> {
    pub(super) shop: &'a Shop,
    pub(super) process: &'static str,
    pub(super) address: SocketAddr,
}

impl<'a> Target<'a> {
    pub(super) fn of(shop: &'a Shop, process: &'static str) -> Self {
        let url = shop.system.url(process);
        let address = url.strip_prefix("http://").unwrap().parse().unwrap();
        Self {
            shop,
            process,
            address,
        }
    }

    pub(super) async fn say(&self, number: usize, text: &str) -> TcpStream {
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

    /// Connects and sends this text. Waits until an answer begins.
    pub(super) async fn ask(&self, number: usize, text: &str) -> TcpStream {
        let stream = self.say(number, text).await;
        stream.readable().await.unwrap();
        stream
    }

    /// Waits until the kernel keeps this many bytes of answers, because the clients read none.
    pub(super) async fn wait_kept(&self, bytes: u64) {
        let kept = || async { self.in_kernel().0 >= bytes };
        eventually("answers that nobody takes", kept).await;
    }

    /// A crowd of clients sends this text. Each waits until its answer begins, and does not read
    /// it.
    pub(super) async fn crowd(&self, count: usize, text: &str) -> Vec<TcpStream> {
        let asked = iter(0..count).map(|number| self.ask(number, text));
        let asked = asked.buffer_unordered(AT_ONCE).collect();
        timeout(CROWD_LIMIT, asked)
            .await
            .expect("not every client is answered")
    }

    /// Asserts that the process lives, answers probes at once, and has stayed within its memory.
    pub(super) async fn assert_well(&self, what: &str, crowd: usize) {
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

    /// Bytes of answers that the kernel keeps, and of requests that the process has not read yet.
    pub(super) fn in_kernel(&self) -> (u64, u64) {
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

    /// A crowd asks for this page and does not read it. Once the crowd is gone, the process serves
    /// again.
    pub(super) async fn assert_stands(&self, path: &str, count: usize, headers: &str) {
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
