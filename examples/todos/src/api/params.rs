//! The parameters of the operations.

use poem_openapi::Enum;
use poem_openapi::registry::MetaSchema;
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult};

use crate::domain::TodoId;

/// What to wait for.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case")]
pub(super) enum WaitFor {
    /// Until the change is in the database, where every client can read it.
    Applied,
}

shared::schema!(
    TodoId,
    "todo_id",
    MetaSchema {
        example: Some(TodoId::EXAMPLE.to_string().into()),
        ..MetaSchema::new_with_format("string", "uuid")
    }
);

impl ParseFromParameter for TodoId {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        text.parse().map_err(ParseError::custom)
    }
}
