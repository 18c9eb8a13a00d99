//! A wire to a server that can swallow all bytes: connections stay open, and nothing arrives.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use shared::redis::RedisUrl;
use stack::credentials::User;
use stack::redis::RedisServer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A relay in front of one server. When it is dropped, it closes all its connections.
pub(crate) struct Relay {
    address: SocketAddr,
    wire: Arc<Wire>,
    _task: JoinSet<()>,
}

#[derive(Default)]
struct Wire {
    swallows: AtomicBool,
    open: AtomicUsize,
    accepted: AtomicUsize,
}

impl Relay {
    pub(crate) async fn to(server: &RedisServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (wire, port) = (Arc::<Wire>::default(), server.port());
        let mut task = JoinSet::new();
        task.spawn(accept(listener, port, wire.clone()));
        Self {
            address,
            wire,
            _task: task,
        }
    }

    /// The address of the server through this relay.
    pub(crate) fn url(&self, server: &RedisServer, user: User) -> RedisUrl {
        let (direct, port) = (server.url(user), self.address.port());
        direct
            .replace(&format!(":{}", server.port()), &format!(":{port}"))
            .parse()
            .unwrap()
    }

    /// From now on nothing arrives in either direction.
    pub(crate) fn swallow(&self) {
        self.wire.swallows.store(true, Ordering::SeqCst);
    }

    /// New connections work again. A connection that has lost bytes stays silent.
    pub(crate) fn heal(&self) {
        self.wire.swallows.store(false, Ordering::SeqCst);
    }

    /// The number of connections that are open now.
    pub(crate) fn open(&self) -> usize {
        self.wire.open.load(Ordering::SeqCst)
    }

    /// The number of connections that were ever made.
    pub(crate) fn accepted(&self) -> usize {
        self.wire.accepted.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, port: u16, wire: Arc<Wire>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        wire.accepted.fetch_add(1, Ordering::SeqCst);
        wire.open.fetch_add(1, Ordering::SeqCst);
        let wire = wire.clone();
        connections.spawn(async move {
            connect(client, port, &wire).await;
            wire.open.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

/// Passes on all bytes until the client closes the connection.
async fn connect(client: TcpStream, port: u16, wire: &Wire) {
    let lost = AtomicBool::new(false);
    let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    tokio::select! {
        () = pass_on(from_client, to_server, wire, &lost) => {}
        () = async {
            pass_on(from_server, to_client, wire, &lost).await;
            // On a wire that swallows, the client does not notice that the server closes.
            if lost.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
        } => {}
    }
}

async fn pass_on(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    wire: &Wire,
    lost: &AtomicBool,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if wire.swallows.load(Ordering::SeqCst) {
            lost.store(true, Ordering::SeqCst);
        }
        if !lost.load(Ordering::SeqCst) && to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
