//! How far the request of a connection has come.
//!
//! Both the service above the HTTP library and the wire beneath it set the stage. Only the two
//! together know whether a client is idle, sends a head, or sends more than the service reads.

use std::sync::atomic::{AtomicU8, Ordering};

/// How far the request of a connection has come.
#[derive(Debug, Default)]
pub(crate) struct Progress(AtomicU8);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Stage {
    /// The connection is new, and nothing has arrived.
    New,
    /// Nothing of the next request has arrived.
    Idle,
    /// A part of a head has arrived.
    Head,
    /// The service has the head, and the body has not arrived.
    Body,
    /// The service has the whole request.
    Whole,
    /// The request was answered.
    Answered,
    /// The request was answered before its body was read, so no request can follow.
    Unread,
}

/// The stages in the order of their numbers.
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

    /// Goes on to a stage. One task does all the work of a connection, so relaxed memory order is
    /// enough.
    pub(crate) fn set(&self, stage: Stage) {
        self.0.store(stage as u8, Ordering::Relaxed);
    }

    /// Notes that the request was answered. Answers whether another request may follow.
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
