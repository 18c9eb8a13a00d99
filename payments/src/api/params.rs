//! The parameters of the operations.

use poem_openapi::Enum;
use poem_openapi::registry::MetaSchema;
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult};

use crate::domain::OrderStatus;

/// What to wait for.
#[derive(Clone, Copy, Debug, Enum)]
#[oai(rename_all = "snake_case")]
pub(super) enum WaitFor {
    /// Until the order is final: nothing will happen to it any more.
    Final,
}

/// States of orders, with commas in between.
pub(super) struct Statuses(pub(super) Vec<OrderStatus>);

/// The pattern of a list of states.
const PATTERN: &str =
    "^(pending|paid|cancelled|refunded)(,(pending|paid|cancelled|refunded)){0,3}$";
/// The most states in a list: a longer list would repeat some.
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
