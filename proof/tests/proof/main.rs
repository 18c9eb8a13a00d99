//! What the tools of this crate promise, tried on real servers and services.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test, like the test itself"
)]

mod broken_store;
mod proxy;
mod shim;
mod support;
mod system;
