//! Every key of the inventory store.

use shared::contract::id::{Partition, ProductId};
use shared::contract::time::Timestamp;
use shared::live::CHANGES;

/// The reply stream, read by payments.
pub(crate) const REFUND_ORDER: &str = "refund_order";

/// Milliseconds of order ids whose records share a bucket: one hour.
const BUCKET_MS: u64 = 60 * 60 * 1_000;

/// Characters at the end of an order id that are all of it within the hour of a bucket: those before
/// them only change every four hours.
const RECORD_LENGTH: usize = 30;

/// The line of a product, or its tombstone.
pub(crate) fn product(partition: Partition, id: ProductId) -> String {
    partition.key_of("product", id)
}

/// Sorted set of the ids of all products in the catalogue.
pub(crate) fn products(partition: Partition) -> String {
    partition.key("products")
}

/// Sorted set of the same products by name: what the name is sorted by, a zero byte, the id.
pub(crate) fn names(partition: Partition) -> String {
    partition.key("names")
}

/// The id in a member of [`names`].
pub(crate) fn named_id(member: &str) -> &str {
    member.rsplit('\0').next().unwrap_or_default()
}

/// Stream of everything that changed the stock of a product.
pub(crate) fn movements(partition: Partition, id: ProductId) -> String {
    partition.key_of("movements", id)
}

/// Stream of what changed, for whoever watches.
pub(crate) fn changes(partition: Partition) -> String {
    partition.key(CHANGES)
}

/// Hash of what became of the orders minted in one hour: [`record`] -> movement, or outcome.
pub(crate) fn applied(partition: Partition, bucket: u64) -> String {
    partition.key_of("applied", bucket)
}

/// The number of the first bucket that was not swept.
pub(crate) fn swept(partition: Partition) -> String {
    partition.key_of("applied", "swept")
}

/// What the keys of products begin with.
pub(crate) fn products_prefix(partition: Partition) -> String {
    partition.key_of("product", "")
}

/// What the keys of movements begin with.
pub(crate) fn movements_prefix(partition: Partition) -> String {
    partition.key_of("movements", "")
}

/// What the keys of records begin with.
pub(crate) fn applied_prefix(partition: Partition) -> String {
    partition.key_of("applied", "")
}

/// An order id in two parts: the second one is what the order is recorded under in its bucket.
pub(crate) fn record(order_id: &str) -> (&str, &str) {
    order_id.split_at(order_id.len().saturating_sub(RECORD_LENGTH))
}

/// Sorted set of the buckets there are.
pub(crate) fn applied_buckets(partition: Partition) -> String {
    partition.key("applied")
}

/// The bucket of an order. It comes from the id alone, so a redelivery finds it whatever the clocks
/// say.
pub(crate) fn bucket(ordered_at: Timestamp) -> u64 {
    ordered_at.as_millis() / BUCKET_MS
}

/// The time at which a bucket begins.
pub(crate) fn bucket_start(bucket: u64) -> Timestamp {
    Timestamp::from_millis(bucket.saturating_mul(BUCKET_MS))
}
