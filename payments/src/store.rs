//! The store of payments: one method for each function in `lua/`. The reads are in `read`.

use std::borrow::Borrow;
use std::time::Duration;

use futures_util::future::join_all;
use shared::contract::event::RefundOrder;
use shared::contract::id::OrderId;
use shared::contract::trace::RequestContext;
use shared::redis::{Redis, RedisError};
use shared::store::Store;
use shared::store::claim::{Claim, Once};
use shared::store::condition::Condition;
use shared::store::partition::{Partition, Partitions};
use shared::store::scatter::call_each;

mod calls;
mod index;
mod line;
mod migration;
mod place;
mod read;
mod redate;
mod reply;

use crate::domain::{Account, Cancellation, Completion, Order, PlaceOrder, Quote, Refund};
pub use crate::store::index::Position;
pub use crate::store::place::PLACEMENT_BATCH;
use crate::store::place::{Placement, Placements};

/// What payments knows. Cheap to clone.
#[derive(Clone)]
pub struct OrderStore {
    /// The store itself, for what both services do alike.
    pub own: Store,
    /// Time between an order and its payment.
    delay: Duration,
    placements: Placements,
}

/// Code that several functions share. Each file of functions is loaded with this code in front.
const COMMON: [&str; 1] = [include_str!("lua/common/order_line.lua")];

/// The most orders that one call of `complete_due` pays, unless more were placed together. The call
/// takes about a millisecond, in which the store does nothing else: clients that place orders wait.
pub const COMPLETION_BATCH: usize = 100;
/// The most refunds of one call; `lua/refund_orders.lua` refuses more.
const REFUND_BATCH: usize = 1_000;

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
        let files = &files.each_ref().map(String::as_str);
        let own = Store::new(redis, migration::LAYOUT, files, partitions);
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
            Some(claim) => self.own.partitions().mint_in(claim.key().seed()),
            None => OrderId::mint(),
        };
        let partition = self.own.partitions().of(id);
        let placement = Placement {
            id,
            claim: claim.cloned(),
            line: line::placed(wanted, quote, context),
        };
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
        let partition = self.own.partitions().of_hash(claim.key().seed());
        match claim.find(&self.own, partition).await? {
            Some(Once::Before(id)) => self.placed_before(&id).await.map(Once::Before).map(Some),
            Some(_) => Ok(Some(Once::KeyReused)),
            None => Ok(None),
        }
    }

    /// Pays up to [`COMPLETION_BATCH`] orders of a partition whose delay has elapsed, and emits
    /// their events.
    pub async fn complete_due(&self, partition: Partition) -> Result<Completion, RedisError> {
        let call = calls::complete_due(partition);
        reply::completion(self.own.call(partition, &call).await?)
    }

    /// Cancels an order that is still pending, if `condition` admits its version; with a claim,
    /// once for its key.
    pub async fn cancel_order(
        &self,
        id: OrderId,
        condition: &Condition,
        claim: Option<&Claim>,
    ) -> Result<Once<Cancellation>, RedisError> {
        let partition = self.own.partitions().of(id);
        let call = calls::cancel_order(partition, id, condition, claim);
        Ok(match Once::read(self.own.call(partition, &call).await?)? {
            Once::Now(outcome) => Once::Now(reply::cancellation(&outcome)?),
            Once::Before(_) => Once::Before(Cancellation::Cancelled),
            Once::KeyReused => Once::KeyReused,
        })
    }

    /// Marks orders refunded that inventory rejected or released, with one call for each partition,
    /// or several for more than 1,000 refunds. `entry_ids` are the entries that asked for the
    /// refunds, in the same order.
    pub async fn refund_orders<R: Borrow<RefundOrder>>(
        &self,
        refunds: &[R],
        entry_ids: &[&str],
    ) -> Result<Vec<Refund>, RedisError> {
        let partitions = self.own.partitions();
        let refunds = refunds.iter().map(Borrow::borrow);
        let refunds: Vec<_> = refunds.zip(entry_ids.iter().copied()).collect();
        let partition_of = |(refund, _): &(&RefundOrder, &str)| partitions.of(refund.order_id);
        call_each(
            &self.own,
            &refunds,
            REFUND_BATCH,
            partition_of,
            calls::refund_orders,
            reply::refund,
        )
        .await
    }

    /// Emits the event of a paid order once more. `false` when there is no such order, or it is not
    /// paid.
    pub async fn emit_again(&self, id: OrderId) -> Result<bool, RedisError> {
        let partition = self.own.partitions().of(id);
        let call = calls::emit_again(partition, id);
        Ok(self.own.call(partition, &call).await?.int()? == 1)
    }

    /// The sums that were charged and refunded for all orders of a partition, and when they were
    /// true.
    pub async fn read_account(&self, partition: Partition) -> Result<Account, RedisError> {
        let call = calls::read_account(partition);
        reply::account(self.own.call(partition, &call).await?)
    }

    /// The sums of all partitions, each as it was at one time.
    pub async fn read_accounts(&self) -> Result<Vec<(Partition, Account)>, RedisError> {
        let read = async |partition| Ok((partition, self.read_account(partition).await?));
        let accounts = join_all(self.own.partitions().all().map(read)).await;
        accounts.into_iter().collect()
    }

    /// The order that a claimed key placed. It exists, because one step wrote the claim and the
    /// order.
    async fn placed_before(&self, id: &str) -> Result<Order, RedisError> {
        let id = id
            .parse()
            .map_err(|error| reply::unexpected("place_orders", error))?;
        let order = self
            .find_order(id)
            .await?
            .ok_or_else(|| reply::unexpected("place_orders", id))?;
        Ok(order.as_placed())
    }
}
