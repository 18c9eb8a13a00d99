//! Several states in one parameter.

use poem_openapi::registry::MetaSchema;
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult};

use crate::domain::OrderStatus;

/// States of orders, with commas in between.
pub(super) struct Statuses(pub(super) Vec<OrderStatus>);

/// What the parameter may look like.
const PATTERN: &str =
    "^(pending|paid|cancelled|refunded)(,(pending|paid|cancelled|refunded)){0,3}$";
/// More than there are would only repeat some.
const MAX_STATUSES: usize = 4;

shared::schema!(
    Statuses,
    "statuses",
    MetaSchema {
        pattern: Some(PATTERN.to_owned()),
        example: Some("pending,paid".into()),
        ..MetaSchema::new("string")
    }
);

impl ParseFromParameter for Statuses {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        let statuses: Result<Vec<_>, String> = text.split(',').map(str::parse).collect();
        let statuses = statuses
            .ok()
            .filter(|statuses| statuses.len() <= MAX_STATUSES);
        statuses.map(Self).ok_or_else(|| {
            ParseError::custom("must be pending, paid, cancelled or refunded, with commas between")
        })
    }
}
