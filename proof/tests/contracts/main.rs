//! The contracts in the tree: they are what the programs say, they are complete, and the requests
//! among them work on the running system.
//!
//! Whatever is generated is written by these tests: `just contracts`, or
//! `WRITE_CONTRACTS=1 cargo test --test contracts`.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test, like the test itself"
)]

mod configuration;
mod documents;
mod hurl;
mod postman;
mod requests;
mod tree;
