//! The life of an order as `payments::domain` states it, in a few lines.

use std::collections::{BTreeMap, BTreeSet};

use payments::domain::{Cancellation, OrderStatus, PlaceOrder, Quote, Refund};
use shared::contract::event::RefundReason;
use shared::contract::id::OrderId;
use shared::contract::trace::RequestContext;

/// An order of the model.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) status: OrderStatus,
    pub(crate) due: bool,
    pub(crate) reason: Option<RefundReason>,
    pub(crate) wanted: PlaceOrder,
    pub(crate) quote: Quote,
    pub(crate) context: RequestContext,
}

/// All orders, and the order that each key placed.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) orders: BTreeMap<OrderId, Known>,
    pub(crate) keys: BTreeMap<u8, OrderId>,
}

impl Model {
    /// The ids of all orders, and one id without an order.
    pub(crate) fn ids(&self) -> Vec<OrderId> {
        let unknown = OrderId::mint();
        self.orders.keys().copied().chain([unknown]).collect()
    }

    pub(crate) fn complete(&mut self) -> BTreeSet<OrderId> {
        let due = |known: &Known| known.due && known.status == OrderStatus::Pending;
        let due = self.orders.iter_mut().filter(|(_, known)| due(known));
        due.map(|(id, known)| {
            known.status = OrderStatus::Paid;
            *id
        })
        .collect()
    }

    pub(crate) fn cancel(&mut self, id: OrderId) -> Cancellation {
        match self.orders.get_mut(&id) {
            None => Cancellation::NotFound,
            Some(known)
                if matches!(known.status, OrderStatus::Pending | OrderStatus::Cancelled) =>
            {
                known.status = OrderStatus::Cancelled;
                Cancellation::Cancelled
            }
            Some(_) => Cancellation::TooLate,
        }
    }

    pub(crate) fn refund(&mut self, id: OrderId, reason: RefundReason) -> Refund {
        match self.orders.get_mut(&id) {
            None => Refund::NotFound,
            Some(known) if known.status == OrderStatus::Paid => {
                (known.status, known.reason) = (OrderStatus::Refunded, Some(reason));
                Refund::Refunded
            }
            Some(known) if known.status == OrderStatus::Refunded => Refund::Repeated,
            Some(_) => Refund::NotPaid,
        }
    }
}
