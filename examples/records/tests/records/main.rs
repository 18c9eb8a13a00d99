//! What records promises, tried through its HTTP API, on private servers.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test, like the test itself"
)]

mod harness;

mod cache;
mod counts;
mod documents;
mod idempotency;
mod interleavings;
mod load;
mod lost;
mod model;
mod operations;
mod outages;
mod races;
mod start;
mod values;
