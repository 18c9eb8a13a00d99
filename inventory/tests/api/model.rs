//! What the store of inventory must hold, by the rules of the domain.

use std::collections::BTreeMap;

use inventory::domain::{ApplyOutcome, Decision, decide};
use shared::contract::event::{OrderCompleted, RefundReason};
use shared::contract::id::{OrderId, ProductId};

/// What the store must hold.
#[derive(Default)]
pub(crate) struct Model {
    /// The stock of each product that ever existed; `None` after it was deleted.
    pub(crate) stock: BTreeMap<ProductId, Option<u32>>,
    pub(crate) names: BTreeMap<ProductId, &'static str>,
    pub(crate) decisions: BTreeMap<OrderId, Decision>,
    pub(crate) refunds: Vec<(OrderId, ProductId, u32, RefundReason, String)>,
}

impl Model {
    pub(crate) fn create(&mut self, id: ProductId, quantity: u32) {
        self.stock.insert(id, Some(quantity));
        self.names.insert(id, "Tea");
    }

    pub(crate) fn on_hand(&mut self, id: ProductId) -> Option<&mut u32> {
        self.stock.get_mut(&id).and_then(Option::as_mut)
    }

    pub(crate) fn apply(&mut self, order: &OrderCompleted) -> ApplyOutcome {
        let recorded = self.decisions.get(&order.order_id).copied();
        let decision = recorded.unwrap_or_else(|| self.decide(order));
        if let Decision::Rejected(reason) = decision {
            let trace = order.traceparent.to_string();
            let refund = (
                order.order_id,
                order.product_id,
                order.quantity,
                reason,
                trace,
            );
            self.refunds.push(refund);
        }
        match (recorded, decision) {
            (Some(_), _) => ApplyOutcome::Repeated(decision),
            (None, Decision::Applied) => ApplyOutcome::Applied,
            (None, Decision::Rejected(reason)) => ApplyOutcome::Rejected(reason),
        }
    }

    fn decide(&mut self, order: &OrderCompleted) -> Decision {
        let on_hand = self.stock.get(&order.product_id).copied().flatten();
        let (decision, left) = decide(on_hand, order.quantity);
        if decision == Decision::Applied {
            self.stock.insert(order.product_id, left);
        }
        self.decisions.insert(order.order_id, decision);
        decision
    }
}
