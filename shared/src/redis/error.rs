//! Why a command failed, and whether it is worth trying again.

use crate::redis::reply::UnexpectedReply;

/// Why a command failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RedisError {
    /// The store cannot be reached, does not answer in time, or refuses to work just now. Whether
    /// the command took effect is unknown. Worth trying again.
    #[error("the Redis store is not available: {0}")]
    Unavailable(String),
    /// The store answered with an error; trying again changes nothing. The first word is its code.
    #[error("Redis refused: {0}")]
    Refused(String),
}

/// Answers that say "not now" rather than "never": the server is busy, starting, full or failing
/// over, slots are on the move, the store has lost its data, is damaged or was migrated, or was told wrong
/// users. None of them is the fault of the command, so none may count against an event. The last
/// seven words are those of our own functions or of the server's users.
const NOT_NOW: [&str; 19] = [
    "ASK",
    "BUSY",
    "CLUSTERDOWN",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "MOVED",
    "NOREPLICAS",
    "OOM",
    "READONLY",
    "TRYAGAIN",
    "UNBLOCKED",
    "CLOCK",
    "DAMAGED",
    "NOIDENTITY",
    "OTHERLAYOUT",
    "NOAUTH",
    "NOPERM",
    "WRONGPASS",
];

/// Answers after which a connection is of no use: the server behind it is no primary, or not yet.
const LEAVE: [&str; 3] = ["LOADING", "MASTERDOWN", "READONLY"];

/// How a cluster says that it has some keys of a command here, and some elsewhere.
const MOVING: &str = "TRYAGAIN";
/// What the client makes of an answer that leads elsewhere, because it may follow none.
const REDIRECTED: &str = "Too many redirections.";

impl RedisError {
    /// What an error says that the server answered, or the library. Codes of a server are in
    /// capitals, the texts of the library are not.
    pub(super) fn answered(message: &str) -> Self {
        let code = message.split_whitespace().next().unwrap_or_default();
        let is_code = !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_uppercase());
        if is_code && !NOT_NOW.contains(&code) {
            Self::Refused(message.to_owned())
        } else {
            Self::Unavailable(message.to_owned())
        }
    }

    /// The server said so itself, and the connection to it is good.
    pub(crate) fn is_answer(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::Unavailable(message) => {
                let code = message.split_whitespace().next().unwrap_or_default();
                NOT_NOW.contains(&code) && !LEAVE.contains(&code)
            }
        }
    }

    /// The store has no memory left for writes.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Unavailable(message) if message.starts_with("OOM"))
    }

    /// The user of this client has no right to a command, or to a key of it.
    pub(crate) fn is_forbidden(&self) -> bool {
        matches!(self, Self::Unavailable(message) if message.starts_with("NOPERM"))
    }

    /// The slot of the command is on its way to another node, and nothing was done.
    pub(super) fn is_moving(&self) -> bool {
        matches!(self, Self::Unavailable(message) if message.starts_with(MOVING))
    }

    /// The store answered with this error code.
    pub fn is_refusal(&self, code: &str) -> bool {
        matches!(self, Self::Refused(message) if message.starts_with(code))
    }
}

impl From<fred::error::Error> for RedisError {
    /// What the library makes of its own troubles, and of answers after which it leaves a server.
    fn from(error: fred::error::Error) -> Self {
        use fred::error::ErrorKind::{Cluster, InvalidArgument, Parse, Routing, Unknown};
        if matches!(error.kind(), Routing) && error.details() == REDIRECTED {
            return Self::Unavailable(format!("{MOVING} another node has the key, or will"));
        }
        match error.kind() {
            Parse => Self::Refused(error.details().to_owned()),
            Unknown | InvalidArgument | Cluster => Self::answered(error.details()),
            _ => Self::Unavailable(error.details().to_owned()),
        }
    }
}

impl From<UnexpectedReply> for RedisError {
    fn from(error: UnexpectedReply) -> Self {
        Self::Refused(error.to_string())
    }
}
