//! What inventory does about events.

use std::time::Duration;

use shared::delivery::{Handler, Parking, Settlement};
use shared::event::OrderCompleted;
use shared::redis::RedisError;

use crate::domain::{Decision, Outcome};
use crate::store::Store;

/// Takes the stock of paid orders.
#[derive(Clone)]
pub struct OrderHandler {
    /// Where products are kept.
    pub store: Store,
    /// How long it is remembered what became of an order.
    pub dedupe_retention: Duration,
}

impl Handler for OrderHandler {
    type Event = OrderCompleted;

    async fn handle(
        &self,
        orders: &[OrderCompleted],
        _entry_ids: &[&str],
    ) -> Result<Vec<Settlement>, RedisError> {
        let outcomes = self.store.apply_orders(orders, self.dedupe_retention).await?;
        Ok(orders.iter().zip(outcomes).map(|(order, outcome)| settle(order, outcome)).collect())
    }
}

fn settle(order: &OrderCompleted, outcome: Outcome) -> Settlement {
    let order_id = order.order_id;
    let trace_id = order.traceparent.trace_id();
    match outcome {
        Outcome::Applied => {
            tracing::info!(%order_id, quantity = order.quantity, trace_id, "stock taken");
        }
        Outcome::Rejected(reason) => {
            tracing::info!(%order_id, %reason, trace_id, "order rejected: refund requested");
        }
        Outcome::Repeated(Decision::Applied) => {
            tracing::debug!(%order_id, trace_id, "delivered again: its stock was taken before");
        }
        Outcome::Repeated(Decision::Rejected(reason)) => {
            tracing::info!(%order_id, %reason, trace_id, "delivered again: refund requested again");
        }
        Outcome::TooOld => {
            return park(
                "too_old",
                "older than the records that are kept: it may have been applied",
            );
        }
        Outcome::TooNew => {
            return park(
                "too_new",
                "the time inside its id is more than a day ahead of this store",
            );
        }
    }
    Settlement::Done
}

fn park(reason: &'static str, detail: &str) -> Settlement {
    Settlement::Park(Parking { reason, detail: detail.to_owned() })
}
