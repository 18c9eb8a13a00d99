//! The beginning of a name, as a parameter.

use poem_openapi::registry::MetaSchema;
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult};

use crate::domain::{MAX_TEXT_CHARS, NamePrefix};

shared::schema!(
    NamePrefix,
    "name_prefix",
    MetaSchema {
        max_length: Some(MAX_TEXT_CHARS),
        pattern: Some(r"^[^\x00-\x1f\x7f-\x9f]*$".to_owned()),
        ..MetaSchema::new("string")
    }
);

impl ParseFromParameter for NamePrefix {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        text.parse().map_err(ParseError::custom)
    }
}
