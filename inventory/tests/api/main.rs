//! What inventory promises, tried through its HTTP API and its store, on private Redis servers.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test, like the test itself"
)]

mod harness;
mod model;

mod admin;
mod browsers;
mod changes;
mod conditions;
mod idempotency;
mod limits;
mod lists;
mod movements;
mod names;
mod origins;
mod pages;
mod parameters;
mod paths;
mod products;
mod races;
mod readiness;
mod refusals;
mod releases;
mod service;
mod sizes;
mod spellings;
mod surpluses;

mod apply_orders;
mod atomicity;
mod batches;
mod functions;
mod layouts;
mod records;
mod sweeps;
mod twin;
