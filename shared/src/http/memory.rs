//! What the clients of a process can make it keep in memory, all of them together, whatever they send
//! and however little they read.
//!
//! - A connection has a buffer for what it reads (a head of [`MAX_HEAD_BYTES`], or a body of as much),
//!   one for the head it writes, the beginning of its last head, and its task.
//! - An answer lies in memory once. Its request keeps its place in `MAX_REQUESTS` until it is written,
//!   so that there are no more answers than places.
//! - A page of what live streams have missed, for a limited number of clients at once.
//!
//! What the kernel keeps for a connection comes on top: [`MAX_UNSENT`] and one piece of [`MAX_PIECE`]
//! for a client that does not read, and twice [`MAX_UNREAD`] for one that sends more than is
//! read. The crowds of the system tests fill one of the three, on each connection. For all three
//! on each connection, a container of this size has room for [`FILLED_CONNECTIONS`].

use stack::memory::SERVICE_LIMIT;

use crate::http::page::MAX_ANSWER_BYTES;
use crate::http::server::{KEPT_HEAD, MAX_HEAD_BYTES, MAX_PIECE, MAX_UNREAD, MAX_UNSENT};
use crate::http::settings::HttpSettings;
use crate::http::sse::MAX_HELD_PAGES;

/// The HTTP library's buffer for the head of an answer.
const ANSWER_HEAD: usize = 8 * 1024;
/// The task of a connection, what its request says, and what the allocator adds.
const TASK: usize = 4 * 1024;
/// The process itself: its code, the clients of its stores, its documents.
const PROCESS: usize = 32 * 1024 * 1024;

/// What one connection takes of the process.
const CONNECTION: usize = MAX_HEAD_BYTES + ANSWER_HEAD + KEPT_HEAD + TASK;
/// What one connection takes of the kernel.
const BUFFERS: usize = MAX_UNSENT as usize + MAX_PIECE + MAX_UNREAD as usize * 2;
/// How many connections fit of which all is filled, as docs/operations.md says. Each takes 88 KiB, as the help says.
const FILLED_CONNECTIONS: usize = 1_600;

/// Bytes that a process with these settings needs at most.
fn most(settings: &HttpSettings) -> usize {
    let answers = usize::from(settings.max_requests.get()) + MAX_HELD_PAGES;
    let connections = usize::from(settings.max_connections.get());
    PROCESS + connections * CONNECTION + answers * MAX_ANSWER_BYTES
}

#[test]
fn what_all_clients_together_take_fits_into_a_container() {
    let mut reader = crate::base::config::Reader::from_source(|_| None);
    let mut settings = HttpSettings::read(&mut reader).unwrap();
    let fits = |bytes: usize| assert!(bytes as u64 <= SERVICE_LIMIT, "{} KiB", bytes / 1024);
    fits(most(&settings));
    settings.max_connections = u16::try_from(FILLED_CONNECTIONS)
        .unwrap()
        .try_into()
        .unwrap();
    fits(most(&settings) + FILLED_CONNECTIONS * BUFFERS);
    assert_eq!(CONNECTION + BUFFERS, 88 * 1024);
}
