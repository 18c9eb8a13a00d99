//! The work of payments beside HTTP: it pays orders that are due, and refunds orders that inventory
//! rejected or released.

use std::time::Duration;

use shared::base::backoff::Backoff;
use shared::base::health::Progress;
use shared::base::shutdown::{Shutdown, sleep_unless};
use shared::contract::event::{RefundOrder, RefundReason};
use shared::live::Tail;
use shared::redis::{RedisError, RedisUrl};
use shared::store::partition::Partition;
use shared::stream::delivery::{Delivered, Handler, Parking, Settlement};

use crate::domain::{Completion, Refund};
use crate::store::{COMPLETION_BATCH, OrderStore};

/// Pays the orders of one partition when their time has come.
///
/// Any number of replicas may do this at the same time: the function that pays an order also takes
/// it off the list. After a crash, unpaid orders are still on the list, and another replica or the
/// next start pays them.
pub struct Completer {
    store: OrderStore,
    partition: Partition,
    /// Tells of the next order while no order is pending. `None` where the delay of orders is not
    /// shorter than the longest pause: a look after that pause is early enough.
    tail: Option<Tail>,
}

/// Refunds orders that inventory rejected or released.
#[derive(Clone)]
pub struct RefundHandler {
    /// Where orders are kept.
    pub store: OrderStore,
}

/// Shortest pause after a look for due orders. Under load, orders gather in the meantime and make
/// full batches. An order waits at most this much longer.
const MIN_PAUSE: Duration = Duration::from_millis(2);
/// Longest pause, so that a replica with a shorter delay is noticed.
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// Wait after a failure of the store.
const OUTAGE: Backoff = Backoff {
    first: Duration::from_millis(50),
    max: Duration::from_secs(1),
};

impl Completer {
    /// Pays orders of `partition` in the store at `url`.
    pub fn new(store: OrderStore, url: &RedisUrl, partition: Partition) -> Self {
        let tail =
            (store.delay() < MAX_PAUSE).then(|| Tail::new(store.own.clone(), url, partition));
        Self {
            store,
            partition,
            tail,
        }
    }

    /// Pays until the process is to stop.
    pub async fn run(mut self, progress: Progress, shutdown: Shutdown) {
        let mut failures = 0_u32;
        while !shutdown.is_cancelled() {
            match self.step(&progress, &shutdown).await {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures += 1;
                    progress.failed(&error);
                    if failures.is_power_of_two() {
                        tracing::warn!(%error, failures, "orders that are due cannot be paid; trying again");
                    }
                    sleep_unless(&shutdown, OUTAGE.wait(failures)).await;
                }
            }
        }
    }

    /// Looks, and waits until there is a reason to look again.
    async fn step(&mut self, progress: &Progress, shutdown: &Shutdown) -> Result<(), RedisError> {
        let completion = self.store.complete_due(self.partition).await?;
        log(&completion);
        confirm_progress(&completion)?;
        progress.mark();
        let is_idle = completion.removed == 0 && completion.next_due_in.is_none();
        let Some(tail) = self.tail.as_mut().filter(|_| is_idle) else {
            sleep_unless(shutdown, pause(&completion, self.store.delay())).await;
            return Ok(());
        };
        let waited = if tail.is_found() {
            tail.wait().await
        } else {
            // Most changes make no order due. All changes of this pause together cause one look.
            sleep_unless(shutdown, MIN_PAUSE).await;
            tail.find().await
        };
        if let Err(error) = waited {
            tracing::debug!(%error, "cannot wait for changes: looking after each pause");
            sleep_unless(shutdown, pause(&completion, self.store.delay())).await;
        }
        Ok(())
    }
}

/// Fails if orders are due and the look took no member off the list: each look would find the same
/// orders again. A look may pay no order and still take members off, because cancelled orders may
/// be on the list.
fn confirm_progress(completion: &Completion) -> Result<(), RedisError> {
    if completion.removed == 0 && completion.next_due_in == Some(Duration::ZERO) {
        let why = "the store does not take it off the list";
        return Err(RedisError::malformed("an order that is due", why));
    }
    Ok(())
}

