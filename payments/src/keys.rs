//! Every key of the payments store.

use shared::contract::id::OrderId;
use shared::live::CHANGES;
use shared::store::partition::Partition;

/// The stream of paid orders, which inventory reads.
pub(crate) const ORDER_COMPLETED: &str = "order_completed";

/// The line of an order.
pub(crate) fn order(partition: Partition, id: OrderId) -> String {
    partition.key_of("order", id)
}

/// Prefix of the keys of the orders of a partition.
pub(crate) fn order_prefix(partition: Partition) -> String {
    partition.key_of("order", "")
}

/// Sorted set of all orders by the time they were placed, in milliseconds: one member for all
/// orders that one call placed.
pub(crate) fn orders(partition: Partition) -> String {
    partition.key("orders")
}

/// Sorted set of pending orders by the time they are due, in milliseconds: one member for all
/// orders that one call placed.
pub(crate) fn due(partition: Partition) -> String {
    partition.key("due")
}

/// Hash with the sums that were charged and refunded, in minor units.
pub(crate) fn account(partition: Partition) -> String {
    partition.key("account")
}

/// Stream of changes, for clients that watch.
pub(crate) fn changes(partition: Partition) -> String {
    partition.key(CHANGES)
}
