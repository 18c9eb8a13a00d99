//! How long a client wants to wait.

use std::time::Duration;

use poem_openapi::registry::MetaSchema;
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult};

/// Longest wait for an order to be final.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(MAX_SECONDS);
/// The same in seconds.
const MAX_SECONDS: u64 = 30;

/// A wait in whole seconds.
pub(super) struct Timeout(pub(super) Duration);

shared::schema!(
    Timeout,
    "timeout",
    MetaSchema {
        minimum: Some(1.0),
        maximum: Some(30.0),
        ..MetaSchema::new("integer")
    }
);

impl ParseFromParameter for Timeout {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        let seconds = text
            .parse()
            .ok()
            .filter(|seconds| (1..=MAX_SECONDS).contains(seconds));
        seconds
            .map(|seconds| Self(Duration::from_secs(seconds)))
            .ok_or_else(|| {
                let fault =
                    format!("must be a whole number of seconds between 1 and {MAX_SECONDS}");
                ParseError::custom(fault)
            })
    }
}
