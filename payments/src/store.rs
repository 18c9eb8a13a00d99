//! The payments store: one method for each function in `lua/`, and the reads.

use std::borrow::Borrow;
use std::time::Duration;

use shared::contract::event::RefundOrder;
use shared::contract::id::{OrderId, Partition, Partitions};
use shared::contract::time::Timestamp;
use shared::contract::trace::RequestContext;
use shared::redis::{Redis, RedisError, Reply};
use shared::store::claim::{Claim, Once};
use shared::store::condition::Condition;
use shared::store::function::{Call, Library};
use shared::store::{Store, by_partition};

mod index;
mod line;
mod migration;
mod place;
mod read;
mod redate;

use crate::domain::{Account, Cancellation, Completion, Order, PlaceOrder, Quote, Refund};
use crate::keys;
pub use crate::store::index::Position;
pub use crate::store::place::PLACEMENT_BATCH;
use crate::store::place::{Placement, Placements};

/// What several functions share. It stands in front of every function.
const COMMON: [&str; 1] = [include_str!("lua/common/order_line.lua")];

/// Orders that one call of `complete_due` pays at most, unless more were placed together.
/// It takes about a millisecond for so many, in which the store does nothing else: whoever places
/// an order waits for it.
pub const COMPLETION_BATCH: usize = 100;

/// What payments knows. Cheap to clone.
#[derive(Clone)]
pub struct OrderStore {
    /// The store itself, for what both services do alike.
    pub own: Store,
    /// Time between an order and its payment.
    delay: Duration,
    placements: Placements,
}

impl OrderStore {
    /// The store behind `redis`. Orders are due `delay` after they were placed.
    pub fn new(redis: Redis, partitions: Partitions, delay: Duration) -> Self {
        let files = [
            include_str!("lua/place_orders.lua"),
            include_str!("lua/complete_due.lua"),
            include_str!("lua/cancel_order.lua"),
            include_str!("lua/refund_orders.lua"),
            include_str!("lua/emit_again.lua"),
            include_str!("lua/read_account.lua"),
        ];
        let files = files.map(|file| COMMON.concat() + file);
        let library = Library::new(migration::LAYOUT, &files.each_ref().map(String::as_str));
        let own = Store::new(redis, library, partitions);
        Self {
            placements: place::batcher(own.clone(), delay),
            own,
            delay,
        }
    }

    /// Time between an order and its payment.
    pub fn delay(&self) -> Duration {
        self.delay
    }

    /// Places an order; with a claim, at most one order for each key. One call of `place_orders`
    /// writes all orders that wait at the same moment.
    pub async fn place_order(
        &self,
        wanted: PlaceOrder,
        quote: Quote,
        context: &RequestContext,
        claim: Option<&Claim>,
    ) -> Result<Once<Order>, RedisError> {
        let id = match claim {
            Some(claim) => self.own.partitions().mint_order(claim.key().seed()),
            None => OrderId::mint(),
        };
        let partition = self.own.partitions().of_order(id);
        let placement = Placement::new(id, wanted, quote, context, claim);
        Ok(match self.placements.submit(partition, placement).await?? {
            Once::Now((created_at, due)) => {
                Once::Now(Order::placed(id, wanted, quote, created_at, due))
            }
            Once::Before(id) => Once::Before(self.placed_before(&id).await?),
            Once::KeyReused => Once::KeyReused,
        })
    }

    /// Finds what a claim placed before, without placing anything.
    pub async fn find_placement(&self, claim: &Claim) -> Result<Option<Once<Order>>, RedisError> {
        let partition = self.own.partitions().of(claim.key().seed());
        match claim.find(&self.own, partition).await? {
            Some(Once::Before(id)) => self.placed_before(&id).await.map(Once::Before).map(Some),
            Some(_) => Ok(Some(Once::KeyReused)),
            None => Ok(None),
        }
    }

    /// Pays up to [`COMPLETION_BATCH`] orders of a partition whose delay has elapsed, and emits
    /// their events.
    pub async fn complete_due(&self, partition: Partition) -> Result<Completion, RedisError> {
        let call = Call::new("complete_due")
            .key(keys::due(partition))
            .key(partition.key(keys::ORDER_COMPLETED))
            .key(keys::changes(partition))
            .key(keys::account(partition))
            .arg(keys::order_prefix(partition))
            .text(COMPLETION_BATCH);
        let mut reply = self.own.call(partition, &call).await?.list()?.into_iter();
        let mut number = || -> Result<i64, RedisError> {
            Ok(reply
                .next()
                .ok_or_else(|| unexpected("complete_due", "too little"))?
                .int()?)
        };
        let (count, wait_ms, removed) = (number()?, number()?, number()?);
        let removed = u64::try_from(removed).unwrap_or_default();
        let next_due_in = u64::try_from(wait_ms).ok().map(Duration::from_millis);
        let mut paid = reply.map(Reply::text).collect::<Result<Vec<String>, _>>()?;
        let broken = paid.split_off(usize::try_from(count).unwrap_or_default().min(paid.len()));
        Ok(Completion {
            paid,
            broken,
            removed,
            next_due_in,
        })
    }

