//! Clients that send too much, or take nothing.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use poem::Body;
use poem::endpoint::make_sync;
use shared::http::routes::Routes;
use stack::wait::wait_until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::http::{LIMIT, Server};

/// How long a client may take no byte of an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// A large answer in pieces. Up to `BUFFERED_PIECES` fit into the buffers between server and
/// client.
const PIECE: &[u8] = &[b'x'; 1024 * 1024];
const PIECES: usize = 64;
const BUFFERED_PIECES: usize = 16;
/// Receive buffer of a client that takes nothing, in bytes.
const RECEIVE_BUFFER: u32 = 4096;

/// Opens a connection, and sends a request with `more` behind it.
async fn request(server: &Server, path: &str, more: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(RECEIVE_BUFFER).unwrap();
    let mut connection = socket.connect(server.address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n{more}");
    connection.write_all(request.as_bytes()).await.unwrap();
    connection
}

/// Waits until another connection is answered with 200.
async fn answered_within(server: &Server, limit: Duration) -> bool {
    let answered = async || {
        let (mut connection, mut start) = (request(server, "/alive", "").await, [0; 12]);
        connection.read_exact(&mut start).await.is_ok() && start.ends_with(b"200")
    };
    wait_until("an answer", limit, answered).await.is_ok()
}

#[tokio::test]
async fn a_client_that_says_too_much_and_goes_away_frees_its_connection() {
    let ticks = || {
        let clock = tokio::time::interval(Duration::from_millis(10));
        Body::from_bytes_stream(stream::unfold(clock, |mut clock| async {
            clock.tick().await;
            Some((Ok::<_, io::Error>("tick\n"), clock))
        }))
    };
    let routes = Routes::default().page("/ticks", make_sync(move |_| ticks()));
    let server = Server::serve(routes, &[("MAX_CONNECTIONS", "1")]);
    for more in ["", "G", "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
        let mut client = request(&server, "/ticks", more).await;
        let read = tokio::time::timeout(LIMIT, client.read_exact(&mut [0])).await;
        read.expect("there is no answer").unwrap();
        drop(client);
        assert!(answered_within(&server, LIMIT).await, "{more:?}");
    }
}

#[tokio::test]
async fn a_client_that_takes_nothing_costs_little_and_loses_its_connection() {
    tokio::join!(take_nothing(""), take_nothing("G"));
}

async fn take_nothing(more: &str) {
    let made = Arc::new(AtomicUsize::new(0));
    let counted = made.clone();
    let large = make_sync(move |_| {
        let made = counted.clone();
        let pieces = stream::repeat_with(move || {
            made.fetch_add(1, Ordering::Relaxed);
            Ok::<_, io::Error>(Bytes::from_static(PIECE))
        });
        Body::from_bytes_stream(pieces.take(PIECES))
    });
    let routes = Routes::default().page("/large", large);
    let server = Server::serve(routes, &[("MAX_CONNECTIONS", "1")]);
    let client = request(&server, "/large", more).await;
    // The server answers. So the connection is not an idle one that makes room for others.
    tokio::time::timeout(LIMIT, client.peek(&mut [0]))
        .await
        .unwrap()
        .unwrap();
    assert!(
        answered_within(&server, WRITE_TIMEOUT + LIMIT).await,
        "{more:?}"
    );
    let made = made.load(Ordering::Relaxed);
    assert!(
        (1..=BUFFERED_PIECES).contains(&made),
        "{more:?}: {made} MiB"
    );
    drop(client);
}
