//! The calls of the functions in `lua/`: their keys and arguments in order.

use shared::contract::event::Event;
use shared::contract::trace::RequestContext;
use shared::store::claim::Claim;
use shared::store::function::Call;
use shared::store::partition::Partition;

use crate::domain::{ItemId, ItemValue, QueueLimits, TicketId, TicketLimits, WriteQueued};
use crate::keys;

pub(super) fn enqueue_write(
    partition: Partition,
    (id, item_id, value): (TicketId, &ItemId, &ItemValue),
    context: &RequestContext,
    limits: QueueLimits,
    claim: Option<&Claim>,
) -> Call {
    Call::new("enqueue_write")
        .key(keys::item(partition, item_id))
        .key(keys::ticket(partition, id))
        .key(partition.key(WriteQueued::STREAM))
        .key(keys::backlog(partition))
        .text(id)
        .arg(item_id.as_str())
        .arg(value.as_str())
        .text(&context.traceparent)
        .text(&context.request_id)
        .text(limits.writes)
        .text(limits.bytes)
        .text(limits.entries)
        .claim(partition, claim)
}

pub(super) fn apply_writes(
    partition: Partition,
    writes: &[&&WriteQueued],
    kept: TicketLimits,
) -> Call {
    let call = Call::new("apply_writes")
        .key(keys::backlog(partition))
        .key(keys::kept_tickets(partition))
        .key(keys::changes(partition))
        .text(kept.longest.as_secs())
        .text(kept.most);
    writes.iter().fold(call, |call, write| {
        call.key(keys::item(partition, &write.item_id))
            .key(keys::ticket(partition, write.ticket_id))
            .text(write.ticket_id)
            .arg(write.item_id.as_str())
            .text(write.version)
    })
}

pub(super) fn fail_write(
    partition: Partition,
    (id, item_id, version): (TicketId, &ItemId, u64),
    reason: &str,
    kept: TicketLimits,
) -> Call {
    Call::new("fail_write")
        .key(keys::ticket(partition, id))
        .key(keys::backlog(partition))
        .key(keys::kept_tickets(partition))
        .key(keys::changes(partition))
        .text(id)
        .arg(item_id.as_str())
        .text(version)
        .arg(reason)
        .text(kept.longest.as_secs())
        .text(kept.most)
}
