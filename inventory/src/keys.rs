//! Every key of the inventory store.

use shared::contract::id::ProductId;
use shared::contract::time::Timestamp;
use shared::live::CHANGES;
use shared::store::partition::Partition;

/// The stream of refund events, which payments reads.
pub(crate) const REFUND_ORDER: &str = "refund_order";

/// Milliseconds of an hour. The records of all orders that were minted in one hour share a hash.
const HOUR_MS: u64 = 60 * 60 * 1_000;

/// The last 30 characters of an order id are unique within one hour. The six before them are the
/// upper half of its time, and change every 2^24 ms, about 4.7 hours.
const RECORD_LENGTH: usize = 30;

/// The line of a product, or its tombstone.
pub(crate) fn product(partition: Partition, id: ProductId) -> String {
    partition.key_of("product", id)
}

/// Sorted set of the ids of all products in the catalogue.
pub(crate) fn products(partition: Partition) -> String {
    partition.key("products")
}

/// Sorted set of the same products by name. A member is the text to sort by, a zero byte, the id.
pub(crate) fn names(partition: Partition) -> String {
    partition.key("names")
}

/// The id in a member of [`names`].
pub(crate) fn named_id(member: &str) -> &str {
    member.rsplit('\0').next().unwrap_or_default()
}

/// Stream of movements: each changed the stock of a product, or confirmed it.
pub(crate) fn movements(partition: Partition, id: ProductId) -> String {
    partition.key_of("movements", id)
}

/// Stream of changes, for clients that watch.
pub(crate) fn changes(partition: Partition) -> String {
    partition.key(CHANGES)
}

/// Hash with the records of the orders that were minted in one hour. The field is the second part
/// of [`record`], the value a movement or an outcome.
pub(crate) fn records(partition: Partition, hour: u64) -> String {
    partition.key_of("records", hour)
}

/// The number of the first hour that was not swept.
pub(crate) fn swept(partition: Partition) -> String {
    partition.key_of("records", "swept")
}

/// Prefix of the keys of products.
pub(crate) fn products_prefix(partition: Partition) -> String {
    partition.key_of("product", "")
}

/// Prefix of the keys of movements.
pub(crate) fn movements_prefix(partition: Partition) -> String {
    partition.key_of("movements", "")
}

/// Prefix of the keys of records.
pub(crate) fn records_prefix(partition: Partition) -> String {
    partition.key_of("records", "")
}

/// An order id in two parts. The second part is the field of its record.
pub(crate) fn record(order_id: &str) -> (&str, &str) {
    order_id.split_at(order_id.len().saturating_sub(RECORD_LENGTH))
}

/// Sorted set of the hours that have records.
pub(crate) fn record_hours(partition: Partition) -> String {
    partition.key("record_hours")
}

/// The hour of an order: the number of the hour since 1970 in which its id was minted. It comes
/// from the id and not from a clock, so a redelivery finds the same hour.
pub(crate) fn hour(ordered_at: Timestamp) -> u64 {
    ordered_at.as_millis() / HOUR_MS
}

/// The time at which an hour begins.
pub(crate) fn hour_start(hour: u64) -> Timestamp {
    Timestamp::from_millis(hour.saturating_mul(HOUR_MS))
}
