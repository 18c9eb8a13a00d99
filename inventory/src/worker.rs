//! How inventory acts on events.

use std::time::Duration;

use shared::contract::event::OrderCompleted;
use shared::redis::{Code, RedisError};
use shared::stream::delivery::{Delivered, Handler, Parking, Settlement};

use crate::domain::{ApplyOutcome, Decision};
use crate::store::ProductStore;

/// Takes the stock of paid orders.
#[derive(Clone)]
pub struct OrderHandler {
    /// Where products are kept.
    pub store: ProductStore,
    /// How long the records of orders are kept.
    pub dedupe_retention: Duration,
}

impl Handler for OrderHandler {
    type Event = OrderCompleted;

    async fn handle(
        &self,
        orders: &[Delivered<'_, OrderCompleted>],
    ) -> Result<Vec<Settlement>, RedisError> {
        let outcomes = match self.store.apply_orders(orders, self.dedupe_retention).await {
            Err(refusal) if refusal.is(Code::Clock) => self.apply_alone(orders, refusal).await?,
            outcomes => outcomes?,
        };
        Ok(orders
            .iter()
            .zip(outcomes)
            .map(|(order, outcome)| settlement(&order.event, outcome))
            .collect())
    }
}

impl OrderHandler {
    /// Acts on each order alone, after the store refused the batch: one order is of a time far
    /// ahead of the clock of the store. If the clock of this process disagrees with the clock of
    /// the store, all orders wait. If the two clocks agree, that order is wrong, and the other
    /// orders must not wait for it.
    async fn apply_alone(
        &self,
        orders: &[Delivered<'_, OrderCompleted>],
        refusal: RedisError,
    ) -> Result<Vec<ApplyOutcome>, RedisError> {
        if !self.store.agrees_on_time(orders).await? {
            return Err(refusal);
        }
        let mut outcomes = Vec::with_capacity(orders.len());
        for order in orders {
            let order = std::slice::from_ref(order);
            match self.store.apply_orders(order, self.dedupe_retention).await {
                Err(refusal) if refusal.is(Code::Clock) => outcomes.push(ApplyOutcome::TooNew),
                alone => outcomes.extend(alone?),
            }
        }
        Ok(outcomes)
    }
}

fn settlement(order: &OrderCompleted, outcome: ApplyOutcome) -> Settlement {
    let order_id = order.order_id;
    let trace_id = order.traceparent.trace_id();
    match outcome {
        ApplyOutcome::Applied => {
            tracing::info!(%order_id, quantity = order.quantity, trace_id, "stock taken");
        }
        ApplyOutcome::Rejected(reason) => {
            tracing::info!(%order_id, %reason, trace_id, "order rejected: refund requested");
        }
        ApplyOutcome::Repeated(Decision::Applied) => {
            tracing::debug!(%order_id, trace_id, "delivered again: the stock of the order was taken before");
        }
        ApplyOutcome::Repeated(Decision::Rejected(reason)) => {
            tracing::info!(%order_id, %reason, trace_id, "delivered again: refund requested again");
        }
        ApplyOutcome::TooOld => {
            return park(
                "too_old",
                "the order is older than the records that are kept: its stock may have been taken",
            );
        }
        ApplyOutcome::TooNew => {
            return park(
                "too_new",
                "the time inside the id of the order is more than a day ahead of this store",
            );
        }
    }
    Settlement::Done
}

fn park(reason: &'static str, detail: &str) -> Settlement {
    Settlement::Park(Parking {
        reason,
        detail: detail.to_owned(),
    })
}
