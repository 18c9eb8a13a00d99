//! How far the request of a connection has come.
//!
//! The service sets the stage, and the wire beneath the HTTP library reads it. Only both together know
//! whether a client is idle, sends a head, or has more to send than the service reads.

use std::sync::atomic::{AtomicU8, Ordering};

/// How far the request of a connection has come.
#[derive(Debug, Default)]
pub(crate) struct Progress(AtomicU8);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stage {
    /// Nothing has arrived on a new connection.
    New,
    /// Nothing of the next request has arrived.
    Idle,
    /// A part of a head has arrived.
    Head,
    /// The head is with the service, and the body is not.
    Body,
    /// The whole request is with the service.
    Whole,
    /// The request was answered.
    Answered,
    /// The request was answered before its body was read: another request cannot follow.
    Unread,
}

/// The stages by their numbers.
const STAGES: [Stage; 7] = [
    Stage::New,
    Stage::Idle,
    Stage::Head,
    Stage::Body,
    Stage::Whole,
    Stage::Answered,
    Stage::Unread,
];

impl Progress {
    pub(crate) fn stage(&self) -> Stage {
        STAGES[usize::from(self.0.load(Ordering::Relaxed))]
    }

    /// Goes on to a stage. One task does all the work of a connection, so that no order is needed.
    pub(crate) fn set(&self, stage: Stage) {
        self.0.store(stage as u8, Ordering::Relaxed);
    }

    /// The request was answered. Says whether another one may follow.
    pub(crate) fn answer(&self) -> bool {
        let whole = self.stage() == Stage::Whole;
        self.set(if whole {
            Stage::Answered
        } else {
            Stage::Unread
        });
        whole
    }
}
