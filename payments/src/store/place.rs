//! Orders are placed in batches: whatever waits at the same moment is written by one call.

use std::time::Duration;

use shared::contract::id::{OrderId, Partition};
use shared::contract::time::Timestamp;
use shared::contract::trace::RequestContext;
use shared::redis::{RedisError, Reply};
use shared::store::Store;
use shared::store::batch::Batcher;
use shared::store::claim::{CLAIMS, Claim, Once};
use shared::store::function::Call;

use super::{line, timestamp, unexpected};
use crate::domain::{PlaceOrder, Quote};
use crate::keys;

/// Orders that one call of `place_orders` places at most. It takes about a millisecond for so many,
/// in which the store does nothing else.
pub const PLACEMENT_BATCH: usize = 100;

/// Places whatever waits.
pub(super) type Placements = Batcher<Placement, Result<Placed, RedisError>>;

/// An order that is to be written.
pub(super) struct Placement {
    id: OrderId,
    claim: Option<Claim>,
    /// The line of the order up to its times, which only the store knows.
    line: String,
}

/// When an order was placed and when it is due, or the id of the order that its key placed before.
type Placed = Once<(Timestamp, Timestamp), String>;

impl Placement {
    pub(super) fn new(
        id: OrderId,
        wanted: PlaceOrder,
        quote: Quote,
        context: &RequestContext,
        claim: Option<&Claim>,
    ) -> Self {
        Self {
            id,
            claim: claim.cloned(),
            line: line::placed(wanted, quote, context),
        }
    }

    fn add_to(&self, call: Call) -> Call {
        let call = call.text(self.id);
        let call = match &self.claim {
            Some(claim) => {
                let value = format!("{} {}", claim.fingerprint(), self.id);
                call.arg(claim.key().hash()).arg(value)
            }
            None => call.arg("").arg(""),
        };
        call.arg(self.line.as_str())
    }
}

/// The batcher that places orders in `own`, due `delay` later.
pub(super) fn batcher(own: Store, delay: Duration) -> Placements {
    Batcher::new(PLACEMENT_BATCH, move |partition, placements| {
        let own = own.clone();
        async move {
            let placed = place_orders(&own, partition, delay, &placements).await;
            // Each placement of the call has its error. Those that wait behind it try for themselves.
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
    let call = Call::new("place_orders")
        .key(keys::orders(partition))
        .key(keys::due(partition))
        .key(keys::changes(partition))
        .arg(keys::order_prefix(partition))
        .arg(partition.key_of(CLAIMS, ""))
        .text(delay.as_millis());
    let call = placements
        .iter()
        .fold(call, |call, placement| placement.add_to(call));
    let replies = own.call(partition, &call).await?;
    read(replies, delay, placements.len())
}

/// What a call was answered, for each of its placements.
fn read(
    reply: Reply,
    delay: Duration,
    count: usize,
) -> Result<Vec<Result<Placed, RedisError>>, RedisError> {
    let mut replies = reply.list_of(1 + count)?.into_iter();
    let now = replies
        .next()
        .ok_or_else(|| unexpected("place_orders", "nothing"))?;
    let now = timestamp(&now)?;
    replies
        .map(|reply| Ok(read_one(&reply.text()?, now, delay)))
        .collect()
}

fn read_one(reply: &str, now: Timestamp, delay: Duration) -> Result<Placed, RedisError> {
    let time = |text: &str| text.parse().map(Timestamp::from_millis);
    match reply.split(' ').collect::<Vec<_>>()[..] {
        ["1"] => Ok(Once::Now((now, now.later_by(delay)))),
        ["2", id] => Ok(Once::Before(id.to_owned())),
        ["3"] => Ok(Once::KeyReused),
        ["4", created_at, due] => match (time(created_at), time(due)) {
            (Ok(created_at), Ok(due)) => Ok(Once::Now((created_at, due))),
            _ => Err(unexpected("place_orders", reply)),
        },
        ["5"] => Err(not_now("CLOCK the id of the order is from another day")),
        ["6"] => Err(not_now(
            "DAMAGED the line under the id of the order is damaged",
        )),
        _ => Err(unexpected("place_orders", reply)),
    }
}

/// None of it is the fault of who asks.
fn not_now(reason: &str) -> RedisError {
    RedisError::NotNow(reason.to_owned())
}
