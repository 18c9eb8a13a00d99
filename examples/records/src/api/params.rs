//! The parameters of the operations.

use poem_openapi::registry::MetaSchema;
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult};
use shared::http::problem::Problem;

use super::problems::OUT_OF_RANGE;
use crate::domain::{MAX_NAME_CHARS, Name, Number};

shared::schema!(
    Name,
    "name",
    MetaSchema {
        min_length: Some(1),
        max_length: Some(MAX_NAME_CHARS),
        pattern: Some(r"^[^\u0000-\u001f\u007f-\u009f]+$".to_owned()),
        example: Some("visits".into()),
        ..MetaSchema::new("string")
    }
);

shared::schema!(
    Number,
    "number",
    MetaSchema {
        example: Some(5.into()),
        ..MetaSchema::new_with_format("integer", "int64")
    }
);

impl ParseFromParameter for Name {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        text.parse().map_err(ParseError::custom)
    }
}

impl ParseFromParameter for Number {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        text.parse().map_err(ParseError::custom)
    }
}

/// The number, if it fits into 64 bits.
pub(super) fn within(name: &str, number: Number) -> Result<i64, Problem> {
    match number {
        Number::Within(number) => Ok(number),
        Number::Beyond => Err(Problem::new(
            &OUT_OF_RANGE,
            format!("{name}: must fit into 64 bits"),
        )),
    }
}
