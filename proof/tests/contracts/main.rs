//! The contracts in the tree: they are what the programs say, they are complete, and their requests
//! work on a running system.
//!
//! These tests also write the generated files: `just contracts`, or `WRITE_CONTRACTS=1 cargo test
//! --test contracts`.

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
