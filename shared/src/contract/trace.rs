//! Ties a request, its order and the events of the order together: by the W3C Trace Context, and by
//! the request id that a client quotes when it asks for help.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;
use uuid::fmt::Simple;

use crate::base::digest::hex;

/// The request behind an order and its events, as logs, events and calls to other services name it.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The `X-Request-Id` of the client, or a new id.
    pub request_id: RequestId,
    /// The trace of the client, or a new one.
    pub traceparent: TraceParent,
}

/// A `traceparent` of version 00, as <https://www.w3.org/TR/trace-context/#traceparent-header>
/// defines it. Of a later version, only the fields of version 00 are read, and version 00 is sent
/// on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceParent(String);

/// The id of a request: 1 to [`MAX_REQUEST_ID`] visible ASCII characters, without quotes,
/// backticks, backslashes, commas, `<` and `>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(String);

/// The text is not a request id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected 1 to 128 visible ASCII characters without quotes, backticks, backslashes, commas, < and >"
)]
pub struct InvalidRequestId;

/// Most characters of a request id.
pub const MAX_REQUEST_ID: usize = 128;

/// Characters that a request id may not have. Quotes and backslashes end a text in JSON, in a log
/// or in a shell. Commas separate the values of a header. `<` and `>` begin and end a tag of HTML.
/// A space is refused too, because it separates the values in the stored line of an order.
const UNSAFE: &[u8] = b"\"'`\\,<>";

/// The regular expression for a request id.
pub const REQUEST_ID_PATTERN: &str = "^[!#-&(-+\\--;=?-\\[\\]-_a-~]{1,128}$";

/// The text is not a `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a traceparent such as 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")]
pub struct InvalidTraceParent;

/// Length of version 00: 2 hex digits for the version, 32 for the trace id, 16 for the parent id, 2
/// for the flags, and the hyphens between them.
const LENGTH: usize = 2 + 1 + 32 + 1 + 16 + 1 + 2;
/// The version that this module writes.
const VERSION: &str = "00";
/// The version that the standard forbids.
const NO_VERSION: &str = "ff";
/// The flags of version 00 that have a meaning: the trace is sampled, and its id is random. All
/// other flags are sent on as zero.
const FLAGS: u8 = 0b11;
/// The flag that is also read from later versions: the trace is sampled.
const SAMPLED: u8 = 0b01;

impl RequestContext {
    /// An example for the documents.
    pub fn example() -> Self {
        Self {
            request_id: RequestId::example(),
            traceparent: TraceParent::example(),
        }
    }

    /// A new context, for work that no request started.
    pub fn mint() -> Self {
        Self {
            request_id: RequestId::mint(),
            traceparent: TraceParent::mint(),
        }
    }
}

impl TraceParent {
    /// An example for the documents.
    pub fn example() -> Self {
        Self("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned())
    }

    /// A new trace, marked as sampled.
    pub fn mint() -> Self {
        let (trace_id, parent_id) = (fastrand::u128(1..), fastrand::u64(1..));
        let mut digits = [[0; Simple::LENGTH]; 2];
        let [trace_digits, parent_digits] = &mut digits;
        let trace_id = hex(trace_id, trace_digits);
        // The parent id has 64 bits, so the first 16 of the 32 digits are zeros.
        let parent_id = &hex(parent_id.into(), parent_digits)[16..];
        Self(["00-", trace_id, "-", parent_id, "-01"].concat())
    }

    /// The text of the header.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The trace id, 32 hex digits. Logs can be searched for it.
    pub fn trace_id(&self) -> &str {
        &self.0[3..35]
    }
}

impl FromStr for TraceParent {
    type Err = InvalidTraceParent;

    fn from_str(text: &str) -> Result<Self, InvalidTraceParent> {
        let (fields, more) = text.split_at_checked(LENGTH).ok_or(InvalidTraceParent)?;
        let well_formed = fields.bytes().enumerate().all(|(at, byte)| match at {
            2 | 35 | 52 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        });
        if !well_formed {
            return Err(InvalidTraceParent);
        }
        let (version, trace_id, parent_id) = (&fields[..2], &fields[3..35], &fields[36..52]);
        // A later version may have more fields after these.
        let ends = more.is_empty() || version != VERSION && more.starts_with('-');
        let all_zero = |field: &str| field.bytes().all(|byte| byte == b'0');
        if !ends || version == NO_VERSION || all_zero(trace_id) || all_zero(parent_id) {
            return Err(InvalidTraceParent);
        }
        let flags = u8::from_str_radix(&fields[53..], 16).map_err(|_| InvalidTraceParent)?;
        let known = if version == VERSION {
            flags & FLAGS
        } else {
            flags & SAMPLED
        };
        if version == VERSION && flags == known {
            return Ok(Self(fields.to_owned()));
        }
        Ok(Self(format!(
            "{VERSION}-{trace_id}-{parent_id}-{known:02x}"
        )))
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl RequestId {
    /// An example for the documents.
    pub fn example() -> Self {
        Self("checkout-7".to_owned())
    }

    /// A new id, a UUIDv7.
    pub fn mint() -> Self {
        Self(
            Uuid::now_v7()
                .hyphenated()
                .encode_lower(&mut Uuid::encode_buffer())
                .to_owned(),
        )
    }

    /// The text of the header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RequestId {
    type Err = InvalidRequestId;

    fn from_str(text: &str) -> Result<Self, InvalidRequestId> {
        let allowed = |byte: u8| byte.is_ascii_graphic() && !UNSAFE.contains(&byte);
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
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
            "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "FE-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0A",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "cc-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b\u{e9}-1",
        ] {
            assert_eq!(
                text.parse::<TraceParent>(),
                Err(InvalidTraceParent),
                "{text}"
            );
        }
    }

    #[test]
    fn a_later_version_is_read_and_sent_on_as_version_00() {
        let ids = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
        for (version, flags, sent) in [
            ("00", "01", "01"),
            ("00", "00", "00"),
            ("00", "03", "03"),
            ("00", "ff", "03"),
            ("01", "01", "01"),
            ("01", "ff", "01"),
            ("cc", "00", "00"),
            ("fe", "01-what-the-future-will-be-like", "01"),
            ("cc", "01-", "01"),
        ] {
            let traceparent: TraceParent = format!("{version}-{ids}-{flags}").parse().unwrap();
            assert_eq!(
                traceparent.as_str(),
                format!("00-{ids}-{sent}"),
                "{version} {flags}"
            );
        }
    }

    #[test]
    fn a_request_id_is_what_its_pattern_says() {
        let pattern = regex::Regex::new(REQUEST_ID_PATTERN).unwrap();
        let longest = "x".repeat(MAX_REQUEST_ID);
        let texts = (0..=255_u8).map(|byte| format!("a{}b", char::from(byte)));
        for text in texts.chain([String::new(), format!("{longest}x"), longest]) {
            assert_eq!(
                text.parse::<RequestId>().is_ok(),
                pattern.is_match(&text),
                "{text:?}"
            );
        }
    }
}
