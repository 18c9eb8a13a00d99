//! Places orders in batches: one call writes all orders that wait at the same moment.

use std::time::Duration;

use shared::contract::id::OrderId;
use shared::contract::time::Timestamp;
use shared::redis::RedisError;
use shared::store::Store;
use shared::store::batch::Batcher;
use shared::store::claim::{Claim, Once};
use shared::store::partition::Partition;

use super::{calls, reply};

/// Places all orders that wait.
pub(super) type Placements = Batcher<Placement, Result<Placed, RedisError>>;

/// An order that is to be written.
pub(super) struct Placement {
    pub(super) id: OrderId,
    pub(super) claim: Option<Claim>,
    /// The beginning of the line of the order.
    pub(super) line: String,
}

/// When an order was placed and when it is due, or the id of the order that its key placed before.
pub(super) type Placed = Once<(Timestamp, Timestamp), String>;

/// The most orders that one call of `place_orders` places. The call takes about a millisecond, in
/// which the store does nothing else.
pub const PLACEMENT_BATCH: usize = 100;

/// The batcher that places orders in `own`, due `delay` later.
pub(super) fn batcher(own: Store, delay: Duration) -> Placements {
    Batcher::new(PLACEMENT_BATCH, move |partition, placements| {
        let own = own.clone();
        async move {
            let placed = place_orders(&own, partition, delay, &placements).await;
            // Only the placements of this call fail. Placements that wait behind them get a call of
            // their own.
            Ok(placed.unwrap_or_else(|error| vec![Err(error); placements.len()]))
        }
    })
}

async fn place_orders(
    own: &Store,
    partition: Partition,
    delay: Duration,
    placements: &[Placement],
) -> Result<Vec<Result<Placed, RedisError>>, RedisError> {
    let call = calls::place_orders(partition, delay, placements);
    let replies = own.call(partition, &call).await?;
    reply::placements(replies, delay, placements.len())
}
