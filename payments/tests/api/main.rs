//! What payments promises, tried through its HTTP API and its store. It runs on private Redis
//! servers, with a stand-in for inventory that answers as a test says.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test, like the test itself"
)]

mod fake_inventory;
mod harness;

mod audit;
mod claims;
mod conditions;
mod crowds;
mod half_closed;
mod idempotency;
mod last_event;
mod lists;
mod live;
mod offers;
mod orders;
mod parameters;
mod service;
mod sharing;
mod spellings;
mod stops;
mod timeline;
mod waits;
mod watching;

mod atomicity;
mod completion;
mod functions;
mod layouts;
mod lifecycle;
mod listing;
mod model;
mod silence;
mod twin;
