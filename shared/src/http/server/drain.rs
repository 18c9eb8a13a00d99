//! Reads on after the last answer, before the connection is closed.
//!
//! Closing a socket that has unread bytes resets the connection, and the client may lose the
//! answer. Many clients send a whole body before they look for an answer. nginx calls the remedy
//! `lingering_close`.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest time that a client may go on sending after the last answer.
const DRAIN_TIME: Duration = Duration::from_secs(30);
/// Longest pause in what the client sends.
const DRAIN_PAUSE: Duration = Duration::from_secs(5);
/// Most bytes that a client may go on sending.
const MAX_DRAIN_BYTES: usize = 32 * 1024 * 1024;
/// Bytes that are read at once.
const DRAIN_BUFFER: usize = 16 * 1024;

/// Reads and discards what the client sends, until it closes the connection or reaches a limit.
pub(super) async fn read_on(stream: &mut TcpStream) {
    // A client that still sends after this time loses its connection.
    let _ = timeout(DRAIN_TIME, forget(stream)).await;
}

async fn forget(stream: &mut TcpStream) {
    let mut buffer = vec![0; DRAIN_BUFFER];
    let mut forgotten = 0;
    while forgotten < MAX_DRAIN_BYTES {
        match timeout(DRAIN_PAUSE, stream.read(&mut buffer)).await {
            Ok(Ok(read @ 1..)) => forgotten += read,
            _ => return,
        }
    }
}
