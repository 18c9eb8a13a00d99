//! The payments store: one method for each function in `lua/`, and the reads.

use std::time::Duration;

use shared::event::RefundOrder;
use shared::function::{Call, Library};
use shared::id::{OrderId, Partition, Partitions};
use shared::idempotency::{Claim, Once};
use shared::index::{Order as Direction, Range, Scanned};
use shared::own_store::{OwnStore, by_partition};
use shared::record::Record;
use shared::redis::{Command, Redis, RedisError, Reply};
use shared::request::RequestContext;
use shared::time::Timestamp;

use crate::domain::{
    Cancellation, Completion, Order, OrderFilter, PlaceOrder, Quote, Refund, Trail,
};
use crate::keys;

/// Raised whenever a function changes what it does, takes or answers.
const LIBRARY_VERSION: u32 = 1;

/// Orders that one call of `complete_due` pays at most.
pub const COMPLETION_BATCH: usize = 100;

/// How far the time inside an id may be from the time on the clock of the store: `place_order`
/// refuses more.
const MAX_SKEW: Duration = Duration::from_hours(24);

/// What payments knows. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    /// The store itself, for what both services do alike.
    pub own: OwnStore,
}

impl Store {
    /// The store behind `redis`.
    pub fn new(redis: Redis, partitions: Partitions) -> Self {
        let files = [
            include_str!("lua/place_order.lua"),
            include_str!("lua/complete_due.lua"),
            include_str!("lua/cancel_order.lua"),
            include_str!("lua/refund_orders.lua"),
        ];
        let library = Library::new("payments", LIBRARY_VERSION, &files);
        Self { own: OwnStore::new(redis, library, partitions) }
    }

