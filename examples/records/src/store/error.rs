//! Why the database did not do something.

use std::borrow::Cow;

/// Why a call to the database failed. The texts are for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database is not available, and nothing was changed.
    #[error("the database is not available: {0}")]
    Refused(String),
    /// The database did not answer. It is unknown whether the change was made.
    #[error("the database did not answer: {0}")]
    Unknown(String),
    /// This build does not expect the answer of the database.
    #[error("the database refused a statement: {0}")]
    Broken(String),
}

/// The code (SQLSTATE) of a number that does not fit.
pub(super) const OVERFLOW: &str = "22003";
/// The code of a name that is taken.
pub(super) const UNIQUE_VIOLATION: &str = "23505";
/// The code of a server that takes no changes.
pub(super) const READ_ONLY: &str = "25006";
/// Classes and codes of errors after which nothing was changed, and another attempt may
/// help: no resources, a conflict, a lock that was not free, a server that takes no changes, and a
/// statement that took too long.
const PASSING: [&str; 6] = ["53", "40", "55P03", READ_ONLY, "57014", "57P03"];
/// Classes and codes after which it is unknown whether a change was made: the server ended the
/// connection.
const LOST: [&str; 2] = ["08", "57P"];
/// Classes of errors of a server that cannot serve anything just now. After any other error it can.
const DOWN: [&str; 3] = ["53", "57P", "08"];

impl StoreError {
    /// The error of a connection that could not be made: no statement was sent.
    pub(super) fn unsent(error: &sqlx::Error) -> Self {
        Self::Refused(reason(error))
    }

    /// The error of a statement that was sent.
    pub(super) fn sent(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(_) if is_one_of(&PASSING, error) => Self::Refused(reason(error)),
            sqlx::Error::Database(_) if is_one_of(&LOST, error) => Self::Unknown(reason(error)),
            _ if is_answer(error) => Self::Broken(reason(error)),
            _ => Self::Unknown(reason(error)),
        }
    }

    /// The error of a statement that changes nothing.
    pub(super) fn of_read(self) -> Self {
        match self {
            Self::Unknown(reason) => Self::Refused(reason),
            error => error,
        }
    }
}

/// Whether the database answered, and can serve other statements.
pub(super) fn is_alive(error: &sqlx::Error) -> bool {
    is_answer(error) && !is_one_of(&DOWN, error)
}

fn is_answer(error: &sqlx::Error) -> bool {
    use sqlx::Error::{ColumnDecode, Database, Decode, Encode};
    matches!(
        error,
        Database(_) | ColumnDecode { .. } | Decode(_) | Encode(_)
    )
}

fn is_one_of(known: &[&str], error: &sqlx::Error) -> bool {
    let code = code(error);
    known.iter().any(|known| code.starts_with(known))
}

/// The SQLSTATE of an answer; empty if the database did not answer.
pub(super) fn code(error: &sqlx::Error) -> Cow<'_, str> {
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .unwrap_or_default()
}

fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::PoolTimedOut => "no connection in time".to_owned(),
        sqlx::Error::Database(error) => error.message().to_owned(),
        error => error.to_string(),
    }
}
