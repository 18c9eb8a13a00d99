//! Reading on after the last answer.
//!
//! Closing a socket that has unread bytes resets the connection, and the client may lose the answer.
//! Many clients send a whole body before they look for an answer. nginx calls the remedy
//! `lingering_close`.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest time that a client may go on sending what nobody reads.
const DRAIN_TIME: Duration = Duration::from_secs(30);
/// Longest pause of a client that goes on.
const DRAIN_PAUSE: Duration = Duration::from_secs(5);
/// Bytes that a client may go on sending.
const MAX_DRAIN_BYTES: usize = 32 * 1024 * 1024;
/// Bytes that are read at once.
const DRAIN_BUFFER: usize = 16 * 1024;

/// Reads and forgets what still comes, until the client closes the connection or a limit is reached.
pub(super) async fn read_on(stream: &mut TcpStream) {
    // A client that is not done by then loses its connection.
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
