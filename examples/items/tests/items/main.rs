//! The tests of `items` at its boundary, on real servers.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test, like the test itself"
)]

mod harness;

mod cases;
mod damage;
mod deploy;
mod documents;
mod kills;
mod load;
mod memory;
mod order;
mod partitions;
mod queue;
mod refusals;
mod removed;
mod store;
mod tickets;
mod values;
