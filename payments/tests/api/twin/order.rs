//! Orders of the twin.

use payments::domain::OrderStatus;
use proof::twin::{Answer, pattern};
use shared::contract::event::{OrderCompleted, RefundReason};
use shared::contract::id::OrderId;
use shared::contract::time::Timestamp;

use super::request::Place;

/// The orders that one call placed.
#[derive(Clone)]
pub(crate) struct Together {
    pub(crate) placed: usize,
    pub(crate) delay_ms: u64,
    pub(crate) ids: Vec<OrderId>,
}

pub(crate) struct Order {
    pub(crate) placed: Place,
    pub(crate) delay_ms: u64,
    pub(crate) status: OrderStatus,
    pub(crate) created: usize,
    pub(crate) cancelled: Option<usize>,
    pub(crate) paid: Option<Payment>,
    pub(crate) refunded: Option<Refunded>,
}

/// The step in which an order was paid, and the index of its event.
pub(crate) struct Payment {
    pub(crate) at: usize,
    pub(crate) event: usize,
}

pub(crate) struct Refunded {
    pub(crate) at: usize,
    pub(crate) reason: RefundReason,
    pub(crate) entry: String,
}

impl Together {
    /// The ids as they stand in the store.
    pub(crate) fn member(&self) -> String {
        let ids: Vec<_> = self.ids.iter().map(ToString::to_string).collect();
        ids.join(" ")
    }
}

impl Order {
    /// The time when the order was placed, and the time when it is due.
    pub(super) fn times(&self) -> Answer {
        let [created, due] = [0, self.delay_ms].map(|later| pattern::at(self.created, later));
        Answer::Text(format!("4 {created} {due}"))
    }

    pub(super) fn event(&self, step: usize) -> Vec<(String, String)> {
        let Place {
            id,
            wanted,
            quote,
            context,
            ..
        } = &self.placed;
        let event = OrderCompleted {
            order_id: *id,
            ordered_at: Timestamp::from_millis(self.placed.minted_at),
            product_id: wanted.product_id,
            quantity: wanted.quantity,
            price: quote.price,
            fee: quote.fee,
            total: quote.total,
            time: Timestamp::from_millis(0),
            traceparent: context.traceparent.clone(),
            request_id: context.request_id.clone(),
        };
        pattern::event(&event, step)
    }
}
