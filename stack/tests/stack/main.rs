//! What the crate `stack` promises, tried on real servers and on stand-ins for the services.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test, like the test itself"
)]

mod cluster;
mod demo;
mod memory;
mod onlookers;
mod order;
mod process;
mod readers;
mod redis;
mod restarts;
mod sentinel;
mod server;
mod support;
mod system;
mod up;
