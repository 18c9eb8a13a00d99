//! What the clients of a process can make it keep in memory, all of them together, whatever they send
//! and however little they read.
//!
//! - A connection has a buffer for what it reads (a head of [`MAX_HEAD_BYTES`], or a body of as much),
//!   one for the head it writes, the beginning of its last head, and its task.
//! - An answer lies in memory once. Its request keeps its place in `MAX_REQUESTS` until it is written,
//!   so that there are no more answers than places.
//! - A page of what live streams have missed, for a limited number of clients at once.
//!
//! What the kernel keeps for a connection comes on top: [`super::MAX_UNSENT`] and one piece of
//! `MAX_PIECE`, 24 KiB for a client that does not read.

use stack::memory::SERVICE_LIMIT;

use super::MAX_HEAD_BYTES;
use super::wire::KEPT_HEAD;
use crate::page::MAX_ANSWER_BYTES;
use crate::settings::HttpSettings;
use crate::sse::MAX_HELD_PAGES;

/// The HTTP library's buffer for the head of an answer.
const ANSWER_HEAD: usize = 8 * 1024;
/// The task of a connection, what its request says, and what the allocator adds.
const TASK: usize = 4 * 1024;
/// The process itself: its code, the clients of its stores, its documents.
const PROCESS: usize = 32 * 1024 * 1024;

/// Bytes that a process with these settings needs at most.
fn most(settings: &HttpSettings) -> usize {
    let connection = MAX_HEAD_BYTES + ANSWER_HEAD + KEPT_HEAD + TASK;
    let answers = usize::from(settings.max_requests.get()) + MAX_HELD_PAGES;
    let connections = usize::from(settings.max_connections.get());
    PROCESS + connections * connection + answers * MAX_ANSWER_BYTES
}

#[test]
fn what_all_clients_together_take_fits_into_a_container() {
    let mut reader = crate::config::Reader::from_source(|_| None);
    let settings = HttpSettings::read(&mut reader);
    let most = most(&settings.unwrap());
    assert!(most as u64 <= SERVICE_LIMIT, "{} MiB", most / 1024 / 1024);
}
