//! The reason of a failure, in words for people.
//!
//! The texts of the library and of the server are never passed on where they may repeat what was sent
//! to it: a password is sent there as well.

use fred::error::{Error, ErrorKind};

/// Codes of ours. The texts behind them are ours as well, and are for people.
const OURS: [&str; 6] = [
    "CLOCK",
    "CROWDED",
    "DAMAGED",
    "NOIDENTITY",
    "OTHERLAYOUT",
    "SWEPT",
];

/// What the codes of a server mean.
const CODES: [(&str, &str); 19] = [
    ("ASK", "the keys are moving to another node of the cluster"),
    ("BUSY", "its server is busy with a long script"),
    (
        "CLUSTERDOWN",
        "its cluster is down, or nobody serves some of the keys",
    ),
    ("LOADING", "its server is still loading its data"),
    (
        "MASTERDOWN",
        "its server is a replica that has lost its primary",
    ),
    ("MISCONF", "its server cannot write its files to disk"),
    (
        "MOVED",
        "the keys are moving to another node of the cluster",
    ),
    (
        "NOREPLICAS",
        "its server has too few replicas, or its disk is full",
    ),
    ("OOM", "its server has no memory left for changes"),
    ("READONLY", "its server is a replica and takes no changes"),
    (
        "TRYAGAIN",
        "the keys are moving to another node of the cluster",
    ),
    ("UNBLOCKED", "its server has just become a replica"),
    (
        "NOAUTH",
        "its server wants a password, and the URL has none",
    ),
    ("NOPERM", "its server does not let this user do that"),
    (
        "WRONGPASS",
        "its server does not know this user, or the password is wrong",
    ),
    (
        "ERR ACL failure in script",
        "its server does not let this user do all that a function does",
    ),
    (
        "ERR AUTH",
        "its server has no password, and the URL has one",
    ),
    (
        "ERR DB index",
        "its server does not have the database of the URL",
    ),
    (
        "ERR This instance has cluster support",
        "its server is not a node of a cluster",
    ),
];

/// What the library says, by a part of its text, and what that means. The first that fits counts.
const TEXTS: [(&str, &str); 14] = [
    ("ConnectionRefused", "connection refused"),
    ("failed to lookup address", "unknown host"),
    ("Failed to resolve", "unknown host"),
    ("HostUnreachable", "its host cannot be reached"),
    ("NetworkUnreachable", "its network cannot be reached"),
    (
        "PermissionDenied",
        "this machine does not allow the connection",
    ),
    ("Unresponsive connection", "no answer in time"),
    ("ConnectionReset", "the connection was cut"),
    ("BrokenPipe", "the connection was cut"),
    ("ConnectionAborted", "the connection was cut"),
    (
        "Failed to connect to all sentinel nodes",
        "none of its Sentinels can be used",
    ),
    (
        "Missing primary address",
        "its Sentinels do not know the name of the URL",
    ),
    (
        "Invalid role",
        "its Sentinels name a server that is not a primary",
    ),
    ("Max reconnection attempts", "the connection was closed"),
];

/// What answers does not speak the protocol.
const NO_REDIS: &str = "what answers there is no Redis server, or wants TLS";

/// Why a command, or an attempt to connect, failed.
pub(super) fn of(error: &Error) -> String {
    let details = error.details();
    let known = TEXTS
        .iter()
        .find(|(text, _)| details.contains(text))
        .map(|(_, words)| *words);
    let known = known
        .or_else(|| meaning(details))
        .unwrap_or_else(|| match error.kind() {
            ErrorKind::Timeout => "no answer in time",
            ErrorKind::Protocol | ErrorKind::Parse => NO_REDIS,
            ErrorKind::Backpressure => "too many commands wait for it already",
            ErrorKind::Routing | ErrorKind::Cluster => "no node of its cluster has the keys",
            ErrorKind::Sentinel => "its Sentinels give no usable answer",
            ErrorKind::Auth => "its server refuses the user or the password",
            _ => "the connection was closed",
        });
    known.to_owned()
}

/// Why the store does not do what it was asked for, with the code of its answer.
pub(super) fn of_refusal(message: &str) -> String {
    let (code, text) = message.split_once(' ').unwrap_or((message, ""));
    let words = if OURS.contains(&code) {
        Some(text)
    } else {
        meaning(message)
    };
    words.map_or_else(|| code.to_owned(), |words| format!("{words} ({code})"))
}

/// What an answer with one of the known codes means.
fn meaning(message: &str) -> Option<&'static str> {
    let is_led_by = |code: &str| {
        message
            .strip_prefix(code)
            .is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    };
    CODES
        .iter()
        .find(|(code, _)| is_led_by(code))
        .map(|(_, words)| *words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_of_the_library_or_of_a_server_is_passed_on() {
        let texts = [
            (
                ErrorKind::IO,
                r#"Os { code: 111, kind: ConnectionRefused, message: "no" }"#,
            ),
            (
                ErrorKind::Sentinel,
                r#"Os { code: 111, kind: ConnectionRefused, message: "no" }"#,
            ),
            (
                ErrorKind::IO,
                "failed to lookup address information: Name or service not known",
            ),
            (ErrorKind::Timeout, "Request timed out."),
            (
                ErrorKind::Auth,
                "WRONGPASS invalid username-password pair or user is disabled.",
            ),
            (
                ErrorKind::Unknown,
                "ERR AUTH <password> called without any password configured",
            ),
            (
                ErrorKind::Unknown,
                "ERR unknown command 'AUTH', with args beginning with: 's3cret'",
            ),
            (ErrorKind::Protocol, "Invalid frame: AUTH payments s3cret"),
        ];
        let reasons = texts.map(|(kind, text)| of(&Error::new(kind, text)));
        let expected = [
            "connection refused",
            "connection refused",
            "unknown host",
            "no answer in time",
            "its server does not know this user, or the password is wrong",
            "its server has no password, and the URL has one",
            "the connection was closed",
            NO_REDIS,
        ];
        assert_eq!(reasons, expected);
    }

    #[test]
    fn a_refusal_has_words_and_its_code() {
        let text = "OOM command not allowed when used memory > 'maxmemory'.";
        assert_eq!(
            of_refusal(text),
            "its server has no memory left for changes (OOM)"
        );
        assert_eq!(of_refusal("UNKNOWN s3cret"), "UNKNOWN");
        let text = "NOIDENTITY this store has lost its data";
        assert_eq!(
            of_refusal(text),
            "this store has lost its data (NOIDENTITY)"
        );
    }
}