    /// Places an order, due after `delay`; with a claim, at most one for its key.
    pub async fn place_order(
        &self,
        wanted: PlaceOrder,
        quote: Quote,
        delay: Duration,
        context: &RequestContext,
        claim: Option<&Claim>,
    ) -> Result<Once<Order>, RedisError> {
        let id = match claim {
            Some(claim) => self.own.partitions().mint_order(claim.key().seed()),
            None => OrderId::mint(),
        };
        let partition = self.own.partitions().of_order(id);
        let call = Call::new("place_order")
            .key(keys::order(partition, id))
            .key(keys::orders(partition))
            .key(keys::due(partition))
            .key(keys::changes(partition))
            .text(id)
            .text(wanted.product_id)
            .arg(i64::from(wanted.quantity))
            .text(quote.price)
            .text(quote.fee)
            .text(quote.total)
            .arg(context.traceparent.as_str())
            .arg(context.request_id.as_str())
            .text(delay.as_millis())
            .text(id.minted_at().map_or(0, Timestamp::as_millis))
            .claim(partition, claim);
        Ok(match Once::read(self.own.call(partition, &call).await?)? {
            Once::Now(times) => Once::Now(placed(id, wanted, quote, &times)?),
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

    /// Finds an order.
    pub async fn find_order(&self, id: OrderId) -> Result<Option<Order>, RedisError> {
        let partition = self.own.partitions().of_order(id);
        let fields = self.own.run(Command::new("HGETALL").key(keys::order(partition, id))).await?;
        match Record::read(fields)? {
            Some(record) => parse_order(&record).map(Some),
            None => self.own.confirm_absence(partition).await.map(|()| None),
        }
    }

    /// A page of the orders that a filter admits, the newest first, behind `position`. It may be
    /// short, or empty, although there are more: what is read for it is bounded.
    pub async fn list_orders(
        &self,
        filter: &OrderFilter,
        position: Option<OrderId>,
        limit: usize,
    ) -> Result<Scanned<Order>, RedisError> {
        let mut range = Range::all(Direction::Descending);
        // The time inside an id is that of the process that minted it, which is only about right.
        if let Some(after) = filter.created_after {
            range = range.not_below(&OrderId::prefix_at(after.earlier_by(MAX_SKEW)));
        }
        if let Some(before) = filter.created_before {
            range = range.below(&OrderId::prefix_at(before.later_by(MAX_SKEW)));
        }
        let range = position.iter().fold(range, |range, id| range.past(&id.to_string()));
        let find = |member: String| async move {
            let id = member.parse();
            let id = id.map_err(|error| RedisError::Refused(format!("{member}: {error}")))?;
            Ok(self.find_order(id).await?.filter(|order| filter.admits(order)))
        };
        self.own.scan(keys::orders, range, limit, find).await
    }

    /// Pays up to [`COMPLETION_BATCH`] orders of a partition whose delay has elapsed, and emits
    /// their events.
    pub async fn complete_due(&self, partition: Partition) -> Result<Completion, RedisError> {
        let call = Call::new("complete_due")
            .key(keys::due(partition))
            .key(partition.key(keys::ORDER_COMPLETED))
            .key(keys::changes(partition))
            .arg(keys::order_prefix(partition))
            .text(COMPLETION_BATCH);
        let mut reply = self.own.call(partition, &call).await?.list()?.into_iter();
        let mut number = || -> Result<i64, RedisError> {
            Ok(reply.next().ok_or_else(|| unexpected("complete_due", "too little"))?.int()?)
        };
        let (count, wait_ms) = (number()?, number()?);
        let next_due_in = u64::try_from(wait_ms).ok().map(Duration::from_millis);
        let mut paid = reply.map(Reply::text).collect::<Result<Vec<String>, _>>()?;
        let broken = paid.split_off(usize::try_from(count).unwrap_or_default().min(paid.len()));
        Ok(Completion { paid, broken, next_due_in })
    }

    /// Cancels an order that is still pending.
    pub async fn cancel_order(
        &self,
        id: OrderId,
        claim: Option<&Claim>,
    ) -> Result<Once<Cancellation>, RedisError> {
        let partition = self.own.partitions().of_order(id);
        let call = Call::new("cancel_order")
            .key(keys::order(partition, id))
            .key(keys::due(partition))
            .key(keys::changes(partition))
            .text(id)
            .claim(partition, claim);
        Ok(match Once::read(self.own.call(partition, &call).await?)? {
            Once::Now(outcome) => Once::Now(parse_cancellation(&outcome)?),
            Once::Before(_) => Once::Before(Cancellation::Cancelled),
            Once::KeyReused => Once::KeyReused,
        })
    }

    /// Marks orders refunded that inventory rejected; all of them in one call for each partition
    /// they touch. `entry_ids` are those of the entries that asked for it.
    pub async fn refund_orders(
        &self,
        refunds: &[RefundOrder],
        entry_ids: &[&str],
    ) -> Result<Vec<Refund>, RedisError> {
        let partitions = self.own.partitions();
        let mut outcomes = vec![Refund::NotFound; refunds.len()];
        for (partition, places) in
            by_partition(refunds, |refund| partitions.of_order(refund.order_id))
        {
            let mut call = Call::new("refund_orders").key(keys::changes(partition));
            for &place in &places {
                let refund = &refunds[place];
                call = call
                    .key(keys::order(partition, refund.order_id))
                    .text(refund.order_id)
                    .arg(refund.reason.as_str())
                    .arg(entry_ids[place]);
            }
            let replies = self.own.call(partition, &call).await?.list_of(places.len())?;
            for (place, reply) in places.into_iter().zip(replies) {
                outcomes[place] = parse_refund(&reply)?;
            }
        }
        Ok(outcomes)
    }

    /// The order that a claimed key placed. It is there: key and order were written in one step.
    async fn placed_before(&self, id: &str) -> Result<Order, RedisError> {
        let id = id.parse().map_err(|error| unexpected("place_order", error))?;
        let order = self.find_order(id).await?.ok_or_else(|| unexpected("place_order", id))?;
        Ok(order.as_placed())
    }
}

fn placed(
    id: OrderId,
    wanted: PlaceOrder,
    quote: Quote,
    times: &[Reply],
) -> Result<Order, RedisError> {
    match times {
        [created_at, due] => {
            Ok(Order::placed(id, wanted, quote, timestamp(created_at)?, timestamp(due)?))
        }
        _ => Err(unexpected("place_order", "no times")),
    }
}

fn parse_cancellation(outcome: &[Reply]) -> Result<Cancellation, RedisError> {
    match outcome.first().map_or(Ok(-1), Reply::int)? {
        1 => Ok(Cancellation::Cancelled),
        3 => Ok(Cancellation::TooLate),
        0 => Ok(Cancellation::NotFound),
        other => Err(unexpected("cancel_order", other)),
    }
}

fn parse_refund(reply: &Reply) -> Result<Refund, RedisError> {
    Ok(match reply.int()? {
        1 => Refund::Refunded,
        2 => Refund::Repeated,
        3 => Refund::NotPaid,
        0 => Refund::NotFound,
        other => return Err(unexpected("refund_orders", other)),
    })
}

fn parse_order(record: &Record) -> Result<Order, RedisError> {
    Ok(Order {
        id: record.parse("id")?,
        wanted: PlaceOrder {
            product_id: record.parse("product_id")?,
            quantity: record.parse("quantity")?,
        },
        quote: Quote {
            price: record.parse("price")?,
            fee: record.parse("fee")?,
            total: record.parse("total")?,
        },
        status: record.parse("status")?,
        reason: record.optional("reason")?,
        created_at: record.time("created_at")?,
        completes_at: record.time("completes_at")?,
        paid_at: record.optional_time("paid_at")?,
        cancelled_at: record.optional_time("cancelled_at")?,
        refunded_at: record.optional_time("refunded_at")?,
        trail: Trail {
            request_id: record.optional("request_id")?,
            traceparent: record.optional("traceparent")?,
            completed_entry: record.optional("completed_entry")?,
            refund_entry: record.optional("refund_entry")?,
        },
    })
}

fn timestamp(reply: &Reply) -> Result<Timestamp, RedisError> {
    Ok(Timestamp::from_millis(reply.unsigned()?))
}

fn unexpected(function: &str, found: impl std::fmt::Display) -> RedisError {
    RedisError::Refused(format!("{function} answered {found}"))
}
