//! What `todos` promises, tried at its boundary, on real servers: PostgreSQL and a Kafka broker.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test, like the test itself"
)]

mod audit;
mod broker;
mod system;

mod bodies;
mod crud;
mod delivery;
mod idempotency;
mod load;
mod outages;
mod poison;
mod races;
mod rebalance;
mod service;
mod start;
mod waits;
