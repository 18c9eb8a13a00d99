//! The parameters of the operations.

use std::time::Duration;

use poem_openapi::Enum;
use poem_openapi::registry::MetaSchema;
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult};
use shared::http::problem::{INVALID_PARAMETER, NOT_FOUND, Problem};

use super::body;
use crate::domain::{InvalidItemId, ItemId, MAX_ITEM_ID};

/// The name of an item in the path, as the client gave it.
pub(super) struct GivenId(Result<ItemId, InvalidItemId>);

/// A value in the query, as the client gave it. The body and the query follow the same rules, so
/// the operation checks both.
pub(super) struct GivenValue(pub(super) String);

/// What to wait for.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case")]
pub(super) enum WaitFor {
    /// Until the write has ended: it was applied, or it failed.
    Applied,
}

/// A wait in whole seconds.
pub(super) struct Timeout(pub(super) Duration);

/// Longest wait for a write to end, in seconds.
const MAX_SECONDS: u64 = 30;

shared::schema!(
    GivenId,
    "item_id",
    MetaSchema {
        min_length: Some(1),
        max_length: Some(MAX_ITEM_ID),
        example: Some("greeting".into()),
        ..MetaSchema::new("string")
    }
);

shared::schema!(GivenValue, "value", body::value_schema());

shared::schema!(
    Timeout,
    "timeout",
    MetaSchema {
        minimum: Some(1.0),
        maximum: Some(30.0),
        ..MetaSchema::new("integer")
    }
);

impl GivenId {
    /// The name of an item that is to be written.
    pub(super) fn for_write(self) -> Result<ItemId, Problem> {
        self.0
            .map_err(|error| Problem::new(&INVALID_PARAMETER, format!("item_id: {error}")))
    }

    /// The name of an item that is to be read. No item has a name that is not valid.
    pub(super) fn for_read(self) -> Result<ItemId, Problem> {
        self.0.map_err(|_| not_found())
    }
}

impl Timeout {
    /// The time that a client gave, or the longest one.
    pub(super) fn or_longest(given: Option<Self>) -> Duration {
        given.map_or(Duration::from_secs(MAX_SECONDS), |Self(limit)| limit)
    }
}

impl ParseFromParameter for GivenId {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        Ok(Self(text.parse()))
    }
}

impl ParseFromParameter for GivenValue {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        Ok(Self(text.to_owned()))
    }
}

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

/// The problem of an item that does not exist.
pub(super) fn not_found() -> Problem {
    Problem::new(
        &NOT_FOUND,
        "there is no such item, or its first write was not applied yet",
    )
}
