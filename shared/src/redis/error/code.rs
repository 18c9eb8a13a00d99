//! The codes of error answers: what each means, and whether another attempt may help.

/// The error that a server, or a Redis Function of ours, answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// No code: it is unknown whether the command took effect.
    Unknown,
    /// Any code that this client does not treat specially.
    Other,
    /// `ASK`: a key is on its way to another node.
    Ask,
    /// `BUSY`: the server runs a script that takes long.
    Busy,
    /// `BUSYGROUP`: the consumer group exists.
    BusyGroup,
    /// `CLOCK`, of ours: the clock of the store or of a process may be wrong.
    Clock,
    /// `CLUSTERDOWN`: the cluster is down. Another node may have done a part of the command.
    ClusterDown,
    /// `CROWDED`, of ours: too many requests wait for the store.
    Crowded,
    /// `DAMAGED`, of ours: stored data is damaged.
    Damaged,
    /// `LOADING`: the server is still loading its data.
    Loading,
    /// `ERR ... FUNCTION LOAD timeout`: the server was too busy to load the functions in time.
    LoadTimeout,
    /// `MASTERDOWN`: the server is a replica without a primary.
    MasterDown,
    /// `MISCONF`: the server cannot write its files.
    MisConf,
    /// `MOVED`: another node has the key.
    Moved,
    /// `NOAUTH`: the server wants a password.
    NoAuth,
    /// `NOGROUP`: there is no such consumer group.
    NoGroup,
    /// `NOIDENTITY`, of ours: the store has lost its data.
    NoIdentity,
    /// `NOPERM`: the user has no right to the command or to a key.
    NoPerm,
    /// `NOREPLICAS`: the primary has too few replicas.
    NoReplicas,
    /// `ERR`, and none of the texts below: the command is wrong.
    Err,
    /// `ERR no such key`.
    NoSuchKey,
    /// `ERR Function not found`.
    NoSuchFunction,
    /// `ERR Library not found`.
    NoSuchLibrary,
    /// `ERR DB index ...`: the server has no such database.
    NoSuchDatabase,
    /// `ERR This instance has cluster support ...`: the server is not a node of a cluster.
    NotCluster,
    /// `ERR AUTH ...`: the server has no password.
    NoPassword,
    /// `OOM`: no memory is left.
    Oom,
    /// `OTHERLAYOUT`, of ours: the store belongs to another service, or has another layout.
    OtherLayout,
    /// `READONLY`: the server is a replica.
    ReadOnly,
    /// `ERR ACL failure in script`: the user has no right to a command of a function. The function
    /// may have written before that command.
    ScriptForbidden,
    /// `SWEPT`, of ours: the records from the time of the order were already removed.
    Swept,
    /// `TRYAGAIN`: some keys of the command are on this node, and some on another.
    TryAgain,
    /// `UNBLOCKED`: the server has just become a replica.
    Unblocked,
    /// `WRONGPASS`: unknown user, or wrong password.
    WrongPass,
    /// `WRONGTYPE`: the key holds another type.
    WrongType,
}

/// What an error says about the effect of the command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// Nothing was done, for a reason that passes. The server is busy, starting, full or failing
    /// over. Or a slot is moving, the store has lost its data, or its users are wrong. The command
    /// is not to blame, so the attempt is not counted against the event that the command is for.
    NotNow,
    /// It is unknown whether anything was done.
    Unknown,
    /// The command is wrong, now and later.
    Never,
}

use Effect::{Never, NotNow};

/// The meaning of the codes for keys that move to another node.
const MOVING: &str = "the keys are moving to another node of the cluster";

