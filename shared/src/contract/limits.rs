//! The limits in time that both services rely on. The functions in Lua receive the same values, so
//! each limit is stated only here.

use std::time::Duration;

/// How far the time inside an order id may be from the clock of the store that records the order.
/// No store records an order whose id is farther ahead of its clock.
pub const MAX_SKEW: Duration = Duration::from_hours(24);
/// Longest time between an order and its payment.
pub const MAX_COMPLETION_DELAY: Duration = Duration::from_hours(7 * 24);
/// Shortest time for which inventory keeps the records of orders.
pub const MIN_RECORD_RETENTION: Duration = Duration::from_hours(8 * 24);

// With a shorter retention, inventory could forget an order before payments pays the order.
const _: () = assert!(
    MIN_RECORD_RETENTION.as_secs() >= MAX_COMPLETION_DELAY.as_secs() + MAX_SKEW.as_secs(),
    "a record has to be kept for the longest delay, and for the largest error of a clock"
);
