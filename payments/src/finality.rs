//! Waits until nothing more will happen to an order: how a long poll ends.

use std::time::Duration;

use moka::future::Cache;
use shared::base::shutdown::Shutdown;
use shared::contract::entry_id::EntryId;
use shared::contract::id::OrderId;
use shared::contract::trace::RequestContext;
use shared::http::admission::Slot;
use shared::http::problem::Problem;
use shared::http::wait::Waits;
use shared::live::{Feed, Show};
use shared::redis::RedisError;
use tokio::time::Instant;

use crate::domain::{Order, OrderStatus};
use crate::inventory_client::InventoryClient;
use crate::stock_acks::StockAcks;
use crate::store::OrderStore;

/// Waits for orders to be final. Cheap to clone.
#[derive(Clone)]
pub struct FinalityWait<S> {
    feed: Feed<S>,
    /// When inventory has acted on an order.
    pub stock_acks: StockAcks,
    waits: Waits,
    /// Paid orders whose stock is taken.
    taken: Cache<OrderId, ()>,
    end: Shutdown,
}

/// Why the stock of a paid order does not count as taken.
#[derive(Clone, Copy, Debug)]
enum NotTaken {
    /// inventory has rejected the order, and payments is about to refund it.
    Rejected,
    /// inventory does not answer.
    Unknown,
}

/// What a wait needs of its request.
pub struct Wait<'a> {
    /// Where orders are kept.
    pub store: &'a OrderStore,
    /// Asks inventory whether the stock is taken.
    pub inventory: &'a InventoryClient,
    /// The ids of the request that waits.
    pub context: &'a RequestContext,
    /// The permit of the request among all requests that are worked on.
    pub slot: &'a Slot,
}

/// An order, and whether anything will still happen to it.
pub struct Waited {
    /// The order.
    pub order: Order,
    /// `true` when nothing will happen any more: it is cancelled, refunded, or paid with its stock
    /// taken.
    pub is_final: bool,
}

/// Pause after the store did not answer a request that waits already.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// Pause after inventory could not say whether the stock of an order is taken.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Time limit of the last look, which a wait makes when its time is up.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// The most orders whose stock is known to be taken, and how long that is remembered. Many requests
/// may wait for the same order.
const MAX_TAKEN: u64 = 10_000;
const TAKEN_FOR: Duration = Duration::from_mins(1);

impl<S: Show> FinalityWait<S> {
    /// Lets `waits` requests wait at once, until `end`.
    pub fn new(feed: Feed<S>, stock_acks: StockAcks, waits: usize, end: Shutdown) -> Self {
        let taken = Cache::builder()
            .max_capacity(MAX_TAKEN)
            .time_to_live(TAKEN_FOR)
            .build();
        Self {
            feed,
            stock_acks,
            waits: Waits::new(waits, "orders"),
            taken,
            end,
        }
    }

    /// Waits until an order is final, or `limit` has passed; `None` where there is no such order.
    /// Changes and acknowledgements wake the wait, so it does not poll.
    pub async fn wait(
        &self,
        wait: &Wait<'_>,
        id: OrderId,
        limit: Duration,
    ) -> Result<Option<Waited>, Problem> {
        let deadline = Instant::now() + limit;
        let watch = self.feed.watch(id.to_string());
        let mut permit = None;
        let mut taken = false;
        loop {
            let changed = watch.changed();
            let order = match wait.store.find_order(id).await {
                // The store will most likely be back before the time is up.
                Err(RedisError::Unavailable { .. })
                    if permit.is_some() && Instant::now() + LOOK_AGAIN < deadline =>
                {
                    tokio::time::sleep(LOOK_AGAIN).await;
                    continue;
                }
                order => order?,
            };
            let Some(order) = order else {
                return Ok(None);
            };
            let is_ending = self.end.is_cancelled();
            let is_over = Instant::now() >= deadline || is_ending;
            let is_final = match order.status {
                OrderStatus::Cancelled | OrderStatus::Refunded => true,
                OrderStatus::Pending => false,
                OrderStatus::Paid if taken => true,
                // All waits of the process end at once, and there is no time to look.
                OrderStatus::Paid if is_ending => false,
                OrderStatus::Paid => is_over && self.is_taken_by_now(wait, &order).await,
            };
            if is_final || is_over {
                return Ok(Some(Waited { order, is_final }));
            }
            if permit.is_none() {
                permit = Some(self.waits.begin(wait.slot, limit)?);
            }
            tokio::select! {
                () = changed => {}
                () = self.stock_taken(wait, &order) => taken = true,
                () = tokio::time::sleep_until(deadline) => {}
                () = self.end.cancelled() => {}
            }
        }
    }

    /// Ends when the stock of a paid order is taken, and only then. An order that inventory has
    /// rejected is about to be refunded, which is a change.
    async fn stock_taken(&self, wait: &Wait<'_>, order: &Order) {
        let (OrderStatus::Paid, Some(entry)) = (order.status, completed_entry(order)) else {
            return std::future::pending().await;
        };
        let partition = wait.store.own.partitions().of(order.id);
        self.stock_acks.acknowledged(partition, entry).await;
        loop {
            match self.ask_whether_taken(wait, order).await {
                Ok(()) => return,
                Err(NotTaken::Rejected) => return std::future::pending().await,
                Err(NotTaken::Unknown) => tokio::time::sleep(ASK_AGAIN).await,
            }
        }
    }

    /// Whether the stock of a paid order is taken now. A wait looks once more at its end, because
    /// the group or inventory may not have answered before.
    async fn is_taken_by_now(&self, wait: &Wait<'_>, order: &Order) -> bool {
        let Some(entry) = completed_entry(order) else {
            return false;
        };
        let partition = wait.store.own.partitions().of(order.id);
        let look = async {
            self.stock_acks
                .is_acknowledged_lately(partition, entry)
                .await
                && self.ask_whether_taken(wait, order).await.is_ok()
        };
        tokio::time::timeout(LAST_LOOK, look).await.unwrap_or(false)
    }

    /// Asks inventory about an order whose event it has acknowledged. All requests that wait for
    /// the same order share one question and its answer.
    async fn ask_whether_taken(&self, wait: &Wait<'_>, order: &Order) -> Result<(), NotTaken> {
        let partition = wait.store.own.partitions().of(order.id);
        let ask = async {
            match wait
                .inventory
                .movement(order.wanted.product_id, order.id, wait.context)
                .await
            {
                Ok(Some(_)) => Ok(()),
                Ok(None) if self.stock_acks.is_old(partition, order).await => Ok(()),
                Ok(None) => Err(NotTaken::Rejected),
                Err(_) => Err(NotTaken::Unknown),
            }
        };
        // The future of the cache has 5 KB. Without the box, the future of each `GET` of an order
        // would too.
        Box::pin(self.taken.try_get_with(order.id, ask))
            .await
            .map_err(|reason| *reason)
    }
}

/// The entry of the event of a paid order.
fn completed_entry(order: &Order) -> Option<EntryId> {
    order.trail.completed_entry.as_ref()?.parse().ok()
}
