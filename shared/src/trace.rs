//! What ties a request, its order and the events of that order together: the W3C Trace Context, and
//! the id under which a client asks for help.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;
use uuid::fmt::Simple;

use crate::digest::hex;

/// A `traceparent` of version 00, as <https://www.w3.org/TR/trace-context/#traceparent-header>
/// defines it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent(String);

/// The id of a request: 1 to [`MAX_REQUEST_ID`] letters, digits, dots, underscores and hyphens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(String);

/// The text is no id of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to 128 letters, digits, dots, underscores and hyphens")]
pub struct InvalidRequestId;

/// Longest request id that is taken from a client.
pub const MAX_REQUEST_ID: usize = 128;

/// The text is no `traceparent` of version 00.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a traceparent such as 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]
pub struct InvalidTraceParent;

/// Length of a version of 2 hex digits, a trace id of 32, a parent id of 16 and flags of 2, and of the
/// hyphens between them.
const LENGTH: usize = 2 + 1 + 32 + 1 + 16 + 1 + 2;

impl TraceParent {
    /// What one looks like, for documents.
    pub fn example() -> Self {
        Self("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned())
    }

    /// A new trace, marked as sampled.
    pub fn mint() -> Self {
        let (trace_id, parent_id) = (fastrand::u128(1..), fastrand::u64(1..));
        let mut digits = [[0; Simple::LENGTH]; 2];
        let [trace_digits, parent_digits] = &mut digits;
        let trace_id = hex(trace_id, trace_digits);
        // Behind 16 zeros.
        let parent_id = &hex(parent_id.into(), parent_digits)[16..];
        Self(["00-", trace_id, "-", parent_id, "-01"].concat())
    }

    /// The text of the header.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The trace id, 32 hex digits: what to search logs for.
    pub fn trace_id(&self) -> &str {
        &self.0[3..35]
    }
}

impl FromStr for TraceParent {
    type Err = InvalidTraceParent;

    fn from_str(text: &str) -> Result<Self, InvalidTraceParent> {
        let well_formed = text.len() == LENGTH
            && text.bytes().enumerate().all(|(at, byte)| match at {
                2 | 35 | 52 => byte == b'-',
                _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            });
        if !well_formed || !text.starts_with("00-") {
            return Err(InvalidTraceParent);
        }
        let traceparent = Self(text.to_owned());
        let all_zero = |field: &str| field.bytes().all(|byte| byte == b'0');
        if all_zero(traceparent.trace_id()) || all_zero(&traceparent.0[36..52]) {
            return Err(InvalidTraceParent);
        }
        Ok(traceparent)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl RequestId {
    /// What one looks like, for documents.
    pub fn example() -> Self {
        Self("checkout-7".to_owned())
    }

    /// A new id, a UUIDv7.
    pub fn mint() -> Self {
        Self(Uuid::now_v7().hyphenated().encode_lower(&mut Uuid::encode_buffer()).to_owned())
    }

    /// The text of the header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RequestId {
    type Err = InvalidRequestId;

    fn from_str(text: &str) -> Result<Self, InvalidRequestId> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if (1..=MAX_REQUEST_ID).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidRequestId)
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minted_traceparent_is_well_formed() {
        let minted = TraceParent::mint();
        assert_eq!(minted.as_str().parse(), Ok(minted.clone()));
        assert_eq!(minted.trace_id().len(), 32);
    }

    #[test]
    fn what_the_standard_forbids_is_refused() {
        for text in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        ] {
            assert_eq!(text.parse::<TraceParent>(), Err(InvalidTraceParent), "{text}");
        }
    }
}
