//! The kinds of problems that only todos answers.

use postgres::StoreError;
use shared::http::problem::{INTERNAL, Problem, RETRY_AFTER};

use crate::kafka::PublishError;

shared::problem_kinds! {
    ID_TAKEN "id-taken" CONFLICT "Another todo has this id"
        "Choose another id, or none. If you sent the same request before, read the todo: it may be yours."
    DATABASE_UNAVAILABLE "database-unavailable" SERVICE_UNAVAILABLE "The database is not available"
        "Nothing was changed. Try again after the time in Retry-After."
    BROKER_BUSY "broker-busy" SERVICE_UNAVAILABLE "The change was not sent to the broker"
        "Nothing was changed. Try again after the time in Retry-After."
    BROKER_UNAVAILABLE "broker-unavailable" SERVICE_UNAVAILABLE "The broker has not confirmed the change"
        "The change may still happen, or not. Read the todo before you try again. With an id of your own, or with the same Idempotency-Key, a POST creates at most one todo."
}

impl From<PublishError> for Problem {
    fn from(error: PublishError) -> Self {
        tracing::debug!(reason = %error, "a change was not published");
        match error {
            PublishError::NotSent(_) => {
                let detail = "the change was not sent to the broker; nothing was changed";
                Self::new(&BROKER_BUSY, detail)
            }
            PublishError::Unknown(_) => {
                let detail = "the broker has not confirmed the change in time; whether it has the \
                    change is unknown";
                Self::new(&BROKER_UNAVAILABLE, detail)
            }
        }
        .retry_after(RETRY_AFTER)
    }
}

/// The answer to a client whose question the database did not answer.
pub(super) fn unanswered(error: StoreError) -> Problem {
    match error {
        error @ (StoreError::Unavailable(_) | StoreError::Unknown(_)) => {
            tracing::debug!(%error, "a question was not answered");
            let detail = "the database is not available just now; nothing was changed";
            Problem::new(&DATABASE_UNAVAILABLE, detail).retry_after(RETRY_AFTER)
        }
        error @ (StoreError::Refused { .. } | StoreError::Broken(_)) => {
            tracing::error!(%error, "a question failed");
            Problem::new(&INTERNAL, "an unexpected error; it has been logged")
        }
    }
}
