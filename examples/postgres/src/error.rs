//! What an error of Postgres means: was a change made, and does the server work?

use sqlx::error::DatabaseError;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

/// Why a call to the database failed. The texts are for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database is not available, and nothing was changed. A later attempt may succeed.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The database did not answer. It is unknown whether a change was made.
    #[error("the database did not answer: {0}")]
    Unknown(String),
    /// The database refused the statement, and nothing was changed.
    #[error("the database refused a statement: {reason}")]
    Refused {
        /// The SQLSTATE.
        code: String,
        /// The reason that the database gave.
        reason: String,
    },
    /// This build cannot read the answer of the database. The change may have been made.
    #[error("the database answered something unexpected: {0}")]
    Broken(String),
}

/// The code (SQLSTATE) of a server that takes no changes.
pub(crate) const READ_ONLY: &str = "25006";
/// Classes and codes after which nothing was changed, and another attempt may help: no resources, a
/// conflict, a lock that was not free, a server that takes no changes, a statement or a transaction
/// that took too long, a server that starts, and a disk that fails.
const PASSING: [&str; 9] = [
    "53", "40", "55P03", READ_ONLY, "57014", "25P03", "25P04", "57P03", "58",
];
/// Classes and codes after which it is unknown whether a change was made: the server ended the
/// connection.
const LOST: [&str; 2] = ["08", "57P"];
/// Classes of errors of a server that cannot serve anything just now. After any other error it can.
const DOWN: [&str; 3] = ["53", "57P", "08"];

impl StoreError {
    /// The error of a connection that could not be made: no statement was sent.
    pub(crate) fn unsent(error: &sqlx::Error) -> Self {
        Self::Unavailable(reason(error))
    }

    /// The error of a statement that was sent.
    pub(crate) fn sent(error: &sqlx::Error) -> Self {
        let (code, reason) = (code(error), reason(error));
        match error {
            // The server ends, perhaps in the middle of a commit.
            sqlx::Error::Database(error) if is_panic(&**error) => Self::Unknown(reason),
            sqlx::Error::Database(_) if is_one_of(&PASSING, &code) => Self::Unavailable(reason),
            sqlx::Error::Database(_) if is_one_of(&LOST, &code) => Self::Unknown(reason),
            sqlx::Error::Database(_) => Self::Refused { code, reason },
            _ if is_answer(error) => Self::Broken(reason),
            _ => Self::Unknown(reason),
        }
    }

    /// The error of a statement that changes nothing.
    pub(crate) fn of_read(self) -> Self {
        match self {
            Self::Unknown(reason) => Self::Unavailable(reason),
            error => error,
        }
    }

    /// The SQLSTATE of a statement that was refused; empty for any other error.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            _ => "",
        }
    }
}

/// Whether the database answered, and can serve other statements.
pub(crate) fn is_alive(error: &sqlx::Error) -> bool {
    is_answer(error) && !is_one_of(&DOWN, &code(error))
}

/// The SQLSTATE of an answer; empty if the database did not answer.
pub(crate) fn code(error: &sqlx::Error) -> String {
    let error = error.as_database_error();
    error
        .and_then(DatabaseError::code)
        .unwrap_or_default()
        .into_owned()
}

fn is_panic(error: &dyn DatabaseError) -> bool {
    let error = error.try_downcast_ref::<PgDatabaseError>();
    error.is_some_and(|error| error.severity() == PgSeverity::Panic)
}

fn is_answer(error: &sqlx::Error) -> bool {
    use sqlx::Error::{ColumnDecode, ColumnNotFound, Database, Decode};
    matches!(
        error,
        Database(_) | ColumnDecode { .. } | ColumnNotFound(_) | Decode(_)
    )
}

fn is_one_of(known: &[&str], code: &str) -> bool {
    known.iter().any(|known| code.starts_with(known))
}

fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::PoolTimedOut => "no connection in time".to_owned(),
        sqlx::Error::Database(error) => error.message().to_owned(),
        error => error.to_string(),
    }
}
