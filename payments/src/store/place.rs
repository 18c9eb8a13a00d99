//! Places orders in batches: one call writes all orders that wait at the same moment.

use std::time::Duration;

use shared::contract::id::OrderId;
use shared::contract::time::Timestamp;
use shared::redis::RedisError;
use shared::store::Store;
use shared::store::batch::Batcher;
use shared::store::claim::{Claim, Once};

use super::{calls, reply};

/// Places all orders that wait. The store may refuse one order of a call and place the others.
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

/// The batcher that places orders in `own`, due `delay` later. An error of a call goes to the
/// batcher as it is. If the store did not answer, or its replicas did not confirm, the placements
/// that wait behind the call fail at once.
pub(super) fn batcher(own: Store, delay: Duration) -> Placements {
    Batcher::new(PLACEMENT_BATCH, move |partition, placements| {
        let own = own.clone();
        async move {
            let call = calls::place_orders(partition, delay, &placements);
            let replies = own.call(partition, &call).await?;
            reply::placements(replies, delay, placements.len())
        }
    })
}
