//! Every key of the store.

use shared::base::digest::short_digest;
use shared::live::CHANGES;
use shared::store::partition::{Partition, Partitions};

use crate::domain::{ItemId, TicketId};

/// Hash of an item: `queued`, the number of the last write that was queued; `version`, `value` and
/// `updated_at` of the write that it has. The last three are absent until a write is applied.
pub(crate) fn item(partition: Partition, id: &ItemId) -> String {
    partition.key_of("item", id)
}

/// Hash of a ticket. `lua/common/ticket.lua` describes it.
pub(crate) fn ticket(partition: Partition, id: TicketId) -> String {
    partition.key_of("ticket", id)
}

/// Hash with the number of writes that wait, and the bytes of their values.
pub(crate) fn backlog(partition: Partition) -> String {
    partition.key("backlog")
}

/// Hash that counts the tickets of ended writes. `lua/common/kept.lua` describes it.
pub(crate) fn kept_tickets(partition: Partition) -> String {
    partition.key("kept_tickets")
}

/// Stream of changes, for requests that wait.
pub(crate) fn changes(partition: Partition) -> String {
    partition.key(CHANGES)
}

/// The number that chooses the partition of an item. The tickets of its writes are in the same
/// partition.
pub(crate) fn seed(id: &ItemId) -> u32 {
    short_digest(id.as_str()).1
}

/// The partition of an item.
pub(crate) fn partition_of(partitions: Partitions, id: &ItemId) -> Partition {
    partitions.of_hash(seed(id))
}
