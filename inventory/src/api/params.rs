//! The parameters of the operations.

use std::str::FromStr;

use poem_openapi::Enum;
use poem_openapi::registry::MetaSchema;
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult};
use shared::contract::entry_id::{EntryId, InvalidEntryId};
use shared::contract::id::OrderId;

use crate::domain::Sort;

/// The order of a list.
#[derive(Clone, Copy, Default, PartialEq, Eq, Enum)]
#[oai(rename = "ProductSort")]
pub(super) enum SortParam {
    /// The newest first.
    #[default]
    #[oai(rename = "-created_at")]
    Newest,
    /// By name, without regard to case.
    #[oai(rename = "name")]
    Name,
}

/// Order ids, with commas in between.
pub(super) struct Orders(pub(super) Vec<OrderId>);

/// A page of movements begins before this movement. `0-0` is refused: it is the id of no entry, and
/// Redis refuses to read before it.
pub(super) struct Before(pub(super) EntryId);

/// The most orders in one request.
const MAX_ORDERS: usize = 100;
/// The pattern of an id.
const ID: &str = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";

shared::schema!(
    Orders,
    "orders",
    MetaSchema {
        pattern: Some(format!("^{ID}(,{ID}){{0,{}}}$", MAX_ORDERS - 1)),
        example: Some(OrderId::EXAMPLE.to_string().into()),
        ..MetaSchema::new("string")
    }
);

impl From<SortParam> for Sort {
    fn from(sort: SortParam) -> Self {
        match sort {
            SortParam::Newest => Self::Newest,
            SortParam::Name => Self::Name,
        }
    }
}

impl ParseFromParameter for Orders {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        let orders: Result<Vec<_>, _> = text.split(',').map(str::parse).collect();
        let orders = orders.ok().filter(|orders| orders.len() <= MAX_ORDERS);
        orders.map(Self).ok_or_else(|| {
            let fault = format!("must be 1 to {MAX_ORDERS} ids of orders, with commas between");
            ParseError::custom(fault)
        })
    }
}

impl FromStr for Before {
    type Err = InvalidEntryId;

    fn from_str(text: &str) -> Result<Self, InvalidEntryId> {
        let entry = text.parse()?;
        if entry == EntryId::default() {
            Err(InvalidEntryId)
        } else {
            Ok(Self(entry))
        }
    }
}
