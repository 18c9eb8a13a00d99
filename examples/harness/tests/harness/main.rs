//! What the harness promises the examples, tried on real servers.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test, like the test itself"
)]

mod load;
mod servers;
mod stand_ins;
mod up;
