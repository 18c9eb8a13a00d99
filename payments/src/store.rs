//! The payments store: one method for each function in `lua/`, and the reads.

use std::time::Duration;

use shared::event::RefundOrder;
use shared::function::{Call, Library};
use shared::id::{OrderId, Partition, Partitions};
use shared::own_store::{OwnStore, all, by_partition};
use shared::record::Record;
use shared::redis::{Command, Redis, RedisError, Reply};
use shared::time::Timestamp;
use shared::trace::TraceParent;

use crate::domain::{Cancellation, Completion, Order, PlaceOrder, Placement, Quote, Refund};
use crate::idempotency::IdempotencyKey;
use crate::keys;

/// Raised whenever a function changes what it does, takes or answers.
const LIBRARY_VERSION: u32 = 1;

/// Orders that one call of `complete_due` pays at most.
pub const COMPLETION_BATCH: usize = 100;

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

    /// Places an order, due after `delay`; with a key, at most one order for that key, ever.
    pub async fn place_order(
        &self,
        wanted: PlaceOrder,
        quote: Quote,
        delay: Duration,
        traceparent: &TraceParent,
        key: Option<&IdempotencyKey>,
    ) -> Result<Placement, RedisError> {
        let id = match key {
            Some(key) => self.own.partitions().mint_order(key.seed()),
            None => OrderId::mint(),
        };
        let partition = self.own.partitions().of_order(id);
        let mut call = Call::new("place_order")
            .key(keys::order(partition, id))
            .key(keys::orders(partition))
            .key(keys::due(partition))
            .text(id)
            .text(wanted.product_id)
            .arg(i64::from(wanted.quantity))
            .text(quote.price)
            .text(quote.fee)
            .text(quote.total)
            .arg(traceparent.as_str())
            .text(delay.as_millis());
        call = call.arg(key.map(|key| key.fingerprint(&wanted)).unwrap_or_default());
        call = call.text(id.minted_at().map_or(0, Timestamp::as_millis));
        if let Some(key) = key {
            call = call.key(keys::idempotency(partition, key.hash()));
        }
        let mut reply = self.own.call(partition, &call).await?.list()?.into_iter();
        let mut next = || reply.next().ok_or_else(|| unexpected("place_order", "too little"));
        match next()?.int()? {
            1 => {
                let (created_at, due) = (timestamp(&next()?)?, timestamp(&next()?)?);
                Ok(Placement::Placed(Order::placed(id, wanted, quote, created_at, due)))
            }
            2 => self.replay(&next()?.text()?).await,
            3 => Ok(Placement::KeyReused),
            other => Err(unexpected("place_order", other)),
        }
    }

    /// Finds what a key placed before, without placing anything.
    pub async fn find_placement(
        &self,
        wanted: &PlaceOrder,
        key: &IdempotencyKey,
    ) -> Result<Option<Placement>, RedisError> {
        let partition = self.own.partitions().of(key.seed());
        let claim =
            self.own.run(Command::new("GET").key(keys::idempotency(partition, key.hash()))).await?;
        if claim.is_null() {
            return Ok(None);
        }
        match claim.text()?.split_once(' ') {
            Some((fingerprint, id)) if fingerprint == key.fingerprint(wanted) => {
                self.replay(id).await.map(Some)
            }
            _ => Ok(Some(Placement::KeyReused)),
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

    /// The newest orders, or those placed before `before`; one more than `limit` when there are
    /// more.
    pub async fn list_orders(
        &self,
        before: Option<OrderId>,
        limit: usize,
    ) -> Result<Vec<Order>, RedisError> {
        let ids = self.own.newest_ids(keys::orders, before, limit + 1).await?;
        let mut orders = Vec::with_capacity(ids.len());
        for found in all(ids.into_iter().map(|id| self.find_order(id))).await {
            orders.extend(found?);
        }
        Ok(orders)
    }

    /// Pays up to [`COMPLETION_BATCH`] orders of a partition whose delay has elapsed, and emits
    /// their events.
    pub async fn complete_due(&self, partition: Partition) -> Result<Completion, RedisError> {
        let call = Call::new("complete_due")
            .key(keys::due(partition))
            .key(partition.key(keys::ORDER_COMPLETED))
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
    pub async fn cancel_order(&self, id: OrderId) -> Result<Cancellation, RedisError> {
        let partition = self.own.partitions().of_order(id);
        let call = Call::new("cancel_order")
            .key(keys::order(partition, id))
            .key(keys::due(partition))
            .text(id);
        match self.own.call(partition, &call).await?.int()? {
            1 | 2 => Ok(Cancellation::Cancelled),
            3 => Ok(Cancellation::TooLate),
            0 => Ok(Cancellation::NotFound),
            other => Err(unexpected("cancel_order", other)),
        }
    }

    /// Marks orders refunded that inventory rejected; all of them in one call for each partition
    /// they touch.
    pub async fn refund_orders(&self, refunds: &[RefundOrder]) -> Result<Vec<Refund>, RedisError> {
        let partitions = self.own.partitions();
        let mut outcomes = vec![Refund::NotFound; refunds.len()];
        for (partition, places) in
            by_partition(refunds, |refund| partitions.of_order(refund.order_id))
        {
            let mut call = Call::new("refund_orders");
            for refund in places.iter().map(|&place| &refunds[place]) {
                call =
                    call.key(keys::order(partition, refund.order_id)).arg(refund.reason.as_str());
            }
            let replies = self.own.call(partition, &call).await?.list_of(places.len())?;
            for (place, reply) in places.into_iter().zip(replies) {
                outcomes[place] = parse_refund(&reply)?;
            }
        }
        Ok(outcomes)
    }

    /// The order that a claimed key placed. It is there: key and order were written in one step.
    async fn replay(&self, id: &str) -> Result<Placement, RedisError> {
        let id = id.parse().map_err(|error| unexpected("place_order", error))?;
        let order = self.find_order(id).await?;
        order
            .map(|order| Placement::Replayed(order.as_placed()))
            .ok_or_else(|| unexpected("place_order", id))
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
    })
}

fn timestamp(reply: &Reply) -> Result<Timestamp, RedisError> {
    Ok(Timestamp::from_millis(reply.unsigned()?))
}

fn unexpected(function: &str, found: impl std::fmt::Display) -> RedisError {
    RedisError::Refused(format!("{function} answered {found}"))
}
