//! Events that a test emits.

use shared::contract::event::OrderCompleted;
use shared::contract::id::{OrderId, ProductId};
use shared::contract::trace::{RequestId, TraceParent};

/// An event of an order that payments does not know. inventory acts on it, and emits no refund
/// while it has stock.
pub(crate) fn completed(product_id: ProductId, quantity: u32) -> OrderCompleted {
    let order_id = OrderId::mint();
    let ordered_at = order_id.minted_at().unwrap();
    OrderCompleted {
        order_id,
        ordered_at,
        product_id,
        quantity,
        price: "2.50".parse().unwrap(),
        fee: "0.50".parse().unwrap(),
        total: "3.00".parse().unwrap(),
        time: ordered_at,
        traceparent: TraceParent::mint(),
        request_id: RequestId::mint(),
    }
}
