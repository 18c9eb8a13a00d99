//! What a database may answer instead of a result.

/// Why the database did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It cannot be reached, or cannot work just now. A later attempt may succeed.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// It refused a statement. That is a fault of this program or of the tables.
    #[error("the database refused a statement: {0}")]
    Refused(String),
}

/// Beginnings of codes (SQLSTATE) that say that the server cannot work just now: connection,
/// roll-back, resources, operator, system, and a transaction that was idle for too long.
const NOT_NOW: [&str; 6] = ["08", "40", "53", "57", "58", "25P03"];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let refused = match &error {
            sqlx::Error::Database(refusal) => !refusal
                .code()
                .is_some_and(|code| NOT_NOW.iter().any(|beginning| code.starts_with(beginning))),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => false,
            _ => true,
        };
        if refused {
            Self::Refused(error.to_string())
        } else {
            Self::Unavailable(error.to_string())
        }
    }
}
