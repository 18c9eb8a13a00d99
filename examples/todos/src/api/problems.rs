//! The kinds of problems that only todos answers.

use shared::http::problem::{INTERNAL, Problem, RETRY_AFTER};

use crate::kafka::PublishError;
use crate::store::StoreError;

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

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(reason) => {
                tracing::debug!(reason, "the database is not available");
                let detail = "the database is not available just now; nothing was changed";
                Self::new(&DATABASE_UNAVAILABLE, detail).retry_after(RETRY_AFTER)
            }
            StoreError::Refused(reason) => {
                tracing::error!(reason, "the database refused a statement");
                Self::new(&INTERNAL, "an unexpected error; it has been logged")
            }
        }
    }
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