/// The pause until the next look. No order that is placed from now on is due before `delay`.
fn pause(completion: &Completion, delay: Duration) -> Duration {
    // Whole members are paid, so a full batch may have more orders than the limit.
    let full = taken(completion) >= COMPLETION_BATCH;
    if full || completion.next_due_in == Some(Duration::ZERO) {
        return Duration::ZERO;
    }
    completion
        .next_due_in
        .unwrap_or(MAX_PAUSE)
        .min(delay)
        .clamp(MIN_PAUSE, MAX_PAUSE)
}

/// How many ids a look found: paid orders, and damage.
fn taken(completion: &Completion) -> usize {
    completion.paid.len() + completion.broken.len()
}

fn log(completion: &Completion) {
    for order_id in &completion.paid {
        tracing::info!(order_id, "order paid");
    }
    for order_id in &completion.broken {
        tracing::error!(
            order_id,
            "this order was due and is not pending: an operator has to look at it"
        );
    }
}

impl Handler for RefundHandler {
    type Event = RefundOrder;

    async fn handle(
        &self,
        refunds: &[Delivered<'_, RefundOrder>],
    ) -> Result<Vec<Settlement>, RedisError> {
        let entry_ids: Vec<&str> = refunds.iter().map(|refund| refund.entry_id).collect();
        let outcomes = self.store.refund_orders(refunds, &entry_ids).await?;
        Ok(refunds
            .iter()
            .zip(outcomes)
            .map(|(refund, outcome)| settlement(&refund.event, outcome))
            .collect())
    }
}

fn settlement(refund: &RefundOrder, outcome: Refund) -> Settlement {
    let order_id = refund.order_id;
    let trace_id = refund.traceparent.trace_id();
    match outcome {
        Refund::Refunded => {
            tracing::info!(%order_id, reason = %refund.reason, trace_id, "order refunded");
        }
        Refund::Repeated => {
            tracing::debug!(%order_id, trace_id, "delivered again: the order was refunded before");
        }
        // The store lost the payment. The order will be paid again, and rejected again.
        Refund::NotPaid => {
            tracing::warn!(%order_id, trace_id, "inventory asked to refund an order that is not paid");
        }
        Refund::OtherOrder => {
            let RefundOrder {
                product_id,
                quantity,
                ..
            } = refund;
            let detail = format!(
                "the order is not for {quantity} of product {product_id}, as this refund says"
            );
            return Settlement::Park(Parking {
                reason: "order_mismatch",
                detail,
            });
        }
        // inventory gave back stock of an order that this store does not know. payments took no
        // money for the order.
        Refund::NotFound if refund.reason == RefundReason::Released => {
            tracing::warn!(%order_id, trace_id, "inventory released an order that does not exist");
        }
        Refund::NotFound => {
            let detail = "there is no such order in this store".to_owned();
            return Settlement::Park(Parking {
                reason: "order_not_found",
                detail,
            });
        }
    }
    Settlement::Done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(paid: usize, next_due_ms: Option<u64>, delay_ms: u64) -> Duration {
        let completion = Completion {
            paid: vec![String::new(); paid],
            broken: Vec::new(),
            removed: paid as u64,
            next_due_in: next_due_ms.map(Duration::from_millis),
        };
        pause(&completion, Duration::from_millis(delay_ms))
    }

    #[test]
    fn a_look_that_leaves_what_is_due_is_no_progress() {
        // For instance, only cancelled orders were due.
        let after = |removed, next_due_in| {
            let (paid, broken) = (Vec::new(), Vec::new());
            confirm_progress(&Completion {
                paid,
                broken,
                removed,
                next_due_in,
            })
            .is_ok()
        };
        assert!(!after(0, Some(Duration::ZERO)));
        assert!(after(1, Some(Duration::ZERO)) && after(0, None));
        assert!(after(0, Some(Duration::from_millis(1))));
    }

    #[test]
    fn a_full_batch_is_followed_at_once_and_an_empty_list_is_left_alone() {
        assert_eq!(after(COMPLETION_BATCH, Some(0), 5_000), Duration::ZERO);
        assert_eq!(after(1, Some(0), 5_000), Duration::ZERO);
        assert_eq!(after(1, None, 5_000), MAX_PAUSE);
        assert_eq!(after(1, Some(300), 5_000), Duration::from_millis(300));
        assert_eq!(after(0, None, 200), Duration::from_millis(200));
        assert_eq!(after(0, None, 0), MIN_PAUSE);
    }
}