/// For each answer: how it begins, its code, its effect, and its meaning in words. If the words are
/// empty, the text of the answer itself is fit for people.
const ANSWERS: [(&str, Code, Effect, &str); 33] = [
    ("ASK", Code::Ask, NotNow, MOVING),
    (
        "BUSY",
        Code::Busy,
        NotNow,
        "its server is busy with a long script",
    ),
    ("BUSYGROUP", Code::BusyGroup, Never, ""),
    ("CLOCK", Code::Clock, NotNow, ""),
    (
        "CLUSTERDOWN",
        Code::ClusterDown,
        Effect::Unknown,
        "its cluster is down, or no node serves some of the keys",
    ),
    ("CROWDED", Code::Crowded, NotNow, ""),
    ("DAMAGED", Code::Damaged, NotNow, ""),
    (
        "LOADING",
        Code::Loading,
        NotNow,
        "its server is still loading its data",
    ),
    (
        "MASTERDOWN",
        Code::MasterDown,
        NotNow,
        "its server is a replica that has lost its primary",
    ),
    (
        "MISCONF",
        Code::MisConf,
        NotNow,
        "its server cannot write its files to disk",
    ),
    ("MOVED", Code::Moved, NotNow, MOVING),
    (
        "NOAUTH",
        Code::NoAuth,
        NotNow,
        "its server wants a password, and the URL has none",
    ),
    ("NOGROUP", Code::NoGroup, Never, ""),
    ("NOIDENTITY", Code::NoIdentity, NotNow, ""),
    (
        "NOPERM",
        Code::NoPerm,
        NotNow,
        "its server does not let this user do that",
    ),
    (
        "NOREPLICAS",
        Code::NoReplicas,
        NotNow,
        "its server has too few replicas, or its disk is full",
    ),
    (
        "OOM",
        Code::Oom,
        NotNow,
        "its server has no memory left for changes",
    ),
    ("OTHERLAYOUT", Code::OtherLayout, NotNow, ""),
    (
        "READONLY",
        Code::ReadOnly,
        NotNow,
        "its server is a replica and takes no changes",
    ),
    ("SWEPT", Code::Swept, NotNow, ""),
    ("TRYAGAIN", Code::TryAgain, NotNow, MOVING),
    (
        "UNBLOCKED",
        Code::Unblocked,
        NotNow,
        "its server has just become a replica",
    ),
    (
        "WRONGPASS",
        Code::WrongPass,
        NotNow,
        "its server does not know this user, or the password is wrong",
    ),
    ("WRONGTYPE", Code::WrongType, Never, ""),
    ("ERR no such key", Code::NoSuchKey, Never, ""),
    ("ERR Function not found", Code::NoSuchFunction, Never, ""),
    ("ERR Library not found", Code::NoSuchLibrary, Never, ""),
    (
        "ERR ACL failure in script",
        Code::ScriptForbidden,
        Effect::Unknown,
        "its server does not let this user do all that a function does",
    ),
    (
        "ERR AUTH",
        Code::NoPassword,
        Never,
        "its server has no password, and the URL has one",
    ),
    (
        "ERR DB index",
        Code::NoSuchDatabase,
        Never,
        "its server does not have the database of the URL",
    ),
    (
        "ERR This instance has cluster support",
        Code::NotCluster,
        Never,
        "its server is not a node of a cluster",
    ),
    (
        "ERR Error registering functions: ERR FUNCTION LOAD timeout",
        Code::LoadTimeout,
        NotNow,
        "its server was too busy to load the functions in time",
    ),
    // The last row, because the first one that fits counts.
    ("ERR", Code::Err, Never, ""),
];

impl Code {
    /// The code that an answer of a server begins with: one word in capitals. `None` if the answer
    /// has no code.
    pub(super) fn of(answer: &str) -> Option<Self> {
        let is_led_by = |text: &str| {
            let rest = answer.strip_prefix(text);
            rest.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
        };
        let known = ANSWERS.iter().find(|(text, ..)| is_led_by(text));
        known.map(|(_, code, ..)| *code).or_else(|| {
            let word = answer.split_whitespace().next()?;
            let is_code = word.bytes().all(|byte| byte.is_ascii_uppercase());
            is_code.then_some(Self::Other)
        })
    }

    /// What the code means, for people. `None` if only the text of the answer says it.
    pub(super) fn words(self) -> Option<&'static str> {
        let (_, _, _, words) = self.row()?;
        (!words.is_empty()).then_some(words)
    }

    /// The reason in words, followed by the code. The text of `answer` is used only if the code is
    /// one of ours, because a server may repeat what was sent to it, even a password. Of a code
    /// without words only its first word is used.
    pub(super) fn explain(self, answer: &str) -> String {
        let Some((text, ..)) = self.row() else {
            return answer.split(' ').next().unwrap_or_default().to_owned();
        };
        let word = text.split(' ').next().unwrap_or_default();
        let own = || answer.strip_prefix(word).unwrap_or(answer).trim_start();
        format!("{} ({word})", self.words().unwrap_or_else(own))
    }

    /// Whether the code says that nothing was done, and that another attempt may help.
    pub(in crate::redis) fn did_nothing(self) -> bool {
        self.effect() == Effect::NotNow
    }

    /// Whether another attempt fails in the same way.
    pub(super) fn is_lasting(self) -> bool {
        self.effect() == Effect::Never
    }

    /// Whether the server is not a primary, or not yet, so that its connection is of no use.
    pub(super) fn is_no_primary(self) -> bool {
        matches!(self, Self::Loading | Self::MasterDown | Self::ReadOnly)
    }

    fn effect(self) -> Effect {
        match self {
            Self::Unknown => Effect::Unknown,
            code => code.row().map_or(Never, |(_, _, effect, _)| *effect),
        }
    }

    fn row(self) -> Option<&'static (&'static str, Self, Effect, &'static str)> {
        ANSWERS.iter().find(|(_, code, ..)| *code == self)
    }
}

#[cfg(test)]
mod tests;
