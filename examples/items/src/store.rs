//! The store of items: one method for each function in `lua/`. The reads are in `read`.

use shared::contract::trace::RequestContext;
use shared::redis::{Redis, RedisError};
use shared::store::Store;
use shared::store::claim::{Claim, Once};
use shared::store::partition::Partitions;
use shared::store::scatter::call_each;
use shared::stream::delivery::Delivered;

mod calls;
mod migration;
mod read;
mod reply;

use crate::domain::{
    Applied, Enqueued, ItemId, ItemValue, QueueLimits, TicketId, TicketLimits, WriteQueued,
};
use crate::keys;

/// The items, and the writes that wait for them. Cheap to clone.
#[derive(Clone)]
pub struct ItemStore {
    /// The store itself, for what all services do alike.
    pub own: Store,
    limits: QueueLimits,
    kept: TicketLimits,
}

/// Code that several functions share. Each file of functions is loaded with this code in front.
const COMMON: [&str; 3] = [
    include_str!("lua/common/backlog.lua"),
    include_str!("lua/common/kept.lua"),
    include_str!("lua/common/ticket.lua"),
];
/// The most writes of one call; `lua/apply_writes.lua` refuses more. With values of 64 KiB the call
/// copies 6 MiB, which takes a few milliseconds.
const APPLY_BATCH: usize = 100;

impl ItemStore {
    /// The store behind `redis`. The queue is at most as long as `limits` say, and the tickets of
    /// ended writes are kept as `kept` says.
    pub fn new(
        redis: Redis,
        partitions: Partitions,
        limits: QueueLimits,
        kept: TicketLimits,
    ) -> Self {
        let files = [
            include_str!("lua/enqueue_write.lua"),
            include_str!("lua/apply_writes.lua"),
            include_str!("lua/fail_write.lua"),
        ];
        let files = files.map(|file| COMMON.concat() + file);
        let files = &files.each_ref().map(String::as_str);
        Self {
            own: Store::new(redis, migration::LAYOUT, files, partitions),
            limits,
            kept,
        }
    }

    /// Queues a write; with a claim, at most one for each key. The answer to a repeated request is
    /// the ticket as it was when the write was queued.
    pub async fn enqueue_write(
        &self,
        item_id: &ItemId,
        value: &ItemValue,
        context: &RequestContext,
        claim: Option<&Claim>,
    ) -> Result<Once<Enqueued>, RedisError> {
        let partitions = self.own.partitions();
        let id: TicketId = partitions.mint_in(keys::seed(item_id));
        let partition = keys::partition_of(partitions, item_id);
        let call =
            calls::enqueue_write(partition, (id, item_id, value), context, self.limits, claim);
        Ok(match Once::read(self.own.call(partition, &call).await?)? {
            Once::Now(outcome) => Once::Now(reply::enqueued(item_id, &outcome)?),
            Once::Before(answer) => Once::Before(reply::queued(item_id, &answer)?),
            Once::KeyReused => Once::KeyReused,
        })
    }

    /// Applies queued writes, with one call for each partition, or several for more than 100
    /// writes.
    pub async fn apply_writes(
        &self,
        writes: &[Delivered<'_, WriteQueued>],
    ) -> Result<Vec<Applied>, RedisError> {
        let partitions = self.own.partitions();
        let writes: Vec<&WriteQueued> = writes.iter().map(|write| &write.event).collect();
        call_each(
            &self.own,
            &writes,
            APPLY_BATCH,
            |write| keys::partition_of(partitions, &write.item_id),
            |partition, writes| calls::apply_writes(partition, writes, self.kept),
            reply::applied,
        )
        .await
    }

    /// Ends a queued write that cannot be applied. `false` when no queued write has this ticket,
    /// item and version.
    pub async fn fail_write(&self, write: &WriteQueued, reason: &str) -> Result<bool, RedisError> {
        let partition = self.own.partitions().of(write.ticket_id);
        let write = (write.ticket_id, &write.item_id, write.version);
        let call = calls::fail_write(partition, write, reason, self.kept);
        Ok(self.own.call(partition, &call).await?.int()? == 1)
    }
}
