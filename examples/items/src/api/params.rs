//! The parameters of the operations.

use poem_openapi::Enum;
use poem_openapi::registry::MetaSchema;
use poem_openapi::types::{ParseFromParameter, ParseResult};
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

/// The problem of an item that does not exist.
pub(super) fn not_found() -> Problem {
    Problem::new(
        &NOT_FOUND,
        "there is no such item, or its first write was not applied yet",
    )
}
