//! The most memory that all clients together can make a process use, no matter what they send and
//! how little they read. The test below compares it with the size of a container.
//!
//! - Each connection has its task and three buffers. One is for reading: a head of
//!   [`MAX_HEAD_BYTES`], or a body of the same size. One is for the head of an answer, and one
//!   keeps the beginning of the last head.
//! - A body may be larger if its service says so. At most [`MAX_LARGE_BODIES`] such bodies are in
//!   memory at once, each up to [`COPIES`] times.
//! - Each answer is in memory once. Its request keeps its permit until the answer is written, so
//!   there are at most `MAX_REQUESTS` answers. A service answers with nothing longer than a page,
//!   or than the largest body that it takes.
//! - Each client of a live stream that was cut off may hold one page of missed changes. At most
//!   [`MAX_HELD_PAGES`] clients do so at once.
//!
//! The buffers of the kernel come on top. For a client that does not read, they hold [`MAX_UNSENT`]
//! and one piece of [`MAX_PIECE`]. For a client that sends more than the service reads, they hold
//! twice [`MAX_UNREAD`]. The crowds of the system tests fill one of the three buffers on each
//! connection. If all three are full on each connection, a container has room for
//! [`FILLED_CONNECTIONS`].

use stack::memory::SERVICE_LIMIT;

use crate::http::admission::MAX_LARGE_BODIES;
use crate::http::page::MAX_ANSWER_BYTES;
use crate::http::server::{KEPT_HEAD, MAX_HEAD_BYTES, MAX_PIECE, MAX_UNREAD, MAX_UNSENT};
use crate::http::settings::{HttpSettings, MAX_BODY_BYTES};
use crate::http::sse::MAX_HELD_PAGES;

/// The HTTP library's buffer for the head of an answer.
const ANSWER_HEAD: usize = 8 * 1024;
/// The task of a connection, the headers of its request, and what the allocator adds.
const TASK: usize = 4 * 1024;
/// The process itself: its code, the Redis clients of its stores, its documents.
const PROCESS: usize = 32 * 1024 * 1024;

/// How often a large body is in memory: its buffer, which grows by doubling, and the text in it.
const COPIES: usize = 3;
/// Most bytes of a body in `examples/items`.
const ITEMS_BODY: usize = 6 * 64 * 1024 + 1024;
/// Memory of the container of the API of `examples/items`.
const ITEMS_LIMIT: usize = 512 * 1024 * 1024;

/// Memory of the process that one connection takes.
const CONNECTION: usize = MAX_HEAD_BYTES + ANSWER_HEAD + KEPT_HEAD + TASK;
/// Memory of the kernel that one connection takes.
const BUFFERS: usize = MAX_UNSENT as usize + MAX_PIECE + MAX_UNREAD as usize * 2;
/// How many connections with full buffers fit into a container; docs/operations.md has the number.
/// Each takes 88 KiB; the help of `MAX_CONNECTIONS` has that number.
const FILLED_CONNECTIONS: usize = 1_600;

/// Most bytes that a process with these settings needs.
fn most(settings: &HttpSettings) -> usize {
    let answers = usize::from(settings.max_requests.get()) + MAX_HELD_PAGES;
    let connections = usize::from(settings.max_connections.get());
    let large = if settings.max_body_bytes > MAX_BODY_BYTES {
        MAX_LARGE_BODIES * COPIES * settings.max_body_bytes
    } else {
        0
    };
    let answer = MAX_ANSWER_BYTES.max(settings.max_body_bytes);
    PROCESS + connections * CONNECTION + large + answers * answer
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

#[test]
fn what_all_clients_with_large_bodies_take_fits_into_the_container_of_items() {
    let mut reader = crate::base::config::Reader::from_source(|_| None);
    let mut settings = HttpSettings::read(&mut reader).unwrap();
    settings.max_body_bytes = ITEMS_BODY;
    let bytes = most(&settings);
    assert!(bytes <= ITEMS_LIMIT, "{} KiB", bytes / 1024);
}
