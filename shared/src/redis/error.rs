//! Why a command failed, whether anything was done, and whether it is worth trying again.

use crate::redis::reason;
use crate::redis::reply::UnexpectedReply;

/// Why a command failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RedisError {
    /// The store cannot be reached, or did not answer in time. Whether the command took effect is
    /// unknown. Worth trying again.
    #[error("{0}")]
    Unavailable(String),
    /// The store refuses to work just now, and did nothing. Worth trying again. The first word is the
    /// code of the server.
    #[error("the store refuses: {}", reason::of_refusal(.0))]
    NotNow(String),
    /// The store answered with an error; trying again changes nothing. The first word is its code.
    #[error("Redis refused: {0}")]
    Refused(String),
}

/// Answers that say "not now" rather than "never": the server is busy, starting, full or failing
/// over, slots are on the move, the store has lost its data, is damaged or was migrated, or was told wrong
/// users. None of them is the fault of the command, so none may count against an event. Each says that
/// the command did nothing: functions look for everything that may fail before they write. The last
/// eight words are ours, or about the users of the server.
const NOT_NOW: [&str; 20] = [
    "ASK",
    "BUSY",
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
    "CROWDED",
    "DAMAGED",
    "NOIDENTITY",
    "OTHERLAYOUT",
    "SWEPT",
    "NOAUTH",
    "NOPERM",
    "WRONGPASS",
];

/// A cluster that is down is not available: the client hands this answer to all commands that are on
/// their way over the same connection, and another node, or slot, may have served some of them.
const CLUSTER_DOWN: &str = "CLUSTERDOWN";
/// How its reason ends.
const CLUSTER_DOWN_TOLD: &str = "(CLUSTERDOWN)";
/// A function whose user may not do what it does next may have written before. The users are wrong, and
/// not the command.
const FORBIDDEN_HALF_WAY: &str = "ERR ACL failure in script";

/// Answers after which a connection is of no use: the server behind it is no primary, or not yet.
const LEAVE: [&str; 3] = ["LOADING", "MASTERDOWN", "READONLY"];

/// How a cluster says that it has some keys of a command here, and some elsewhere.
const MOVING: &str = "TRYAGAIN";
/// What the client makes of an answer that leads elsewhere, because it may follow none.
const REDIRECTED: &str = "Too many redirections.";

impl RedisError {
    /// What an error says that the server answered.
    pub(super) fn answered(message: &str) -> Self {
        let code = code(message);
        if code == CLUSTER_DOWN || message.starts_with(FORBIDDEN_HALF_WAY) {
            Self::Unavailable(reason::of_refusal(message))
        } else if NOT_NOW.contains(&code) {
            Self::NotNow(message.to_owned())
        } else if is_code(code) {
            Self::Refused(message.to_owned())
        } else {
            Self::Unavailable("its server answered with an error that has no code".to_owned())
        }
    }

    /// The same, where a change was made just before by another command: it is not true any more that
    /// nothing was done.
    #[must_use]
    pub fn after_change(self) -> Self {
        match self {
            Self::NotNow(message) => Self::Unavailable(reason::of_refusal(&message)),
            error => error,
        }
    }

    /// The server said so itself, and the connection to it is good.
    pub(crate) fn is_answer(&self) -> bool {
        match self {
            Self::Refused(_) => true,
            Self::NotNow(_) => !self.is_no_primary(),
            // What came of the command is unknown, but the connection is good.
            Self::Unavailable(message) => message.ends_with(CLUSTER_DOWN_TOLD),
        }
    }

    /// The server is no primary, or not yet: it has to be left.
    pub(super) fn is_no_primary(&self) -> bool {
        matches!(self, Self::NotNow(message) if LEAVE.contains(&code(message)))
    }

    /// The store has no memory left for writes.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::NotNow(message) if code(message) == "OOM")
    }

    /// The user of this client has no right to a command, or to a key of it.
    pub(crate) fn is_forbidden(&self) -> bool {
        matches!(self, Self::NotNow(message) if code(message) == "NOPERM")
    }

    /// The store leaves something alone because its clock may be wrong.
    pub fn doubts_clock(&self) -> bool {
        matches!(self, Self::NotNow(message) if code(message) == "CLOCK")
    }

    /// The slot of the command is on its way to another node, and nothing was done.
    pub(super) fn is_moving(&self) -> bool {
        matches!(self, Self::NotNow(message) if code(message) == MOVING)
    }

    /// The store answered with this error code.
    pub fn is_refusal(&self, code: &str) -> bool {
        matches!(self, Self::Refused(message) if message.starts_with(code))
    }
}

/// The code of an error: its first word.
fn code(message: &str) -> &str {
    message.split_whitespace().next().unwrap_or_default()
}

fn is_code(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase())
}

impl From<fred::error::Error> for RedisError {
    /// What the library makes of its own troubles, and of answers after which it leaves a server.
    fn from(error: fred::error::Error) -> Self {
        use fred::error::ErrorKind::{Cluster, InvalidArgument, Parse, Routing, Unknown};
        if matches!(error.kind(), Routing) && error.details() == REDIRECTED {
            return Self::NotNow(format!("{MOVING} another node has the key, or will"));
        }
        match error.kind() {
            Parse => Self::Refused(error.details().to_owned()),
            Unknown | InvalidArgument | Cluster if is_code(code(error.details())) => {
                Self::answered(error.details())
            }
            _ => Self::Unavailable(reason::of(&error)),
        }
    }
}

impl From<UnexpectedReply> for RedisError {
    fn from(error: UnexpectedReply) -> Self {
        Self::Refused(error.to_string())
    }
}
