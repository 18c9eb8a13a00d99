//! Why a command failed, whether the store did anything, and whether another attempt may help.

mod code;
pub(super) mod reason;

use std::fmt::{Display, Formatter};

pub use crate::redis::error::code::Code;

/// The text of `fred` for an answer that redirects a command. `fred` is told to follow no
/// redirection.
const REDIRECTED: &str = "Too many redirections.";

/// Why a command failed. Callers decide by the variant and by the [`Code`]. No caller looks at the
/// text of a message: the texts are for people.
///
/// Which error goes where:
///
/// * A client of the HTTP API gets 503 with `Retry-After` for `Unavailable`. The answer says that
///   nothing was changed ([`RedisError::did_nothing`]), or that the outcome is unknown. The client
///   gets 500 for the other two, and the log has the reason.
/// * A consumer that meets `Unavailable` waits, and hands the same entries to the handler again.
///   The attempt is not counted. Each of the other two counts as one attempt of each entry. An
///   entry becomes a dead letter after its last attempt.
/// * A process that starts tries again after each error. It ends only if a server answers `ERR` to
///   the functions, because no later attempt can succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisError {
    /// The store cannot be reached, did not answer in time, or refuses to work just now. Trying
    /// again may help.
    Unavailable {
        /// Says whether the store may have done something.
        code: Code,
        /// The reason, in words for people.
        message: String,
    },
    /// The server answered with an error. Trying again changes nothing.
    Refused {
        /// Which error it is.
        code: Code,
        /// The answer of the server, led by its code.
        message: String,
    },
    /// A reply, or stored data, does not have the form that this build expects.
    Malformed {
        /// What was read, such as `a product`.
        what: String,
        /// What is wrong with it.
        why: String,
    },
}

impl RedisError {
    /// An error after which it is unknown whether the store did anything.
    pub fn unknown(message: impl Into<String>) -> Self {
        let message = message.into();
        Self::Unavailable {
            code: Code::Unknown,
            message,
        }
    }

    /// The store was left unchanged, for a reason that will pass. The code is one of ours
    /// ([`Code::Clock`], for example).
    pub fn not_now(code: Code, reason: &str) -> Self {
        Self::Unavailable {
            code,
            message: code.explain(reason),
        }
    }

    /// What was read does not have the form that it should have.
    pub fn malformed(what: impl Into<String>, why: impl Display) -> Self {
        Self::Malformed {
            what: what.into(),
            why: why.to_string(),
        }
    }

    /// The error in the answer of a server.
    pub(super) fn answered(answer: &str) -> Self {
        match Code::of(answer) {
            Some(code) if code.is_lasting() => Self::Refused {
                code,
                message: answer.to_owned(),
            },
            Some(code) => Self::Unavailable {
                code,
                message: code.explain(answer),
            },
            None => Self::unknown("its server answered with an error that has no code"),
        }
    }

    /// The same error after an earlier command made a change. The error no longer says that nothing
    /// was done.
    #[must_use]
    pub fn after_change(self) -> Self {
        match self {
            Self::Unavailable { message, .. } => Self::unknown(message),
            error => error,
        }
    }

    /// Whether the error has this code.
    pub fn is(&self, code: Code) -> bool {
        match self {
            Self::Unavailable { code: found, .. } | Self::Refused { code: found, .. } => {
                *found == code
            }
            Self::Malformed { .. } => false,
        }
    }

    /// Whether the store refuses to work just now, and is known to have changed nothing.
    pub fn did_nothing(&self) -> bool {
        matches!(self, Self::Unavailable { code, .. } if code.did_nothing())
    }

    /// Whether stored data is damaged: a key has another type, or a value another form.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Malformed { .. }) || self.is(Code::WrongType)
    }

    /// Whether the error is an answer of the server, over a connection that stays in use.
    pub(crate) fn is_answer(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::Malformed { .. } => true,
            Self::Unavailable { code, .. } => match code {
                // The outcome of the command is unknown, but the connection is good.
                Code::ClusterDown => true,
                // The client itself refused the command.
                Code::Crowded => false,
                code => code.did_nothing() && !code.is_no_primary(),
            },
        }
    }

    /// Whether the server is not a primary, or not yet, so that the client has to leave it.
    pub(super) fn is_no_primary(&self) -> bool {
        matches!(self, Self::Unavailable { code, .. } if code.is_no_primary())
    }
}

impl std::error::Error for RedisError {}

impl Display for RedisError {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unavailable { message, .. } if self.did_nothing() => {
                write!(f, "the store refuses: {message}")
            }
            Self::Unavailable { message, .. } => f.write_str(message),
            Self::Refused { message, .. } => write!(f, "Redis refused: {message}"),
            Self::Malformed { what, why } => write!(f, "{what} is malformed: {why}"),
        }
    }
}

impl From<fred::error::Error> for RedisError {
    /// `fred` reports its own errors this way, and those error answers that make it leave a server.
    fn from(error: fred::error::Error) -> Self {
        use fred::error::ErrorKind::{
            Backpressure, Cluster, InvalidArgument, Parse, Routing, Unknown,
        };
        let details = error.details();
        match error.kind() {
            Routing if details == REDIRECTED => Self::not_now(Code::TryAgain, ""),
            // The queue of the client is full, so the command was not even put into it.
            Backpressure => Self::not_now(Code::Crowded, &reason::of(&error)),
            Parse => Self::malformed("a reply", details),
            Unknown | InvalidArgument | Cluster if Code::of(details).is_some() => {
                Self::answered(details)
            }
            _ => Self::unknown(reason::of(&error)),
        }
    }
}

#[cfg(test)]
mod tests;
