//! Counts what a proxy has done, for reports: a fault that never happened proves nothing.

use std::iter::Sum;
use std::ops::Add;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// The counts of a proxy since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connections that were carried.
    pub connections: u64,
    /// New connections that were closed at once.
    pub refused: u64,
    /// Connections that were closed in the middle, by a cut, a trap or a dropped answer.
    pub cut: u64,
    /// Answers that were dropped at random.
    pub dropped_answers: u64,
    /// Traps that have sprung.
    pub sprung: u64,
    /// Requests that were seen.
    pub requests: u64,
    /// Chunks that were held back by a block.
    pub blocked: u64,
    /// Chunks that were passed on late.
    pub delayed: u64,
    /// Chunks that were passed on in pieces.
    pub split: u64,
    /// Bytes passed on to the server.
    pub bytes_to_server: u64,
    /// Bytes passed on to the client.
    pub bytes_to_client: u64,
}

/// The counts of a running proxy.
#[derive(Debug, Default)]
pub(super) struct Tally {
    connections: AtomicU64,
    refused: AtomicU64,
    pub(super) cut: AtomicU64,
    pub(super) dropped_answers: AtomicU64,
    pub(super) sprung: AtomicU64,
    pub(super) requests: AtomicU64,
    pub(super) blocked: AtomicU64,
    pub(super) delayed: AtomicU64,
    pub(super) split: AtomicU64,
    pub(super) bytes_to_server: AtomicU64,
    pub(super) bytes_to_client: AtomicU64,
}

impl Tally {
    pub(super) fn connected(&self) {
        add(&self.connections, 1);
    }

    pub(super) fn refused(&self) {
        add(&self.refused, 1);
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            connections: self.connections.load(Relaxed),
            refused: self.refused.load(Relaxed),
            cut: self.cut.load(Relaxed),
            dropped_answers: self.dropped_answers.load(Relaxed),
            sprung: self.sprung.load(Relaxed),
            requests: self.requests.load(Relaxed),
            blocked: self.blocked.load(Relaxed),
            delayed: self.delayed.load(Relaxed),
            split: self.split.load(Relaxed),
            bytes_to_server: self.bytes_to_server.load(Relaxed),
            bytes_to_client: self.bytes_to_client.load(Relaxed),
        }
    }
}

/// Adds to one of the figures.
pub(super) fn add(figure: &AtomicU64, more: usize) {
    figure.fetch_add(more as u64, Relaxed);
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            connections: self.connections + other.connections,
            refused: self.refused + other.refused,
            cut: self.cut + other.cut,
            dropped_answers: self.dropped_answers + other.dropped_answers,
            sprung: self.sprung + other.sprung,
            requests: self.requests + other.requests,
            blocked: self.blocked + other.blocked,
            delayed: self.delayed + other.delayed,
            split: self.split + other.split,
            bytes_to_server: self.bytes_to_server + other.bytes_to_server,
            bytes_to_client: self.bytes_to_client + other.bytes_to_client,
        }
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), Add::add)
    }
}
