//! Orders as they change: what a live stream shows, and when a long poll ends.

use std::time::Duration;

use shared::feed::{Change, Feed, Show};
use shared::id::OrderId;
use shared::problem::{OVERLOADED, Problem};
use shared::redis::RedisError;
use shared::request::RequestContext;
use shared::shutdown::Shutdown;
use tokio::time::Instant;

use crate::api::body::OrderBody;
use crate::domain::{Order, OrderStatus};
use crate::inventory_client::InventoryClient;
use crate::settlement::Settlements;
use crate::store::Store;

/// Pause after inventory could not say what became of an order.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// What a client is asked to wait when too many wait already.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(5);

/// Shows orders as they stood right after a change.
#[derive(Clone)]
pub struct ShowOrder {
    /// Where orders are kept.
    pub store: Store,
}

/// Waits for orders to be final.
#[derive(Clone)]
pub struct Finals {
    /// The changes of orders.
    pub feed: Feed<ShowOrder>,
    /// When inventory has acted on an order.
    pub settlements: Settlements,
    /// The process, which may be told to stop.
    pub shutdown: Shutdown,
}

/// An order, and whether anything will still happen to it.
pub struct Waited {
    /// The order.
    pub order: Order,
    /// Nothing will: it is cancelled, refunded, or paid with its stock taken.
    pub is_final: bool,
}

impl Show for ShowOrder {
    async fn show(&self, change: &Change) -> Result<Option<String>, RedisError> {
        let Ok(id) = change.id.parse() else {
            return Ok(None);
        };
        let status = match change.kind.as_str() {
            "order.created" => OrderStatus::Pending,
            "order.paid" => OrderStatus::Paid,
            "order.cancelled" => OrderStatus::Cancelled,
            "order.refunded" => OrderStatus::Refunded,
            _ => return Ok(None),
        };
        let order = self.store.find_order(id).await?;
        let body = order.map(|order| OrderBody::from(order.as_of(status)));
        Ok(body.and_then(|body| serde_json::to_string(&body).ok()))
    }
}

impl Finals {
    /// Waits until an order is final, or `limit` has passed; `None` where there is no such order.
    /// Nobody polls for it: changes and acknowledgements wake it.
    pub async fn wait(
        &self,
        (store, inventory): (&Store, &InventoryClient),
        id: OrderId,
        limit: Duration,
        context: &RequestContext,
    ) -> Result<Option<Waited>, Problem> {
        let deadline = Instant::now() + limit;
        let watch = self.feed.watch(id.to_string()).map_err(|_| {
            let problem = Problem::new(&OVERLOADED, "too many requests wait for orders");
            problem.retry_after(BUSY_RETRY_AFTER)
        })?;
        let mut taken = false;
        loop {
            let changed = watch.changed();
            let Some(order) = store.find_order(id).await? else {
                return Ok(None);
            };
            let is_final = match order.status {
                OrderStatus::Cancelled | OrderStatus::Refunded => true,
                OrderStatus::Pending => false,
                OrderStatus::Paid => taken,
            };
            if is_final || Instant::now() >= deadline || self.shutdown.is_cancelled() {
                return Ok(Some(Waited { order, is_final }));
            }
            tokio::select! {
                () = changed => {}
                () = self.stock_taken(store, inventory, &order, context) => taken = true,
                () = tokio::time::sleep_until(deadline) => {}
                () = self.shutdown.cancelled() => {}
            }
        }
    }

    /// Ends when the stock of a paid order is taken, and only then. An order that inventory has
    /// rejected is about to be refunded, which is a change.
    async fn stock_taken(
        &self,
        store: &Store,
        inventory: &InventoryClient,
        order: &Order,
        context: &RequestContext,
    ) {
        let entry = order.trail.completed_entry.as_ref().and_then(|entry| entry.parse().ok());
        let (OrderStatus::Paid, Some(entry)) = (order.status, entry) else {
            return std::future::pending().await;
        };
        self.settlements.acknowledged(store.own.partitions().of_order(order.id), entry).await;
        loop {
            match inventory.movement(order.wanted.product_id, order.id, context).await {
                Ok(Some(_)) => return,
                Ok(None) => return std::future::pending().await,
                Err(_) => tokio::time::sleep(ASK_AGAIN).await,
            }
        }
    }
}
