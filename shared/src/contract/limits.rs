//! The times that both services rely on. Each is stated once: the functions in Lua are given these too.

use std::time::Duration;

/// How far the time inside the id of an order may be from the clock of a store that records the order.
/// No store records an order whose id is farther ahead.
pub const MAX_SKEW: Duration = Duration::from_hours(24);
/// Longest time between an order and its payment.
pub const MAX_COMPLETION_DELAY: Duration = Duration::from_hours(7 * 24);
/// Shortest time for which inventory keeps the records of orders.
pub const MIN_RECORD_RETENTION: Duration = Duration::from_hours(8 * 24);

// Otherwise inventory could forget an order before payments pays it.
const _: () = assert!(
    MIN_RECORD_RETENTION.as_secs() >= MAX_COMPLETION_DELAY.as_secs() + MAX_SKEW.as_secs(),
    "a record has to be kept for the longest delay, and for the largest error of a clock"
);
