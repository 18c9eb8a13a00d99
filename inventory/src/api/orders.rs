//! Several orders in one parameter.

use poem_openapi::registry::MetaSchema;
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult};
use shared::contract::id::OrderId;

/// Orders that may be asked about at once.
pub(super) const MAX_ORDERS: usize = 100;

/// Ids of orders, with commas in between.
pub(super) struct Orders(pub(super) Vec<OrderId>);

shared::schema!(
    Orders,
    "orders",
    MetaSchema {
        pattern: Some(format!("^{ID}(,{ID}){{0,{}}}$", MAX_ORDERS - 1)),
        example: Some(OrderId::EXAMPLE.to_string().into()),
        ..MetaSchema::new("string")
    }
);

/// What an id looks like.
const ID: &str = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";

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