    /// Cancels an order that is still pending, if it has the version that is meant.
    pub async fn cancel_order(
        &self,
        id: OrderId,
        condition: &Condition,
        claim: Option<&Claim>,
    ) -> Result<Once<Cancellation>, RedisError> {
        let partition = self.own.partitions().of_order(id);
        let call = Call::new("cancel_order")
            .key(keys::order(partition, id))
            .key(keys::due(partition))
            .key(keys::changes(partition))
            .text(id)
            .arg(condition.to_arg())
            .claim(partition, claim);
        Ok(match Once::read(self.own.call(partition, &call).await?)? {
            Once::Now(outcome) => Once::Now(parse_cancellation(&outcome)?),
            Once::Before(_) => Once::Before(Cancellation::Cancelled),
            Once::KeyReused => Once::KeyReused,
        })
    }

    /// Marks orders refunded that inventory rejected; all of them in one call for each partition
    /// they touch. `entry_ids` are those of the entries that asked for it.
    pub async fn refund_orders<R: Borrow<RefundOrder>>(
        &self,
        refunds: &[R],
        entry_ids: &[&str],
    ) -> Result<Vec<Refund>, RedisError> {
        let partitions = self.own.partitions();
        let mut outcomes = vec![Refund::NotFound; refunds.len()];
        for (partition, places) in by_partition(refunds, |refund| {
            partitions.of_order(refund.borrow().order_id)
        }) {
            let mut call = Call::new("refund_orders")
                .key(keys::changes(partition))
                .key(keys::account(partition));
            for &place in &places {
                let refund = refunds[place].borrow();
                call = call
                    .key(keys::order(partition, refund.order_id))
                    .text(refund.order_id)
                    .arg(refund.reason.as_str())
                    .arg(entry_ids[place])
                    .text(refund.product_id)
                    .text(refund.quantity);
            }
            let replies = self
                .own
                .call(partition, &call)
                .await?
                .list_of(places.len())?;
            for (place, reply) in places.into_iter().zip(replies) {
                outcomes[place] = parse_refund(&reply)?;
            }
        }
        Ok(outcomes)
    }

    /// Emits the event of a paid order once more. `false` when there is no such order, or it is not
    /// paid.
    pub async fn emit_again(&self, id: OrderId) -> Result<bool, RedisError> {
        let partition = self.own.partitions().of_order(id);
        let call = Call::new("emit_again")
            .key(keys::order(partition, id))
            .key(partition.key(keys::ORDER_COMPLETED))
            .text(id);
        Ok(self.own.call(partition, &call).await?.int()? == 1)
    }

    /// What was charged and refunded in all for the orders of a partition, and when that was so.
    pub async fn read_account(&self, partition: Partition) -> Result<Account, RedisError> {
        let call = Call::new("read_account").key(keys::account(partition));
        let [at, charged, refunded] = self.own.call(partition, &call).await?.exactly("sums")?;
        let (charged, refunded) = (charged.unsigned()?, refunded.unsigned()?);
        Ok(Account {
            at: timestamp(&at)?,
            charged,
            refunded,
        })
    }

    /// The order that a claimed key placed. It is there: key and order were written in one step.
    async fn placed_before(&self, id: &str) -> Result<Order, RedisError> {
        let id = id
            .parse()
            .map_err(|error| unexpected("place_orders", error))?;
        let order = self
            .find_order(id)
            .await?
            .ok_or_else(|| unexpected("place_orders", id))?;
        Ok(order.as_placed())
    }
}

fn parse_cancellation(outcome: &[Reply]) -> Result<Cancellation, RedisError> {
    match outcome.first().map_or(Ok(-1), Reply::int)? {
        1 => Ok(Cancellation::Cancelled),
        3 => Ok(Cancellation::TooLate),
        4 => Ok(Cancellation::OtherVersion),
        0 => Ok(Cancellation::NotFound),
        other => Err(unexpected("cancel_order", other)),
    }
}

fn parse_refund(reply: &Reply) -> Result<Refund, RedisError> {
    Ok(match reply.int()? {
        1 => Refund::Refunded,
        2 => Refund::Repeated,
        3 => Refund::NotPaid,
        4 => Refund::OtherOrder,
        0 => Refund::NotFound,
        other => return Err(unexpected("refund_orders", other)),
    })
}

fn timestamp(reply: &Reply) -> Result<Timestamp, RedisError> {
    Ok(Timestamp::from_millis(reply.unsigned()?))
}

fn unexpected(function: &str, found: impl std::fmt::Display) -> RedisError {
    RedisError::Refused(format!("{function} answered {found}"))
}
