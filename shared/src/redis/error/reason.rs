//! The reason of a failure, in words for people.
//!
//! Texts of `fred` and of a server are not shown, because they may repeat what was sent to the
//! server, even a password.

use fred::error::{Error, ErrorKind};

use crate::redis::error::code::Code;

/// A part of a text of `fred`, and what that text means. The first part that is found counts.
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

/// The reason if the answer does not follow the Redis protocol.
const NO_REDIS: &str = "the server there does not speak the Redis protocol, or wants TLS";

/// Why a command or an attempt to connect failed.
pub(in crate::redis) fn of(error: &Error) -> String {
    let details = error.details();
    let known = TEXTS
        .iter()
        .find(|(text, _)| details.contains(text))
        .map(|(_, words)| *words);
    let known = known
        .or_else(|| Code::of(details).and_then(Code::words))
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
}
